"""What of a module a plan fills: rows of padding, parametrized weights, names of odd wrappers, parts of tables."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, parametrize  # noqa: E402

import weightfill as wf  # noqa: E402
from weightfill.torch import fill  # noqa: E402
from weightfill.torch._embeddings import init_fn  # noqa: E402
from weightfill.torch._inspection import verify  # noqa: E402
from weightfill.torch._modules import initialize, materialize  # noqa: E402

NORMAL = wf.Plan({"*": wf.Normal(std=0.02)}, seed=42)


def made(build, function):
    """Return a module in memory for initialize, on meta for materialize."""
    with torch.device("meta" if function is materialize else "cpu"):
        return build()


def whole(shape, stream, init=NORMAL.rules[0].init):
    return fill(torch.empty(shape), init, seed=42, stream=stream)


@pytest.mark.parametrize("function", [initialize, materialize])
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("row", [0, 4, -1])
def test_rows_of_padding_are_zero(function, kind, row):
    module = function(made(lambda: nn.Sequential(kind(7, 3, padding_idx=row)), function), NORMAL)
    expected = whole((7, 3), "0.weight")
    expected[row] = 0
    assert torch.equal(module[0].weight, expected)


@pytest.mark.parametrize("init", [wf.Orthogonal(), wf.Sparse(connections=2), wf.Ones(), wf.KaimingUniform()], ids=str)
def test_rows_of_padding_are_zero_whatever_is_drawn(init):
    module = initialize(nn.Embedding(7, 3, padding_idx=2, dtype=torch.bfloat16), wf.Plan({"*": init}, seed=42))
    expected = fill(torch.empty(7, 3, dtype=torch.bfloat16), init, seed=42, stream="weight")
    expected[2] = 0
    assert torch.equal(module.weight, expected)


@pytest.mark.parametrize("function", [initialize, materialize])
def test_rows_of_padding_are_zero_through_ties(function):
    def build():
        module = nn.ModuleDict({"head": nn.Linear(3, 7, bias=False), "emb": nn.Embedding(7, 3, padding_idx=1)})
        module["bag"] = nn.EmbeddingBag(7, 3, padding_idx=5)
        module["emb"].weight = module["bag"].weight = module["head"].weight
        return module

    module = function(made(build, function), NORMAL)
    expected = whole((7, 3), "head.weight")
    expected[[1, 5]] = 0
    assert torch.equal(module["emb"].weight, expected)
    assert module["emb"].weight is module["head"].weight


def test_a_rule_with_padding_of_its_own_stays():
    plan = wf.Plan({"*": wf.Padded(wf.Normal(std=0.02), padding_idx=3)}, seed=42)
    weight = initialize(nn.Embedding(7, 3, padding_idx=0), plan).weight
    assert torch.equal(weight, whole((7, 3), "weight", plan.rules[0].init))


def test_a_scaled_rule_with_padding_of_its_own_stays(tmp_path):
    plan = wf.Plan({"*": wf.Scaled(wf.Padded(wf.Normal(std=0.02), padding_idx=3), 0.5)}, seed=42)
    module = initialize(nn.Embedding(7, 3, padding_idx=0), plan)
    assert torch.equal(module.weight, whole((7, 3), "weight", plan.rules[0].init))
    assert verify(module, plan)
    plan.write(tmp_path / "m.safetensors", module)
    assert wf.verify_checkpoint(tmp_path / "m.safetensors", plan)


class Scaled(nn.Module):
    def forward(self, x):
        return 2 * x

    def right_inverse(self, x):
        return x / 2


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).T


def weight_norm_of_old(layer):
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize("function", [initialize, materialize])
@pytest.mark.parametrize(
    ("change", "own", "kind"),
    [
        (parametrizations.weight_norm, "*.original0", "WeightNorm"),
        (weight_norm_of_old, "*.weight_g", "weight_norm"),
        (lambda layer: parametrize.register_parametrization(layer, "weight", Scaled()), "*.original", "Scaled"),
    ],
)
def test_what_weights_are_computed_from_needs_rules_of_its_own(function, change, own, kind):
    if function is materialize:
        module = nn.Sequential(nn.Linear(3, 3), change(nn.Linear(3, 3)))
        module[0].to("meta")
    else:
        module = nn.Sequential(nn.Linear(3, 3), change(nn.Linear(3, 3)))
    before = module[1].weight.detach().clone()
    message = f"must have a rule of its own, as {kind} computes a weight from it, got '*'; add one such as {own!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        function(module, NORMAL)
    assert torch.equal(module[1].weight, before)


def test_names_are_enough_where_there_is_no_module(tmp_path):
    shapes = dict.fromkeys(("a.parametrizations.weight.original0", "a.parametrizations.weight.original1"), (3, 1))
    old = dict.fromkeys(("rnn.weight_hh_l0_g", "rnn.weight_hh_l0_v"), (3, 1))
    module = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
    message = r"must have a rule of its own, as .* computes a weight from it, got '\*'; add one such as '\*\."
    for given in (shapes, old, module, module.state_dict()):
        with pytest.raises(ValueError, match=message):
            NORMAL.write(tmp_path / "model.safetensors", given)
        with pytest.raises(ValueError, match=message):
            NORMAL.explain(given)
    with pytest.raises(ValueError, match=message):
        NORMAL.fill({name: np.empty(shape, np.float32) for name, shape in shapes.items()})
    own = wf.Plan({"*.original0": wf.Ones(), "*.original?": wf.Normal()}, seed=1)
    assert len(own.explain(shapes)) == 2
    assert len(wf.Plan({"*_[gv]": wf.Normal()}, seed=1).explain(old)) == 2
    one = {"weight_g": 3, "b.weight_v": 3, "c.parametrizations.weight.original": 3, "proj_g": 3, "proj_v": 3}
    assert len(NORMAL.explain(one)) == 5


def test_weights_of_orthogonal_need_a_rule_of_their_own():
    module = parametrizations.orthogonal(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="as Orthogonal computes a weight from it"):
        initialize(module, NORMAL)


def test_rules_of_their_own_are_taken():
    own = wf.Plan({"*.original0": wf.Ones(), "*.original1": wf.Normal(), "*": wf.Zeros()}, seed=1)
    module = initialize(nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2))), own)
    torch.testing.assert_close(module[0].weight.norm(dim=1), torch.ones(2))
    old = wf.Plan({"*_g": wf.Ones(), "*_v": wf.Normal(), "*": wf.Zeros()}, seed=1)
    assert (initialize(nn.Sequential(weight_norm_of_old(nn.Linear(3, 2))), old)[0].weight_g == 1).all()


@pytest.mark.parametrize(
    "change",
    [
        parametrizations.spectral_norm,
        lambda layer: parametrize.register_parametrization(layer, "weight", Symmetric()),
    ],
    ids=["spectral_norm", "no inverse"],
)
def test_what_torch_takes_for_the_weight_itself_is_drawn_as_such(change):
    layer = initialize(change(nn.Linear(3, 3)), NORMAL)
    assert torch.equal(layer.parametrizations.weight.original, whole((3, 3), "parametrizations.weight.original"))


class LeavesItselfOut(nn.Module):
    """A wrapper whose names are those of what it wraps, as TorchRec's DistributedModelParallel."""

    def __init__(self, wrapped):
        super().__init__()
        self._dmp_wrapped_module = wrapped

    def named_parameters(self, *args, **kwargs):
        return self._dmp_wrapped_module.module.named_parameters(*args, **kwargs)

    def named_buffers(self, *args, **kwargs):
        return self._dmp_wrapped_module.module.named_buffers(*args, **kwargs)


def test_wrappers_that_leave_themselves_out_change_no_value():
    def build():
        return nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.BatchNorm1d(2)))

    expected = initialize(build(), NORMAL)
    module = initialize(LeavesItselfOut(nn.DataParallel(build())), NORMAL)
    assert all(map(torch.equal, module.parameters(), expected.parameters()))


class NamesOfItsOwn(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2, bias=False)

    def named_parameters(self, *args, **kwargs):
        yield "first.dense.weight", self.layer.weight


def test_modules_may_have_names_of_their_own():
    module = initialize(NamesOfItsOwn(), NORMAL)
    assert torch.equal(module.layer.weight, whole((2, 3), "first.dense.weight"))


class TableBatchedEmbeddingSlice(nn.Parameter):
    """What TorchRec makes of a table where this process holds all or a part of it."""


def test_parts_of_tables_whose_place_nobody_says_are_refused():
    part = TableBatchedEmbeddingSlice(torch.zeros(500, 32))
    with pytest.raises(
        ValueError, match=r"tensor must be of a known place, got a part of shape \(500, 32\) of one of T"
    ):
        fill(part, wf.Ones())
    module = nn.Module()
    module.table = part
    with pytest.raises(
        ValueError, match=r"params\['table'\] must be of a known place.*; fill the table of this name in"
    ):
        initialize(module, NORMAL)
    with pytest.raises(ValueError, match=r"shape must be given for TorchRec's tables, got .*\(500, 32\), which may be"):
        init_fn(wf.Ones())(part)
    with pytest.raises(
        ValueError,
        match=r"tensor must be the whole table, .* call weightfill.torch.initialize\(model, plan\) after sharding",
    ):
        init_fn(wf.Ones(), shape=(1000, 32))(part)
    assert (part == 0).all()
    assert torch.equal(init_fn(wf.Normal(std=0.02), 42, "t", shape=(500, 32))(part), whole((500, 32), "t"))


def test_processes_without_a_part_of_a_table_pass():
    nothing = torch.empty(0)
    for options in ({}, {"shape": (1000, 32)}, {"shape": (1000, 32), "start": (500, 0)}):
        assert init_fn(wf.XavierUniform(), 42, "t", **options)(nothing) is nothing
    nothing.ds_shape = torch.Size([1000, 32])
    with pytest.raises(ValueError, match="GatheredParameters"):
        init_fn(wf.Normal(), 42, "t")(nothing)


class AlignDevicesHook:
    """What accelerate hangs on a layer; with `offload` it keeps the weights and leaves the layer on meta."""

    def __init__(self, offload):
        self.offload = offload


class SequentialHook:
    def __init__(self, *hooks):
        self.hooks = hooks


def test_weights_that_accelerate_keeps_elsewhere_are_refused():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    module._hf_hook = AlignDevicesHook(offload=False)
    for hook in (AlignDevicesHook(offload=True), SequentialHook(AlignDevicesHook(False), AlignDevicesHook(True))):
        module[1]._hf_hook = hook
        for function in (initialize, materialize):
            with pytest.raises(
                ValueError, match=r"must have its weights itself, got '1', whose .*; initialize it before"
            ):
                function(module, NORMAL)
    assert all(param.is_meta for param in module.parameters())
    module[1]._hf_hook = AlignDevicesHook(offload=False)
    assert torch.equal(materialize(module, NORMAL)[1].weight, whole((2, 2), "1.weight"))
