import inspect
import math
import warnings
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from scipy.stats import ks_2samp  # noqa: E402
from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from weightfill.torch._nn_init.originals import NAMES  # noqa: E402

RANDOM = [name for name in NAMES if name not in ("constant_", "ones_", "zeros_", "eye_", "dirac_")]
NUMPY = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.float16,
    torch.bfloat16: ml_dtypes.bfloat16,
    torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn,
    torch.float8_e5m2: ml_dtypes.float8_e5m2,
}
NEEDED = {"constant_": (1,), "sparse_": (0.5,)}  # arguments without a default


def outcome(function, tensor, *args, **kwargs):
    """What a call does, apart from the values: its error, or its warnings and what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(tensor, *args, **kwargs)
        except Exception as error:
            return type(error), str(error)
    return [(w.category, str(w.message)) for w in caught], result is tensor, result.dtype, result.shape


def case(name, shape, *args, **kwargs):
    shown = ", ".join([*map(str, args), *(f"{key}={value}" for key, value in kwargs.items())])
    return pytest.param(name, shape, args, kwargs, id=f"{name}({'x'.join(map(str, shape))}; {shown})")


FILLS = [
    case("uniform_", (200, 50)),
    case("uniform_", (200, 50), -0.25, 0.5),
    case("uniform_", (200, 50), a=2, b=3),
    case("normal_", (200, 50)),
    case("normal_", (200, 50), 0.5, 0.02),
    case("normal_", (200, 50), std=0.0),
    case("normal_", (200, 50), std=np.float32(0.5)),
    case("normal_", (200, 50), std=torch.tensor(0.5)),
    case("normal_", (200, 50), std=3),
    case("trunc_normal_", (200, 50)),
    case("trunc_normal_", (200, 50), std=0.02),
    case("trunc_normal_", (200, 50), std=0.02, a=-0.04, b=0.04),
    case("trunc_normal_", (200, 50), 1.0, 2.0, -0.5, 4.0),
    case("trunc_normal_", (200, 50), a=-1.0, b=math.inf),
    case("trunc_normal_", (200, 50), mean=3.0, a=-0.5, b=0.5),
    case("trunc_normal_", (200, 50), mean=-3.0, std=0.5, a=-1.0, b=1.0),
    case("trunc_normal_", (200, 50), a=0.5, b=0.5),
    case("constant_", (200, 50), 0.3),
    case("constant_", (200, 50), -0.0),
    case("constant_", (200, 50), math.inf),
    case("ones_", (200, 50)),
    case("zeros_", (200, 50)),
    case("eye_", (200, 50)),
    case("eye_", (50, 200)),
    case("dirac_", (4, 2, 3), 2),
    case("dirac_", (6, 4, 3)),
    case("dirac_", (6, 4, 4, 5)),
    case("dirac_", (6, 2, 3, 3, 2), 3),
    case("xavier_uniform_", (200, 50)),
    case("xavier_uniform_", (20, 10, 5, 5), gain=2.5),
    case("xavier_normal_", (200, 50), 0.5),
    case("kaiming_uniform_", (200, 50)),
    case("kaiming_uniform_", (200, 50), a=math.sqrt(5)),
    case("kaiming_uniform_", (20, 10, 5, 5), mode="FAN_OUT", nonlinearity="relu"),
    case("kaiming_normal_", (200, 50), 1, "fan_out", "tanh"),
    case("kaiming_normal_", (200, 50), nonlinearity="selu"),
    case("kaiming_normal_", (200, 50), a=True, nonlinearity="linear"),
    case("orthogonal_", (90, 80)),
    case("orthogonal_", (80, 10, 3, 3), gain=2),
    case("sparse_", (100, 70), 0.9),
    case("sparse_", (100, 70), 0.015, std=1.0),
    case("sparse_", (100, 70), 0.0),
    case("sparse_", (100, 70), 1.0),
    case("sparse_", (100, 70), 3),
]

ERRORS = [
    case("uniform_", (3, 2), 1.0, 0.0),
    case("uniform_", (3, 2), -1e39, 1e39),
    case("uniform_", (3, 2), "a"),
    case("uniform_", (3, 2), None),
    case("uniform_", (3, 2), torch.zeros(2)),
    case("uniform_", (3, 2), -3e38, 3e38),
    case("uniform_", (3, 2), torch.zeros(1)),
    case("uniform_", (3, 2), Fraction(1, 2)),
    case("uniform_", (3, 2), torch.tensor(0.5, requires_grad=True)),
    case("normal_", (3, 2), std=-1.0),
    case("normal_", (3, 2), std=1j),
    case("normal_", (3, 2), std="a"),
    case("normal_", (3, 2), generator=3),
    case("trunc_normal_", (3, 2), std=0.0),
    case("trunc_normal_", (3, 2), a=1.0, b=-1.0),
    case("constant_", (3, 2), "a"),
    case("eye_", (3, 2, 2)),
    case("eye_", (3,)),
    case("dirac_", (3, 2)),
    case("dirac_", (3, 2, 2, 2, 2, 2)),
    case("dirac_", (3, 2, 3), 2),
    case("dirac_", (4, 2, 3), 2.0),
    case("xavier_uniform_", (3,)),
    case("xavier_uniform_", (3, 2), gain=-1.0),
    case("xavier_normal_", ()),
    case("xavier_normal_", (3, 2), gain=-1.0),
    case("xavier_uniform_", (0, 0)),
    case("xavier_normal_", (0, 0)),
    case("kaiming_uniform_", (3,)),
    case("kaiming_uniform_", (3, 2), mode="fan"),
    case("kaiming_uniform_", (3, 2), mode=None),
    case("kaiming_uniform_", (3,), mode="fan", nonlinearity="none"),
    case("kaiming_normal_", (3, 2), nonlinearity="logistic"),
    case("kaiming_normal_", (3, 2), nonlinearity="identity"),
    case("kaiming_normal_", (3, 2), a=True),
    case("kaiming_normal_", (3, 2), a="0"),
    case("kaiming_normal_", (3, 2), a=None),
    case("kaiming_normal_", (3, 2), a=np.float32(0.1)),
    case("kaiming_uniform_", (3, 2), a=torch.tensor(0.1)),
    case("orthogonal_", (3,)),
    case("sparse_", (3,), 0.5),
    case("sparse_", (3, 2, 2), -0.5),
    case("sparse_", (3, 2), "a"),
    case("sparse_", (3, 2), math.inf),
    case("sparse_", (3, 2), -math.inf),
    case("sparse_", (3, 2), torch.tensor([0.1, 0.2])),
    case("sparse_", (3, 2), -1e-9),
    case("sparse_", (3, 2)),
]

EMPTY = [
    case(name, (0, 4), *args)
    for name, args in [
        ("uniform_", (2.0, 3.0)),
        ("uniform_", (3.0, 2.0)),
        ("normal_", (0.0, -1.0)),
        ("trunc_normal_", (0.0, 1.0, 1.0, 2.0)),
        ("constant_", (1.0,)),
        ("ones_", ()),
        ("zeros_", ()),
        ("eye_", ()),
        ("xavier_uniform_", ()),
        ("xavier_normal_", ()),
        ("kaiming_uniform_", (0, "nonsense")),
        ("kaiming_normal_", (0, "fan_in", "nonsense")),
        ("orthogonal_", ()),
        ("sparse_", (0.5,)),
    ]
]


@pytest.mark.parametrize(("name", "shape", "args", "kwargs"), [*FILLS, *ERRORS, *EMPTY])
def test_a_call_ends_as_torchs_does(name, shape, args, kwargs):
    expected = outcome(getattr(nn.init, name), torch.empty(shape), *args, **kwargs)
    assert outcome(getattr(wt, name), torch.empty(shape), *args, **kwargs) == expected


@pytest.mark.parametrize(("name", "shape", "args", "kwargs"), FILLS)
def test_values_have_the_law_that_torchs_have(name, shape, args, kwargs):
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(nn.init, name)(torch.full(shape, math.nan), *args, **kwargs)
        found = getattr(wt, name)(torch.full(shape, math.nan), *args, **kwargs)
    if name not in RANDOM:
        assert torch.equal(found.view(torch.int32), expected.view(torch.int32))
        return
    if name == "sparse_":
        assert torch.equal((found == 0).sum(dim=0), (expected == 0).sum(dim=0))
    if name == "orthogonal_":
        rows, wanted = found.flatten(1), expected.flatten(1)
        inner = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
        of_torch = wanted @ wanted.T if len(rows) <= rows.shape[1] else wanted.T @ wanted
        torch.testing.assert_close(inner, of_torch, atol=1e-5, rtol=0)
    assert ks_2samp(found.flatten(), expected.flatten()).pvalue > 1e-4


@pytest.mark.parametrize("dtype", NUMPY, ids=str)
@pytest.mark.parametrize("name", ["uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "kaiming_normal_"])
def test_low_precision_values_are_the_float32_ones_rounded_once(name, dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    fill = getattr(wt, name)
    expected = fill(torch.empty(64, 48, dtype=wide), generator=torch.Generator().manual_seed(5)).numpy()
    found = fill(torch.empty(64, 48, dtype=dtype), generator=torch.Generator().manual_seed(5))
    assert found.dtype == dtype
    found = found.float().numpy()
    compared = np.full(found.shape, True)
    if "uniform" in name:  # the upper bound is excluded after rounding, too
        compared = np.abs(expected) < 0.8 * np.abs(expected).max()
    assert (found == expected.astype(NUMPY[dtype]).astype(np.float32))[compared].all()
    if name == "uniform_":
        assert found.max() < 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.int32, torch.complex64, torch.bool], ids=str)
def test_dtypes_that_weightfill_does_not_fill_are_left_to_torch(name, dtype):
    shape, args = (
        ((4, 3, 3), ()) if name == "dirac_" else ((4, 3), {"constant_": (1,), "sparse_": (0.5,)}.get(name, ()))
    )
    torch.manual_seed(3)
    first = torch.zeros(shape, dtype=dtype)
    expected = outcome(getattr(nn.init, name), first, *args)
    torch.manual_seed(3)
    second = torch.zeros(shape, dtype=dtype)
    assert outcome(getattr(wt, name), second, *args) == expected
    assert torch.equal(first, second)


LAYOUTS = {
    "transposed": lambda shape: torch.empty(shape[::-1]).permute(*reversed(range(len(shape)))),
    "every other": lambda shape: torch.empty([2 * n for n in shape])[tuple(slice(None, None, 2) for _ in shape)],
    "offset": lambda shape: torch.empty(math.prod(shape) + 1)[1:].view(shape),
    "a leaf": lambda shape: nn.Parameter(torch.empty(shape)),
    "a strided leaf": lambda shape: nn.Parameter(torch.empty(shape[::-1]).permute(*reversed(range(len(shape))))),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "dirac_"])
def test_values_do_not_depend_on_strides_or_on_gradients(name, layout):
    args = NEEDED.get(name, ())
    torch.manual_seed(7)
    expected = getattr(wt, name)(torch.empty(9, 8), *args)
    torch.manual_seed(7)
    target = LAYOUTS[layout]((9, 8))
    version = target._version
    found = getattr(wt, name)(target, *args)
    assert found is target
    assert found._version > version
    assert torch.equal(found, expected)


def test_channels_last_weights_have_the_values_of_contiguous_ones():
    torch.manual_seed(7)
    expected = wt.kaiming_normal_(torch.empty(8, 4, 3, 3))
    torch.manual_seed(7)
    found = wt.kaiming_normal_(torch.empty(8, 4, 3, 3).to(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3, 4, 5, 6, 7)], ids=str)
def test_tensors_may_have_any_number_of_dimensions(shape):
    assert wt.normal_(torch.full(shape, math.nan)).isfinite().all()


@pytest.mark.parametrize("name", RANDOM)
def test_one_key_is_drawn_from_the_generator_for_each_call(name):
    args = NEEDED.get(name, ())
    for size in (4, 64):
        generator, expected = torch.Generator().manual_seed(11), torch.Generator().manual_seed(11)
        torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=expected)
        before = torch.get_rng_state()
        getattr(wt, name)(torch.empty(size, size), *args, generator=generator)
        assert torch.equal(generator.get_state(), expected.get_state())
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", RANDOM)
def test_manual_seed_decides_the_values(name):
    args = NEEDED.get(name, ())
    fills = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        fills.append([getattr(wt, name)(torch.empty(32, 32), *args) for _ in range(2)])
    assert torch.equal(fills[0][0], fills[1][0])
    assert torch.equal(fills[0][1], fills[1][1])
    assert not torch.equal(fills[0][0], fills[0][1])
    assert not torch.equal(fills[0][0], fills[2][0])


@pytest.mark.parametrize(
    ("name", "args", "init"),
    [
        ("uniform_", (-1.0, 2.0), wf.Uniform(-1, 2)),
        ("normal_", (0.5, 2.0), wf.Normal(0.5, 2)),
        ("trunc_normal_", (0.0, 1.0, -1.0, 1.5), wf.TruncatedNormal(low=-1.0, high=1.5)),
        ("xavier_uniform_", (2.0,), wf.XavierUniform(gain=2.0)),
        ("xavier_normal_", (), wf.XavierNormal()),
        ("kaiming_uniform_", (), wf.KaimingUniform()),
        ("kaiming_normal_", (0, "fan_out"), wf.KaimingNormal(mode="fan_out")),
        ("orthogonal_", (), wf.Orthogonal()),
        ("sparse_", (0.75,), wf.Sparse(sparsity=0.75, axis=0)),
    ],
)
def test_values_are_those_of_the_initializer_at_the_key(name, args, init):
    key = torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=torch.Generator().manual_seed(4))
    found = getattr(wt, name)(torch.empty(40, 30), *args, generator=torch.Generator().manual_seed(4))
    assert (found.numpy() == wf.create((40, 30), init, seed=int(key) % 2**64)).all()


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_torchs(name):
    def shown(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default, p.kind) for p in parameters]

    assert shown(getattr(wt, name)) == shown(getattr(nn.init, name))


def test_every_function_of_torch_is_here():
    functions = {name for name in vars(nn.init) if name[0] != "_" and name.endswith("_")} | {"calculate_gain"}
    assert functions <= set(wt.__all__)
    assert set(NAMES) == functions - {"calculate_gain"}
    assert wt.calculate_gain is nn.init.calculate_gain


def test_large_constants_are_torchs_bit_for_bit():
    for value in (0.3, 1 + 2**-8 + 2**-40, 1e-42):
        for dtype in (torch.float32, torch.bfloat16):
            found = wt.constant_(torch.empty(2**22, dtype=dtype), value)
            assert torch.equal(found, nn.init.constant_(torch.empty(2**22, dtype=dtype), value))
    assert not wt.constant_(torch.empty(2**22), 0.0).signbit().any()
    assert wt.constant_(torch.empty(2**22), -0.0).signbit().all()
    assert (wt.ones_(torch.empty(2**22)) == 1).all()
    assert (wt.zeros_(torch.empty(2**22)) == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_meta_tensors_are_left_alone(name):
    shape, args = (
        ((4, 3, 3), ()) if name == "dirac_" else ((4, 3), {"constant_": (1,), "sparse_": (0.5,)}.get(name, ()))
    )
    tensor = torch.empty(shape, device="meta")
    assert getattr(wt, name)(tensor, *args) is tensor


def test_a_call_under_another_default_device_fills_a_tensor_on_the_cpu():
    tensor = torch.empty(8, 8)
    torch.manual_seed(2)
    expected = wt.normal_(torch.empty(8, 8))
    torch.manual_seed(2)
    with torch.device("meta"):
        found = wt.normal_(tensor)
    assert torch.equal(found, expected)


def test_negative_sparsity_is_refused():
    tensor = torch.ones(4, 3)
    with pytest.raises(ValueError, match=r"sparsity must be at least 0, got -0.5"):
        wt.sparse_(tensor, -0.5)
    assert (tensor == 1).all()


@pytest.mark.parametrize("name", RANDOM)
def test_elements_that_share_memory_are_refused_as_torch_does(name):
    args = NEEDED.get(name, ())
    expected = outcome(getattr(nn.init, name), torch.zeros(1, 3).expand(4, 3), *args)
    assert expected[0] is RuntimeError
    assert outcome(getattr(wt, name), torch.zeros(1, 3).expand(4, 3), *args) == expected


@pytest.mark.parametrize("shape", [(5, 4), (300, 1)], ids=str)
def test_a_storage_can_be_resized_after_a_fill(shape):
    for tensor in (torch.empty(shape), torch.empty(shape).T, torch.empty(shape, dtype=torch.bfloat16)[:, 1:]):
        wt.normal_(tensor)
        wt.fill(tensor, wf.Ones())
        tensor.untyped_storage().resize_(0)
        assert tensor.untyped_storage().nbytes() == 0


@pytest.mark.parametrize(
    "value", [Fraction(1, 2), torch.tensor([0.0]), np.zeros(2), 2**70, 0j, math.inf, True], ids=repr
)
def test_odd_constants_of_large_tensors_end_as_torchs_do(value):
    found, expected = torch.empty(2**22), torch.empty(2**22)
    assert outcome(wt.constant_, found, value) == outcome(nn.init.constant_, expected, value)
    assert found[0] == expected[0] or outcome(nn.init.constant_, expected, value)[0] is not None


def test_tensors_without_memory_are_left_to_torch():
    tensor = torch.zeros(4, 4)
    tensor.untyped_storage().resize_(0)
    assert outcome(wt.normal_, tensor) == outcome(nn.init.normal_, tensor)
    with pytest.raises(ValueError, match="tensor must lie within its storage, got one of 64 bytes in a storage of 0"):
        wt.fill(tensor, wf.Ones())


def test_float8_weights_are_filled_though_torch_cannot():
    weight = torch.zeros(64, 64, dtype=torch.float8_e4m3fn)
    assert issubclass(outcome(nn.init.normal_, weight)[0], RuntimeError)
    assert wt.normal_(weight).float().std() == pytest.approx(1, abs=0.1)
    assert wt.orthogonal_(torch.zeros(8, 8, dtype=torch.bfloat16)).count_nonzero() > 32


def test_laws_that_do_not_fit_the_dtype_are_torchs():
    torch.manual_seed(1)
    expected = nn.init.normal_(torch.empty(1000, dtype=torch.float16), std=40000.0)
    torch.manual_seed(1)
    assert torch.equal(wt.normal_(torch.empty(1000, dtype=torch.float16), std=40000.0), expected)
