import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks import model_of_a_library  # noqa: E402
from tests.frameworks.model_of_a_library import Model, trunc_normal_, trunc_normal_tf_  # noqa: E402

CODES = {function: function.__code__ for function in (trunc_normal_, trunc_normal_tf_)}


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert not {"normal_", "uniform_"} & vars(torch.Tensor).keys()
    for function, code in CODES.items():
        assert function.__code__ is code


def key(seed=8):
    """The key that a first draw takes after `torch.manual_seed`."""
    torch.manual_seed(seed)
    return int(torch.empty((), dtype=torch.int64).random_(-(2**63), None).item()) % 2**64


def patched(function, *args, seed=8, **kwargs):
    torch.manual_seed(seed)
    with wt.patched():
        return function(*args, **kwargs)


DRAWS = {
    "normal_()": (lambda t: t.normal_(), wf.Normal()),
    "normal_(1, 2)": (lambda t: t.normal_(1, 2), wf.Normal(mean=1, std=2)),
    "normal_(mean, std=)": (lambda t: t.normal_(0.0, std=0.02), wf.Normal(std=0.02)),
    "normal_(mean=, std=)": (lambda t: t.normal_(mean=1, std=0.02), wf.Normal(mean=1, std=0.02)),
    "uniform_()": (lambda t: t.uniform_(), wf.Uniform()),
    "uniform_(-1, 1)": (lambda t: t.uniform_(-1, 1), wf.Uniform(-1, 1)),
    "uniform_(-3, to=2)": (lambda t: t.uniform_(-3, to=2), wf.Uniform(-3, 2)),
    "uniform_(from=, to=)": (lambda t: t.uniform_(**{"from": 2, "to": 3.5}), wf.Uniform(2, 3.5)),
    "uniform_(tensor)": (lambda t: t.uniform_(torch.tensor(-2.0), 2), wf.Uniform(-2, 2)),
    "uniform_(NumPy)": (lambda t: t.uniform_(-np.float32(2), np.sqrt(4)), wf.Uniform(-2, 2)),
    "Tensor.normal_": (lambda t: torch.Tensor.normal_(t, 0, 3), wf.Normal(std=3)),
    "data": (lambda t: t.data.normal_(), wf.Normal()),
    "detach": (lambda t: t.detach().uniform_(), wf.Uniform()),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("draw", DRAWS)
def test_methods_draw_weightfills_values(draw, dtype):
    function, init = DRAWS[draw]
    expected = wt.fill(torch.empty(6, 7, dtype=dtype), init, seed=key())
    tensor = torch.empty(6, 7, dtype=dtype)
    version = tensor._version
    found = patched(function, tensor)
    assert found.data_ptr() == tensor.data_ptr()
    assert torch.equal(tensor, expected)
    assert draw == "data" or tensor._version == version + 1
    strided = torch.empty(14, 6, dtype=dtype).T[:, ::2]
    patched(function, strided)
    assert torch.equal(strided, expected)


def test_methods_take_the_key_from_the_generator():
    generator = torch.Generator().manual_seed(3)
    with wt.patched():
        found = torch.empty(5).normal_(generator=generator)
        second = torch.empty(5).uniform_(0, 1, generator=generator)
    generator.manual_seed(3)
    assert torch.equal(found, wt.normal_(torch.empty(5), generator=generator))
    assert torch.equal(second, wt.uniform_(torch.empty(5), generator=generator))


def test_parameters_are_filled_where_torch_fills_them():
    parameter = nn.Parameter(torch.empty(6, 7))
    with torch.no_grad():
        assert patched(lambda: parameter.normal_(std=2)) is parameter
    assert torch.equal(parameter, wt.fill(torch.empty(6, 7), wf.Normal(std=2), seed=key()))
    assert parameter.requires_grad
    assert parameter.grad_fn is None


@pytest.mark.parametrize("kind", [torch.device("cpu"), torch.inference_mode, torch.no_grad], ids=str)
def test_methods_are_redirected_within(kind):
    with kind if isinstance(kind, torch.device) else kind():
        found = patched(lambda: torch.empty(9).normal_())
    assert torch.equal(found, wt.fill(torch.empty(9), wf.Normal(), seed=key()))


def test_every_parameter_of_a_model_is_weightfills():
    torch.manual_seed(1)
    before = {name: p.detach() for name, p in Model().named_parameters()}
    found = {name: p.detach() for name, p in patched(Model, seed=1).named_parameters()}
    inits = {
        "data_uniform": wf.Uniform(-0.1, 0.1),
        "data_normal": wf.Normal(std=0.02),
        "normal": wf.Normal(std=0.02),
        "truncated": wf.TruncatedNormal(std=0.02, low=-2, high=2),
        "scaled": wf.TruncatedNormal(std=0.02, cutoff=2),
        "linear": wf.XavierUniform(),
    }
    torch.manual_seed(1)
    for name, init in inits.items():
        seed = int(torch.empty((), dtype=torch.int64).random_(-(2**63), None).item()) % 2**64
        assert torch.equal(found[name], wt.fill(torch.empty(64, 64), init, seed=seed)), name
        assert found[name].std() == pytest.approx(before[name].std().item(), rel=0.1), name
    torch.manual_seed(1)
    assert all(torch.equal(p, before[name]) for name, p in Model().named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("function", "arguments", "init"),
    [
        (trunc_normal_, {}, wf.TruncatedNormal(low=-2, high=2)),
        (trunc_normal_, {"mean": 1, "std": 0.5, "a": 0.5, "b": 3}, wf.TruncatedNormal(1, 0.5, low=0.5, high=3)),
        (trunc_normal_tf_, {"std": 0.5}, wf.TruncatedNormal(std=0.5, cutoff=2)),
        (trunc_normal_tf_, {"mean": 1, "std": 0.5, "a": -1, "b": 3}, wf.TruncatedNormal(1, 0.5, low=0.5, high=2.5)),
    ],
)
def test_copies_of_trunc_normal_draw_weightfills_values(function, arguments, init, dtype):
    parameter = nn.Parameter(torch.empty(64, 64, dtype=dtype))
    assert patched(function, parameter, **arguments) is parameter
    assert torch.equal(parameter, wt.fill(torch.empty(64, 64, dtype=dtype), init, seed=key()))
    plain = function(torch.empty(64, 64, dtype=dtype), **arguments)
    assert plain.float().mean() == pytest.approx(parameter.float().mean().item(), abs=0.05)
    assert plain.float().std() == pytest.approx(parameter.float().std().item(), rel=0.05)


def test_copies_warn_as_they_do():
    for function in (trunc_normal_, trunc_normal_tf_):
        with pytest.warns(UserWarning, match="mean is more than 2 std from") as found:
            patched(function, torch.empty(4), a=3, b=4)
        assert found[0].filename == __file__.replace(".pyc", ".py")


@pytest.mark.parametrize("function", [trunc_normal_, trunc_normal_tf_])
def test_copies_do_what_they_did_where_weightfill_cannot(function):
    with pytest.raises(RuntimeError) as found:
        patched(function, torch.empty(4), a=2, b=1)
    with pytest.raises(RuntimeError) as expected:
        function(torch.empty(4), a=2, b=1)
    assert str(found.value) == str(expected.value)
    with pytest.raises(RuntimeError, match="not implemented for 'Long'"):
        patched(function, torch.empty(4, dtype=torch.int64))
    assert patched(function, torch.empty(4, device="meta")).is_meta


def test_functions_that_only_look_like_copies_are_left_alone(monkeypatch):
    def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
        """Something else."""
        return tensor.fill_(mean)

    code = trunc_normal_.__code__
    monkeypatch.setattr(model_of_a_library, "trunc_normal_", trunc_normal_)
    with wt.patched():
        assert trunc_normal_.__code__ is code
        assert (model_of_a_library.trunc_normal_(torch.empty(3), 7) == 7).all()


ERRORS = {
    "a leaf that requires grad": lambda: nn.Parameter(torch.empty(3)).normal_(),
    "a view of one": lambda: nn.Parameter(torch.empty(3))[:2].uniform_(),
    "integers": lambda: torch.empty(3, dtype=torch.int64).normal_(),
    "integers, uniform": lambda: torch.empty(3, dtype=torch.int32).uniform_(),
    "std below 0": lambda: torch.empty(3).normal_(0, -1),
    "from above to": lambda: torch.empty(3).uniform_(1, 0),
    "text": lambda: torch.empty(3).normal_("0", 1),
    "too many": lambda: torch.empty(3).normal_(0, 1, None),
    "twice": lambda: torch.empty(3).normal_(0, mean=1),
    "another name": lambda: torch.empty(3).uniform_(low=0),
    "beyond float16": lambda: torch.empty(3, dtype=torch.float16).uniform_(0, 1e6),
    "memory shared": lambda: torch.empty(1).expand(3).normal_(),
    "float8": lambda: torch.empty(3, dtype=torch.float8_e4m3fn).normal_(0, -1),
    "sparse": lambda: torch.empty(3, 3).to_sparse().normal_(),
    "an inference tensor": lambda: torch.inference_mode()(torch.empty)(3).normal_(),
    "vmap": lambda: torch.vmap(lambda x: torch.empty(3).normal_() + x)(torch.ones(2)),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_of_methods_stay_torchs(case):
    with pytest.raises((RuntimeError, TypeError, NotImplementedError)) as expected:
        ERRORS[case]()
    with wt.patched(), pytest.raises(type(expected.value)) as found:
        ERRORS[case]()
    assert str(found.value).splitlines()[0] == str(expected.value).splitlines()[0]


class Own(torch.Tensor):
    """A class of its own, which hears of what is done to it."""

    heard = ()

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        cls.heard = (*cls.heard, function)
        return super().__torch_function__(function, types, args, kwargs)


def computed():
    weight = nn.Parameter(torch.ones(4)) * 1
    weight.normal_()
    assert "NormalBackward" in type(weight.grad_fn).__name__
    return weight


def spectral():
    layer = nn.Linear(3, 3)
    nn.init.eye_(layer.weight)
    torch.manual_seed(9)
    return nn.utils.parametrizations.spectral_norm(layer).parametrizations.weight[0]._u


TORCHS = {
    "complex": lambda: torch.empty(4, dtype=torch.complex64).normal_(),
    "computed": computed,
    "a class of its own": lambda: torch.empty(4).as_subclass(Own).normal_().as_subclass(torch.Tensor),
    "torch.nn.init, complex": lambda: nn.init.normal_(torch.empty(4, dtype=torch.complex64)),
    "torch.nn.init, not an argument": lambda: nn.init.uniform_(torch.empty(4), 0, True),
    "spectral_norm": spectral,
    "Laplace": lambda: torch.distributions.Laplace(0.0, 1.0).sample((4,)),
    "randn": lambda: torch.randn(4),
    "rand_like": lambda: torch.rand_like(torch.empty(4)),
    "dropout": lambda: nn.functional.dropout(torch.ones(40)),
    "rrelu": lambda: nn.functional.rrelu(-torch.ones(40), training=True),
    "vmap": lambda: torch.vmap(lambda x: x.clone().normal_(), randomness="different")(torch.ones(4)),
    "make_fx": lambda: make_fx(lambda x: x.normal_())(torch.ones(4))(torch.ones(4)),
}


@pytest.mark.parametrize("case", TORCHS)
def test_torchs_own_functions_and_other_tensors_keep_torchs_values(case):
    torch.manual_seed(8)
    expected = TORCHS[case]()
    assert torch.equal(patched(TORCHS[case]), expected)


def test_classes_of_their_own_hear_of_torchs_methods():
    Own.heard = ()
    patched(lambda: torch.empty(4).as_subclass(Own).normal_(0, std=2))
    assert torch._C.TensorBase.normal_ in Own.heard


def test_modes_hear_of_torchs_methods():
    heard = []

    class Hearing(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            heard.append(function)
            return function(*args, **(kwargs or {}))

    with Hearing():
        found = patched(lambda: torch.empty(4).normal_(0, std=2))
    assert torch._C.TensorBase.normal_ in heard
    torch.manual_seed(8)
    assert torch.equal(found, torch.empty(4).normal_(0, std=2))


def test_methods_stay_on_meta():
    assert patched(lambda: torch.empty(3, device="meta").normal_()).is_meta


def test_other_threads_keep_torchs_methods():
    found = []
    generator = torch.Generator().manual_seed(1)
    with wt.patched():
        thread = threading.Thread(target=lambda: found.append(torch.empty(6).normal_(generator=generator)))
        thread.start()
        thread.join()
    assert torch.equal(found[0], torch.empty(6).normal_(generator=generator.manual_seed(1)))


def test_methods_of_another_library_stay(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "normal_", lambda tensor: tensor.fill_(7), raising=False)
    with wt.patched():
        assert (torch.empty(3).normal_() == 7).all()
        assert not torch.equal(torch.empty(3).uniform_(), torch.full((3,), 7.0))
    assert (torch.empty(3).normal_() == 7).all()
    monkeypatch.undo()


def test_methods_keep_their_names_and_documentation():
    torchs = torch.Tensor.normal_
    with wt.patched():
        assert torch.Tensor.normal_.__name__ == "normal_"
        assert torch.Tensor.normal_.__doc__ == torchs.__doc__
    assert torch.Tensor.normal_ is torchs
