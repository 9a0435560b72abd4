"""Buffers of modules: statistics, tables of positions, and what has a rule of its own."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.torch_modules import TIED_PLAN, Tied, assert_made_by, on_meta  # noqa: E402
from weightfill.torch._modules import initialize, materialize  # noqa: E402


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)
        self.register_buffer("inv_freq", torch.empty(2))
        self.register_buffer("mask", torch.empty(3, 3), persistent=False)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.SyncBatchNorm])
def test_running_statistics_are_reset(kind):
    module = on_meta(lambda: nn.Sequential(nn.Linear(3, 2), kind(2)))
    plan = wf.Plan({"*.bias": wf.Zeros(), "1.weight": wf.Ones(), "*": wf.KaimingNormal()}, seed=42)
    statistics = module[1].running_mean
    materialize(module, plan)
    assert module[1].running_mean is statistics
    assert torch.equal(module[1].running_mean, torch.zeros(2))
    assert torch.equal(module[1].running_var, torch.ones(2))
    assert module[1].num_batches_tracked.item() == 0
    assert list(module.state_dict()) == list(nn.Sequential(nn.Linear(3, 2), kind(2)).state_dict())
    assert_made_by(module, plan)


def test_running_statistics_with_rules_of_their_own_are_filled():
    plan = wf.Plan({"running_var": wf.Constant(2.0), "bias": wf.Zeros(), "weight": wf.Ones()})
    module = materialize(on_meta(nn.BatchNorm1d, 2), plan)
    assert torch.equal(module.running_var, torch.full((2,), 2.0))
    assert torch.equal(module.running_mean, torch.zeros(2))


def test_a_buffer_in_two_places_is_filled_once_and_stays_one():
    module = on_meta(lambda: nn.ModuleList([Rotary(), Rotary()]))
    module[1].inv_freq, module[1].mask = module[0].inv_freq, module[0].mask
    materialize(module, wf.Plan({"0.inv_freq": wf.Normal(), "0.mask": wf.Zeros(), "*": wf.Normal()}, seed=1))
    assert module[1].inv_freq is module[0].inv_freq
    assert not module[1].inv_freq.is_meta


def test_materialize_works_where_meta_is_the_default_device():
    with torch.device("meta"):
        module = materialize(Tied(torch.bfloat16), TIED_PLAN)
    assert_made_by(module, TIED_PLAN)


def test_buffers_with_rules_of_their_own_are_filled():
    rules = {"inv_freq": wf.Constant(0.25), "mask": wf.Zeros(), "*": wf.Normal()}
    module = materialize(on_meta(Rotary), wf.Plan(rules, seed=1))
    assert torch.equal(module.inv_freq, torch.full((2,), 0.25))
    assert torch.equal(module.mask, torch.zeros(3, 3))
    assert list(module.state_dict()) == ["inv_freq", "proj.weight", "proj.bias"]


def test_buffers_without_rules_of_their_own_are_refused():
    module = on_meta(Rotary)
    for rules in ({"*": wf.Normal()}, {"inv_freq": wf.Zeros(), "*": wf.Normal()}):
        with pytest.raises(
            ValueError,
            match=r"module must have no buffers on meta but.*'mask', whose.* rules such as Rotary.* tie_weights\(\)",
        ):
            materialize(module, wf.Plan(rules, seed=1))
        assert all(tensor.is_meta for tensor in [*module.parameters(), *module.buffers()])
    module.inv_freq, module.mask = torch.ones(2), torch.ones(3, 3)
    materialize(module, wf.Plan({"*": wf.Normal()}, seed=1))
    assert torch.equal(module.inv_freq, torch.ones(2))


def test_buffers_that_cannot_be_filled_are_refused():
    module = on_meta(Rotary)
    module.register_buffer("steps", torch.empty(2, dtype=torch.complex64, device="meta"))
    rules = {"steps": wf.Zeros(), "inv_freq": wf.Zeros(), "mask": wf.Zeros(), "*": wf.Normal()}
    with pytest.raises(ValueError, match=r"got 'steps': the first must be of float32, .*, got one of torch\.complex64"):
        materialize(module, wf.Plan(rules, seed=1))
    assert all(tensor.is_meta for tensor in [*module.parameters(), *module.buffers()])


class Integers(nn.Module):
    """Buffers that are no floats, as language models have them."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3))
        self.register_buffer("position_ids", torch.arange(5).expand((1, -1)))
        self.register_buffer("kinds", torch.zeros(1, 5, dtype=torch.int32))
        self.register_buffer("mask", torch.ones(3, 3, dtype=torch.bool).tril(), persistent=False)
        self.register_buffer("bits", torch.tensor([7, 255], dtype=torch.uint8))


INTEGERS = {
    "position_ids": wf.Arange(),
    "kinds": wf.Zeros(),
    "mask": wf.Values([[1, 0, 0], [1, 1, 0], [1, 1, 1]]),
    "bits": wf.Values([7, 255]),
    "*": wf.Normal(),
}


@pytest.mark.parametrize("function", [initialize, materialize])
def test_integers_are_what_tables_and_constants_of_their_own_say(function, tmp_path):
    plan, expected = wf.Plan(INTEGERS, seed=1), dict(Integers().named_buffers())
    module = on_meta(Integers) if function is materialize else Integers()
    if function is initialize:
        for buffer in module.buffers():
            buffer.data = torch.ones_like(buffer)
    plan.write(tmp_path / "m.safetensors", module)
    function(module, plan)
    for name, buffer in module.named_buffers():
        assert buffer.dtype == expected[name].dtype
        assert torch.equal(buffer, expected[name]), name
    assert wt.verify(module, plan)
    assert set(wt.explain(module, plan).known) == set(expected)
    assert str(module.load_state_dict(load_file(tmp_path / "m.safetensors"))) == "<All keys matched successfully>"
    assert wt.verify(module, plan)
    assert wf.verify_checkpoint(tmp_path / "m.safetensors", plan, module)
    module.bits[1] = 3
    assert str(wt.verify(module, plan)["bits"]) == "1 of 2 elements differ, the first at (1,): expected 255, found 3"


@pytest.mark.parametrize(
    ("name", "init", "message"),
    [
        (
            "kinds",
            wf.Normal(),
            r"'kinds'\] must have a table or a constant for its rule, as integers are not drawn, got N",
        ),
        (
            "kinds",
            wf.Constant(0.5),
            r"'kinds'\] must have a rule with values of int32, got Constant.* with 0\.5; change",
        ),
        ("bits", wf.Constant(256), r"must have a rule with values of uint8, got Constant\(value=256.* with 256\.0"),
        ("mask", wf.Arange(), r"must have a rule with values of bool, got Arange.* with 2\.0"),
        ("position_ids", wf.Values([1, 2]), r"params\['position_ids'\], Values"),
    ],
)
def test_integers_that_a_rule_does_not_say_are_refused(name, init, message, tmp_path):
    plan = wf.Plan({**INTEGERS, name: init}, seed=1)
    for module in (on_meta(Integers), Integers()):
        with pytest.raises(ValueError, match=message):
            materialize(module, plan)
        if name != "mask":  # which is not persistent
            with pytest.raises(ValueError, match=message):
                plan.write(tmp_path / "m.safetensors", module)
    assert module.weight.eq(1).all()


def test_initialize_leaves_buffers_alone():
    module = nn.BatchNorm1d(3)
    module.running_mean.fill_(5)
    initialize(module, wf.Plan({"*": wf.Ones()}))
    assert torch.equal(module.running_mean, torch.full((3,), 5.0))


def test_statistics_that_are_in_memory_stay_as_they_are():
    module = on_meta(nn.BatchNorm1d, 4)
    module.running_mean = torch.full((4,), 5.0)
    module.num_batches_tracked = torch.tensor(9)
    with pytest.raises(ValueError, match="shape must have at least 2 dimensions"):
        materialize(module, wf.Plan({"weight": wf.KaimingNormal(), "*": wf.Ones()}, seed=1))
    assert module.running_var.is_meta
    materialize(module, wf.Plan({"*": wf.Ones()}))
    assert (module.running_mean == 5).all()
    assert module.num_batches_tracked == 9
    assert (module.running_var == 1).all()


@pytest.mark.parametrize("function", [initialize, materialize])
def test_a_buffer_with_a_rule_of_its_own_is_filled_and_no_other(function):
    module = nn.Linear(3, 2)
    module.register_buffer("scale", torch.zeros(3))
    module.register_buffer("mask", torch.zeros(3))
    function(module, wf.Plan({"scale": wf.Ones(), "*": wf.Uniform()}, seed=1))
    assert (module.scale == 1).all()
    assert (module.mask == 0).all()


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.lstm = nn.Linear(8, 24), nn.LSTM(8, 4)
        self.positions = nn.Embedding(50, 8, padding_idx=1)
        self.A_log = nn.Parameter(torch.empty(6, 16))
        self.register_buffer("inv_freq", torch.empty(4), persistent=False)


def test_tables_and_blocks_are_made_for_modules_on_meta_as_in_memory():
    forget = wf.Blocks((wf.Zeros(), wf.Ones(), wf.Zeros(), wf.Zeros()), 4)
    rules = {
        "qkv.weight": wf.Blocks(wf.XavierUniform(), 3),
        "lstm.bias*": forget,
        "lstm.weight*": wf.Blocks(wf.Orthogonal(), 4),
        "positions.weight": wf.Sinusoid(form="halves"),
        "A_log": wf.LogRange(),
        "inv_freq": wf.Rotary(500_000.0, scaling="llama3", factor=8.0),
        "*": wf.Zeros(),
    }
    plan = wf.Plan(rules, seed=42)
    module = materialize(on_meta(Positions), plan)
    assert module.lstm.bias_hh_l0.tolist() == [0] * 4 + [1] * 4 + [0] * 8
    assert torch.allclose(module.A_log[3], torch.log(torch.arange(1, 17)), rtol=2e-7)
    made = wf.create((50, 8), wf.Padded(wf.Sinusoid(form="halves"), 1), seed=42)
    assert torch.equal(module.positions.weight, torch.from_numpy(made))
    assert torch.equal(module.inv_freq, torch.from_numpy(wf.create(4, rules["inv_freq"])))
    queries = wf.create((8, 8), wf.XavierUniform(), seed=42, stream="qkv.weight[0]")
    assert torch.equal(module.qkv.weight[:8], torch.from_numpy(queries))
    for name, value in initialize(Positions(), plan).state_dict().items():
        assert torch.equal(value, module.state_dict()[name]), name
