from random import Random

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from weightfill.torch._recorded.regions import Place, covered, place_of  # noqa: E402


def view(tensor, random):
    """Return a random view of a tensor."""
    for _ in range(random.randint(0, 3)):
        axis = random.randrange(tensor.ndim) if tensor.ndim else None
        match random.randrange(5):
            case 0 if axis is not None:
                low = random.randint(0, tensor.shape[axis] - 1)
                tensor = tensor.narrow(axis, low, random.randint(1, tensor.shape[axis] - low))
            case 1 if axis is not None:
                tensor = tensor.select(axis, random.randrange(tensor.shape[axis]))
            case 2 if tensor.ndim > 1:
                tensor = tensor.transpose(0, axis)
            case 3 if tensor.is_contiguous():
                tensor = tensor.view(-1)
            case 4 if axis is not None:
                tensor = tensor[(slice(None),) * axis + (slice(random.randint(0, 1), None, 2),)]
        if 0 in tensor.shape:
            return tensor
    return tensor


@pytest.mark.parametrize("seed", range(200))
def test_a_box_has_the_elements_that_were_written(seed):
    random = Random(seed)
    shape = [random.randint(1, 4) for _ in range(random.randint(1, 3))]
    memory = torch.zeros(shape)
    outer = memory if random.random() < 0.7 else view(memory, random)
    inner = view(memory, random)
    box = covered(place_of(outer), place_of(inner))
    inner.fill_(1)
    if box is None:  # no box; a plan refuses it
        assert inner.numel()
        return
    expected = torch.zeros(outer.shape)
    expected.view(expected.shape or (1,))[tuple(slice(one.start, one.stop, one.step) for one in box)] = 1
    assert torch.equal(outer, expected)


@pytest.mark.parametrize(
    ("part", "box"),
    [
        (lambda w: w[2], (range(2, 3), range(6))),
        (lambda w: w[1:3].view(-1), (range(1, 3), range(6))),
        (lambda w: w.t()[4], (range(4), range(4, 5))),
        (lambda w: w[:, ::2], (range(4), range(0, 5, 2))),
        (lambda w: w.view(2, 2, 6)[1], (range(2, 4), range(6))),
        (lambda w: w.view(4, 2, 3)[:, 1], (range(4), range(3, 6))),
        (lambda w: w.view(-1)[3:9], None),
    ],
)
def test_common_views_are_boxes(part, box):
    weight = torch.empty(4, 6)
    assert covered(place_of(weight), place_of(part(weight))) == box


def test_parts_without_elements_and_beyond_are_empty():
    weight = torch.empty(8, 3)
    assert covered(place_of(weight[:4]), place_of(weight[4:])) == (range(0), range(0))
    assert covered(place_of(weight), place_of(weight[:0])) == (range(0), range(0))
    assert covered(place_of(weight[1]), place_of(weight)) == (range(3),)
    assert Place(3, (2, 2), (4, 1)).part((range(1, 2), range(2))) == Place(7, (1, 2), (4, 1))


def test_a_view_that_leaves_a_part_is_no_box_of_it():
    memory = torch.empty(2, 4)
    assert covered(place_of(memory[0]), place_of(memory[:, 0])) is None
    assert covered(place_of(memory[1, 1:]), place_of(memory.t()[2])) is None
