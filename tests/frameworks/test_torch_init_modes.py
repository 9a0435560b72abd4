"""Functions of torch.nn.init under modes, transformations and subclasses: filled, or left to torch."""

import threading

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402


def test_inference_tensors_are_filled_in_inference_mode_only():
    with torch.inference_mode():
        tensor = torch.zeros(4, 3)
        wt.normal_(tensor)
    assert tensor.count_nonzero() == 12
    with pytest.raises(RuntimeError, match="inference tensor"):
        wt.normal_(tensor)


def test_autograd_notices_a_fill_as_any_change_in_place():
    weight = nn.Parameter(torch.ones(3))
    loss = (weight.exp() * weight).sum()
    wt.normal_(weight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_thread_that_began_in_inference_mode_draws_outside_of_it():
    found = []

    def work():
        with torch.inference_mode():
            found.append(wt.normal_(torch.zeros(3)))
        found.append(wt.normal_(torch.zeros(3)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [tensor.count_nonzero() for tensor in found] == [3, 3]


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_traces_contain_the_draw():
    traced = torch.jit.trace(lambda x: wt.normal_(x.clone()), torch.zeros(3), check_trace=False)
    assert traced(torch.zeros(3)).count_nonzero() == 3


def test_modes_see_the_operation():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recording(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.names = []

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.names.append(str(function))
            return function(*args, **(kwargs or {}))

    with Recording() as mode:
        wt.normal_(torch.zeros(3))
    assert any("normal_" in name for name in mode.names)


def test_functional_tensors_are_left_to_torch():
    found = torch.func.functionalize(lambda x: wt.normal_(x.clone()))(torch.zeros(3))
    assert found.count_nonzero() == 3


@pytest.mark.filterwarnings("ignore:`torch.jit.script")
def test_forward_derivatives_are_those_of_a_constant():
    from torch.autograd import forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones(3), torch.ones(3))
        wt.normal_(dual)
        assert not forward_ad.unpack_dual(dual).tangent.any()


def test_a_fill_that_is_refused_leaves_the_version():
    tensor = torch.zeros(3)
    for init, options in [(wf.XavierUniform(), {"seed": 1}), (wf.Ones(), {"threads": -3})]:
        with pytest.raises(ValueError, match="must"):
            wt.fill(tensor, init, **options)
    assert tensor._version == 0


def test_subclasses_get_the_functions_they_define():
    class Recording(torch.Tensor):
        calls = []  # noqa: RUF012

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            cls.calls.append(function)
            return super().__torch_function__(function, types, args, kwargs or {})

    class Plain(torch.Tensor):
        pass

    recording = torch.zeros(4, 3).as_subclass(Recording)
    assert wt.normal_(recording) is recording
    assert nn.init.normal_ in Recording.calls
    torch.manual_seed(6)
    expected = wt.normal_(torch.empty(4, 3))
    torch.manual_seed(6)
    found = wt.normal_(torch.empty(4, 3).as_subclass(Plain))
    assert type(found) is Plain
    assert torch.equal(found.as_subclass(torch.Tensor), expected)


def test_functional_transformations_are_left_to_torch():
    def draw(weight):
        return wt.normal_(weight.clone())

    found = torch.func.vmap(draw, randomness="different")(torch.zeros(3, 5))
    assert found.count_nonzero() == 15


def test_fake_tensors_are_left_to_torch():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        tensor = torch.empty(4, 3)
        assert wt.normal_(tensor) is tensor


def test_warnings_name_the_line_of_the_caller():
    with pytest.warns(UserWarning, match="mean is more than 2 std") as direct:
        wt.trunc_normal_(torch.empty(3), mean=9.0)
    with wt.patched(), pytest.warns(UserWarning, match="mean is more than 2 std") as redirected:
        nn.init.trunc_normal_(torch.empty(3), mean=9.0)
    with pytest.warns(UserWarning, match="zero-element tensors") as empty:
        wt.kaiming_normal_(torch.empty(0, 3))
    assert direct[0].filename == redirected[0].filename == empty[0].filename == __file__
