"""KeepValues in torch modules: adapters on a model that was loaded, a new head, weights of other dtypes."""

import re

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils.parametrizations import weight_norm  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402

PLAN = wf.Plan({"*lora_A*": wf.KaimingUniform(), "*lora_B*": wf.Zeros(), "*": wf.KeepValues()}, seed=42)


class Adapted(nn.Module):
    def __init__(self, dtype=torch.float32, device=None):
        super().__init__()
        self.embed = nn.Embedding(9, 4, padding_idx=1, device=device)
        self.base = nn.Linear(4, 4, device=device)
        self.base.weight = nn.Parameter(self.base.weight.detach().to(dtype), requires_grad=False)
        self.lora_A = nn.Linear(4, 2, bias=False)
        self.lora_B = nn.Linear(2, 4, bias=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8, torch.complex64])
def test_the_base_is_left_alone(dtype):
    model = Adapted(dtype)
    with torch.no_grad():
        model.embed.weight[1] = 5  # a padding row that is not zero
    before = {name: param.detach().clone() for name, param in model.named_parameters()}
    versions = {name: param._version for name, param in model.named_parameters()}
    assert wt.initialize(model, PLAN) is model
    for name, param in model.named_parameters():
        assert torch.equal(param, before[name]) == ("lora" not in name)
        assert (param._version == versions[name]) == ("lora" not in name)
    expected = wf.create((2, 4), wf.KaimingUniform(), seed=42, stream="lora_A.weight")
    assert torch.equal(model.lora_A.weight, torch.from_numpy(expected))


def test_verify_says_what_is_not_compared():
    model = wt.initialize(Adapted(torch.int8), PLAN)
    found = wt.verify(model, PLAN)
    assert found
    assert str(found) == "2 of 2 tensors have their initial values, 3 of KeepValues() not compared"
    with torch.no_grad():
        model.lora_B.weight[0, 0] = 1
    assert str(wt.verify(model, PLAN)) == (
        "lora_B.weight: 1 of 8 elements differ, the first at (0, 0): expected 0.0, found 1.0\n"
        "1 of 2 tensors have their initial values, 3 of KeepValues() not compared"
    )


def test_explain_shows_it():
    rows = {row["parameter"]: row["distribution"] for row in wt.explain(Adapted(), PLAN).rows()}
    assert rows["base.weight"] == rows["embed.weight"] == "KeepValues()"
    assert rows["lora_B.weight"] == "Constant(value=0)"


def test_on_meta_there_is_nothing_to_keep():
    message = (
        "module must have parameters with the rule KeepValues() in memory, got 'embed.weight', 'base.weight', "
        "'base.bias' on meta, where there are no values to keep; load them first, or give them another rule"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        wt.materialize(Adapted(device="meta"), PLAN)


def test_adapters_on_meta_are_materialized_beside_a_base_in_memory():
    model = Adapted()
    with torch.device("meta"):
        model.lora_A, model.lora_B = nn.Linear(4, 2, bias=False), nn.Linear(2, 4, bias=False)
    base = model.base.weight.detach().clone()
    wt.materialize(model, PLAN)
    assert torch.equal(model.base.weight, base)
    assert wt.verify(model, PLAN)
    expected = wt.initialize(Adapted(), PLAN)
    assert torch.equal(model.lora_A.weight, expected.lora_A.weight)


def test_a_new_head_and_weight_norm_and_buffers():
    model = nn.Sequential(weight_norm(nn.Linear(4, 4)), nn.BatchNorm1d(4), nn.Linear(4, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wt.initialize(model, wf.Plan({"2.weight": wf.XavierUniform(), "2.bias": wf.Zeros(), "*": wf.KeepValues()}, seed=1))
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"2.weight", "2.bias"}


def test_tied_weights_are_kept_once():
    model = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    before = model[0].weight.detach().clone()
    wt.initialize(model, wf.Plan({"0.weight": wf.KeepValues(), "*bias": wf.Zeros(), "*": wf.Normal()}, seed=1))
    assert torch.equal(model[1].weight, before)


def test_what_cannot_be_written_or_drawn_is_named(tmp_path):
    for make in (lambda: PLAN.write(tmp_path / "m.safetensors", Adapted()), lambda: PLAN.tensors(Adapted())):
        with pytest.raises(ValueError, match=re.escape("'embed.weight', KeepValues(): init must be one that makes")):
            make()
    with pytest.raises(ValueError, match="init must be one that makes values"):
        wt.fill(torch.empty(3), wf.KeepValues(), seed=1)


def test_lsuv_leaves_the_base_alone():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    before = model[0].weight.detach().clone()
    plan = wf.Plan({"2.weight": wf.Normal(), "2.bias": wf.Zeros(), "*": wf.KeepValues()}, seed=1)
    scaled = wt.lsuv(model, torch.from_numpy(wf.create((256, 8), wf.Normal(), seed=1, stream="batch")), plan)
    assert torch.equal(model[0].weight, before)
    assert isinstance(scaled.rule("2.weight").init, wf.Scaled)
    assert scaled.rule("0.weight").init == wf.KeepValues()
    assert wt.verify(model, scaled)
