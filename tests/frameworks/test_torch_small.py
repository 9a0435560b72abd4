"""Small tensors, which a quicker way leads to the same values, versions and errors."""

import math
import threading
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from weightfill.torch import _drawn  # noqa: E402
from weightfill.torch._nn_init import drawing  # noqa: E402

ARGUMENTS = {
    "uniform_": (-0.5, 2),
    "normal_": (1, 0.02),
    "trunc_normal_": (0.0, 1.0, -2.0, 2.0),
    "xavier_uniform_": (2.0,),
    "xavier_normal_": (1.0,),
    "kaiming_uniform_": (0, "fan_in", "leaky_relu"),
    "kaiming_normal_": (0.1, "fan_out", "leaky_relu"),
}
CONSTANTS = {"zeros_": (), "ones_": (), "constant_": (0.3,), "eye_": ()}
SHAPES = [(1, 1), (3, 5), (16, 16), (2, 3, 4), (65, 33), (600, 500)]  # the last is not small
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e5m2]


def general(tensor, name, arguments, generator=None):
    """What the way gives that takes all tensors."""
    if not drawing.filled(tensor, name, arguments, partial(_drawn.key_of, generator)):
        drawing.as_torch(tensor, name, arguments, generator)
    return tensor


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_quick_way_gives_the_general_ones_values_and_leaves_the_generator_alike(name, shape):
    for dtype in DTYPES:
        for generator in (None, torch.Generator()):
            found = []
            for fill in (getattr(wt, name), None):
                (generator or torch.default_generator).manual_seed(7)
                tensor = torch.zeros(shape, dtype=dtype)
                if fill:
                    fill(tensor, *ARGUMENTS[name], generator=generator)
                else:
                    general(tensor, name, ARGUMENTS[name], generator)
                state = (generator or torch.default_generator).get_state()
                found.append((tensor.view(torch.uint8), state, tensor._version))
            (a, a_state, a_version), (b, b_state, b_version) = found
            assert torch.equal(a, b)
            assert torch.equal(a_state, b_state)
            assert a_version == b_version == 1
            assert a.any()


@pytest.mark.parametrize("rows", [2, 5, 64, 700])
def test_sparse_orthogonal_and_dirac_are_filled_as_everywhere_else(rows):
    weight = torch.zeros(rows, 40)
    key = torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=torch.Generator().manual_seed(9))
    wt.sparse_(weight, 0.5, generator=torch.Generator().manual_seed(9))
    sparse = wf.Sparse(rows - math.ceil(rows / 2), 0.01, axis=0)
    assert torch.equal(weight, wt.fill(torch.zeros(rows, 40), sparse, seed=key.item() % 2**64))
    for dtype in (torch.float32, torch.float64):
        weight = torch.zeros(rows, 5, 8, dtype=dtype)
        wt.orthogonal_(weight, 1.5, generator=torch.Generator().manual_seed(9))
        expected = wt.fill(torch.zeros_like(weight), wf.Orthogonal(1.5), seed=key.item() % 2**64)
        assert torch.equal(weight, expected)
    for shape in [(rows, 40, 1), (rows, 3, 4, 5)]:
        assert torch.equal(wt.dirac_(torch.zeros(shape)), drawing.originals["dirac_"](torch.zeros(shape)))


@pytest.mark.parametrize("number", [Fraction(1, 2), Decimal("0.5"), True, np.float64(0.5), torch.tensor(0.5)], ids=repr)
def test_numbers_that_equal_a_known_one_are_not_taken_for_it(number):
    tensor = torch.empty(6)
    wt.normal_(tensor, 0.0, 0.5), wt.normal_(tensor, 0.0, 1.0)
    outcomes = []
    for fill in (wt.normal_, lambda tensor, *numbers: general(tensor, "normal_", numbers)):
        torch.manual_seed(1)
        try:
            outcomes.append(fill(tensor, 0.0, number).tolist())
        except TypeError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


def test_more_kinds_of_calls_than_are_kept():
    torch.manual_seed(1)
    first = wt.uniform_(torch.empty(3), 0.0, 0.5).clone()
    for i in range(5000):
        wt.uniform_(torch.empty(3), 0.0, 1 + i / 8)
    torch.manual_seed(1)
    assert torch.equal(wt.uniform_(torch.empty(3), 0.0, 0.5), first)


def test_threads_draw_at_once():
    def draw(seed, found):
        generator = torch.Generator().manual_seed(seed)
        found.append([wt.normal_(torch.empty(5), generator=generator) for _ in range(400)])

    expected, found = [], [[] for _ in range(8)]
    draw(0, expected)
    threads = [threading.Thread(target=draw, args=(0, values)) for values in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in found:
        assert torch.equal(torch.stack(values[0]), torch.stack(expected[0]))


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_written_as_torch_writes_them(name):
    ours, torchs = getattr(wt, name), drawing.originals[name]

    def outcome(fill, make):
        tensor = make()
        before = tensor._version
        result = fill(tensor, *CONSTANTS[name])
        return result is tensor, tensor.tolist(), tensor._version - before, tensor.requires_grad, tensor.is_leaf

    makes = [
        lambda: torch.full((3, 4), 7.0),
        lambda: torch.nn.Parameter(torch.full((3, 4), 7.0)),
        lambda: torch.full((3, 4), 7.0, requires_grad=True) * 2,
        lambda: torch.full((8, 8), 7, dtype=torch.int32)[::2, 1::2],
        lambda: torch.nn.Parameter(torch.full((6, 4), 7.0)).detach()[:3],
        lambda: torch.full((3, 4), 7.0, dtype=torch.bfloat16).T,
    ]
    for make in makes:
        assert outcome(ours, make) == outcome(torchs, make)


@pytest.mark.filterwarnings("ignore:`torch.jit.script")
@pytest.mark.parametrize("name", CONSTANTS)
def test_errors_and_modes_of_constants_are_torchs(name):
    fill, arguments = getattr(wt, name), CONSTANTS[name]
    with torch.inference_mode():
        inference = torch.full((2, 2), 7.0)
    with pytest.raises(RuntimeError, match="[Ii]nference"):
        fill(inference, *arguments)
    with torch.inference_mode():
        fill(inference, *arguments)
    assert not (inference == 7).any()

    leaf = torch.full((2, 2), 7.0, requires_grad=True)
    square = leaf * leaf
    fill(leaf, *arguments)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        square.sum().backward()

    class Seen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            functions.append(getattr(function, "__name__", str(function)))
            return function(*args, **(kwargs or {}))

    functions = []
    with Seen():
        fill(leaf, *arguments)
    assert functions
    assert "detach" not in functions

    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.full((2, 2), 7.0), torch.ones(2, 2))
        if name == "eye_":
            with pytest.raises(NotImplementedError, match="forward AD"):
                fill(dual)
        else:
            primal, tangent = forward_ad.unpack_dual(fill(dual, *arguments))
            assert not (primal == 7).any()
            assert tangent is None or not tangent.any()


def test_arguments_that_are_equal_may_not_be_alike():
    weight = torch.empty(4, 2, 3)
    wt.dirac_(weight, 2)
    with pytest.raises(TypeError):
        wt.dirac_(weight, 2.0)
