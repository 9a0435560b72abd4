"""weightfill.torch.fill: what it fills, and what it refuses."""

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402

NUMPY = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.float16,
    torch.bfloat16: ml_dtypes.bfloat16,
    torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn,
    torch.float8_e5m2: ml_dtypes.float8_e5m2,
}


class WithFunctions(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return super().__torch_function__(function, types, args, kwargs)


def dealt_out_by_deepspeed(*shape):
    """Return a parameter as DeepSpeed ZeRO-3 leaves it where nobody has gathered it."""
    parameter = nn.Parameter(torch.empty(0))
    parameter.ds_shape = torch.Size(shape)
    return parameter


@pytest.mark.parametrize("dtype", NUMPY, ids=str)
def test_it_gives_the_bits_of_an_array(dtype):
    tensor = torch.empty(5, 7, dtype=dtype)
    assert wt.fill(tensor, wf.Normal(std=0.5), seed=3, stream="w", threads=1) is tensor
    expected = wf.create((5, 7), wf.Normal(std=0.5), seed=3, stream="w", dtype=NUMPY[dtype])
    assert tensor.view(torch.uint8).numpy().tobytes() == expected.tobytes()


def test_it_reports_progress():
    told = []
    wt.fill(torch.empty(1000), wf.Ones(), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1000, 1000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: torch.empty(3, dtype=torch.int32),
            "tensor must be of float32, .*, got one of torch.int32; integers are",
        ),
        (
            lambda: torch.empty(3, device="meta"),
            r"tensor must have memory, got one on meta; weightfill.torch.materialize",
        ),
        (
            lambda: torch.zeros(3).to_sparse(),
            "tensor must be strided, got one of layout torch.sparse_coo; fill a strided",
        ),
        (lambda: torch.zeros(1, 3).to_sparse_csr(), "tensor must be strided, got one of layout torch.sparse_csr"),
        (lambda: torch.zeros(3).to_mkldnn(), "tensor must be strided, got one of layout torch._mkldnn"),
        (lambda: torch.zeros(1).expand(3), "tensor must have its elements apart in memory"),
        (
            lambda: torch._neg_view(torch.zeros(3)),
            r"tensor must hold .*, got one that is lazily negated; call resolve_neg",
        ),
        (lambda: nn.LazyLinear(3).weight, "tensor must have a known shape, got an UninitializedParameter; run a forw"),
        (
            lambda: torch.zeros(3).as_subclass(WithFunctions),
            "tensor must be nothing but memory, got a WithFunctions, whose functions are its",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_tensors_that_cannot_be_filled_are_refused(make, message):
    tensor = make()
    with pytest.raises(ValueError, match=message):
        wt.fill(tensor, wf.Ones())


def test_inference_tensors_are_filled_within_their_mode():
    with torch.inference_mode():
        tensor = torch.zeros(3)
    with pytest.raises(ValueError, match=r"tensor must be filled where it was made, got one of torch.inference_mod"):
        wt.fill(tensor, wf.Ones())
    with torch.inference_mode():
        assert (wt.fill(tensor, wf.Ones()) == 1).all()


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_nested_tensors_are_filled_one_by_one(layout):
    nested = torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(1, 3)], layout=layout)
    with pytest.raises(ValueError, match=r"tensor must be one tensor, got a nested one; fill those that its unbind"):
        wt.fill(nested, wf.Ones())
    for tensor in nested.unbind():
        wt.fill(tensor, wf.Ones())
    assert all((tensor == 1).all() for tensor in nested.unbind())


def test_tensors_within_a_transformation_are_refused():
    with pytest.raises(ValueError, match="tensor must have memory of its own, got one that torch.func transforms"):
        torch.vmap(lambda row: wt.fill(row, wf.Ones()))(torch.zeros(2, 3))


def test_placeholders_of_deepspeed_are_refused():
    weight = dealt_out_by_deepspeed(4, 3)
    message = r"tensor must hold its values, got the placeholder of one of shape \(4, 3\).*deepspeed.zero.GatheredPar"
    for init in (wf.Ones(), wf.XavierUniform()):
        with pytest.raises(ValueError, match=message):
            wt.fill(weight, init, seed=1)
    weight.data = torch.zeros(4, 3)  # as within GatheredParameters
    assert (wt.fill(weight, wf.Ones()) == 1).all()


@pytest.mark.parametrize(
    "parametrize",
    [parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal],
)
def test_what_was_computed_is_refused(parametrize):
    layer = parametrize(nn.Linear(3, 3)).eval()
    before = layer.weight.detach().clone()
    for computed in (layer.weight, layer.weight[1:], layer.weight.T):
        with pytest.raises(ValueError, match=r"tensor must hold values of its own, got what \w+ computed; fill what"):
            wt.fill(computed, wf.Normal(), seed=1)
    assert torch.equal(layer.weight, before)


def test_the_way_out_of_a_parametrized_weight_leads_out():
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    layer.weight = wt.fill(torch.empty(2, 3), wf.Normal(std=0.02), seed=1)
    torch.testing.assert_close(layer.weight, wt.fill(torch.empty(2, 3), wf.Normal(std=0.02), seed=1))


def test_views_of_leaves_are_filled():
    weight = nn.Parameter(torch.zeros(4, 3))
    assert (wt.fill(weight[1:].T, wf.Ones()) == 1).all()
    assert torch.equal(weight[:, 0].detach(), torch.tensor([0.0, 1, 1, 1]))


def test_arrays_are_refused():
    with pytest.raises(TypeError, match="tensor must be a torch tensor, got ndarray"):
        wt.fill(np.empty(3), wf.Ones())


def test_a_missing_seed_leaves_the_tensor_as_it_was():
    tensor = torch.ones(3)
    with pytest.raises(TypeError, match="seed must be given"):
        wt.fill(tensor, wf.Normal())
    assert (tensor == 1).all()


def test_a_storage_that_was_cut_is_not_written_beyond():
    tensor = torch.zeros(1000)
    tensor.untyped_storage().resize_(40)
    with pytest.raises(
        ValueError, match="tensor must lie within its storage, got one of 4000 bytes in a storage of 40"
    ):
        wt.fill(tensor, wf.Ones())
    assert wt.fill(tensor[:10:3], wf.Ones())[0] == 1


def test_the_parts_of_complex_numbers_are_filled():
    tensor = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"got one of torch.complex64; complex .* torch.view_as_real\(tensor\)"):
        wt.fill(tensor, wf.Ones())
    wt.fill(torch.view_as_real(tensor), wf.Ones())
    assert (tensor == 1 + 1j).all()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_quantized_tensors_are_refused():
    with pytest.raises(ValueError, match="got one of torch.qint8; fill one of these dtypes and quantize it"):
        wt.fill(torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8), wf.Ones())


class TestTensorsAsArrays:
    """weightfill's own verbs take tensors as they are."""

    @pytest.mark.parametrize("dtype", NUMPY, ids=str)
    @pytest.mark.parametrize("wrap", [lambda tensor: tensor, nn.Parameter], ids=["tensor", "parameter"])
    def test_fill_and_verify(self, dtype, wrap):
        tensor = wrap(torch.empty(5, 7, dtype=dtype))
        version = tensor._version
        assert wf.fill(tensor, wf.KaimingNormal(), seed=3, stream="w") is tensor
        expected = wt.fill(torch.empty(5, 7, dtype=dtype), wf.KaimingNormal(), seed=3, stream="w")
        assert torch.equal(tensor.detach().view(torch.uint8), expected.view(torch.uint8))
        assert tensor._version > version
        assert wf.verify(tensor, wf.KaimingNormal(), seed=3, stream="w")
        with torch.no_grad():
            tensor[2, 3].copy_(torch.tensor(1.0))  # torch 2.5 does not assign numbers to float8
        assert wf.verify(tensor, wf.KaimingNormal(), seed=3, stream="w").index == (2, 3)

    def test_windows_and_rows(self):
        whole = wt.fill(torch.empty(9, 4), wf.XavierUniform(), seed=3, stream="w")
        part = nn.Parameter(torch.empty(2, 3))
        assert wf.fill(part, wf.XavierUniform(), seed=3, stream="w", shape=(9, 4), start=(5, 1)) is part
        assert torch.equal(part, whole[5:7, 1:])
        assert wf.verify(part, wf.XavierUniform(), seed=3, stream="w", shape=(9, 4), start=(5, 1))
        rows = torch.empty(3, 4).T.contiguous().T
        version = rows._version
        assert wf.fill_rows(rows, wf.XavierUniform(), [8, 0, 8], seed=3, stream="w", shape=(9, 4)) is rows
        assert torch.equal(rows, whole[[8, 0, 8]])
        assert rows._version > version

    @pytest.mark.parametrize(
        ("call", "name"),
        [
            (lambda tensor: wf.fill(tensor, wf.Ones()), "tensor"),
            (lambda tensor: wf.fill(tensor, wf.Ones(), shape=(9, 4)), "out"),
            (lambda tensor: wf.fill_rows(tensor, wf.Ones(), [0, 1], shape=(9, 4)), "out"),
            (lambda tensor: wf.verify(tensor, wf.Ones()), "target"),
        ],
    )
    def test_what_torch_cannot_give_is_refused(self, call, name):
        with pytest.raises(
            ValueError, match=f"{name} must be of float32, .*, got one of torch.int64; integers are not"
        ):
            call(torch.zeros(2, 4, dtype=torch.int64))
        with pytest.raises(ValueError, match=f"{name} must hold its values, got the placeholder .*GatheredParameters"):
            call(dealt_out_by_deepspeed(2, 4))

    def test_what_cannot_be_filled_may_be_read(self):
        with torch.inference_mode():
            tensor = torch.ones(3)
        assert wf.verify(tensor, wf.Ones())
        with pytest.raises(ValueError, match="out must be filled where it was made"):
            wf.fill(tensor, wf.Zeros(), shape=(4,))
        computed = 2 * nn.Parameter(torch.ones(3))
        assert wf.verify(computed, wf.Constant(2))
        with pytest.raises(ValueError, match="out must hold values of its own, got what MulBackward0 computed"):
            wf.fill(computed, wf.Zeros(), shape=(4,))


def test_a_tensor_is_a_dataset_and_fills_tensors_of_torch():
    rows = wf.Tensor((10, 3), wf.Normal(), seed=42, stream="rows")
    whole = torch.from_numpy(np.asarray(rows))
    batches = list(torch.utils.data.DataLoader(rows, batch_size=4))
    assert torch.equal(torch.cat(batches), whole)
    out = torch.empty(10, 3)
    assert rows.fill(out) is out
    assert torch.equal(out, whole)
    assert rows.verify(out)
    part = torch.empty(2, 3)
    rows.fill(part, start=(4, 0))
    assert torch.equal(part, whole[4:6])
    assert torch.equal(rows.fill_rows(part, [7, 1]), whole[[7, 1]])
