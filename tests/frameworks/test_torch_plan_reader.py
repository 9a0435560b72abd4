"""PlanReader in one process; the folder `ranks` has what groups of processes do with it."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.distributed.checkpoint as dcp  # noqa: E402
from torch import nn  # noqa: E402
from torch.distributed.checkpoint import DefaultLoadPlanner  # noqa: E402
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, ReadItem  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch  # noqa: E402
from tests.frameworks.torch_modules import compiled  # noqa: E402
from weightfill.torch import PlanReader, initialize  # noqa: E402
from weightfill.torch import _initial_state as initial_state  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
PLAN = wf.Plan([wf.Rule("*bias", wf.Zeros(), optional=True), ("*", wf.Normal(std=0.02))], seed=42)
PARTIAL = DefaultLoadPlanner(allow_partial_load=True)


def plain_model():
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Conv2d(3, 4, (2, 1)), nn.Embedding(9, 2).bfloat16())


class Tied(nn.Module):
    """The first name of the tie is not the alphabetically first; some buffers are computed."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(11, 6, padding_idx=3)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.wte.weight
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("position_ids", torch.arange(5))
        self.register_buffer("table", torch.linspace(0, 1, 5))
        self.scale = nn.Parameter(torch.ones(()))


def load(state, *arguments, planner=None, **options):
    dcp.load(state, storage_reader=PlanReader(*arguments, **options), planner=planner)


def message_of(state, *arguments, planner=None, **options):
    """Return what stops the loading; torch puts it into an exception of its own."""
    with pytest.raises(dcp.CheckpointException) as caught:
        load(state, *arguments, planner=planner, **options)
    ((error, _),) = caught.value.failures.values()
    return f"{type(error).__name__}: {error}"


def emptied(model):
    """Return a model with 7 in every tensor."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(7)
    return model


def assert_same_state(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name
        assert tensor.dtype == expected[name].dtype, name


@pytest.mark.parametrize("how", ["flat", "nested", "stateful", "deep", "module", "manifest"])
def test_a_loaded_state_is_that_of_initialize(how):
    model, expected = emptied(plain_model()), initialize(plain_model(), PLAN).state_dict()
    objects = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    shapes = {name: (tuple(tensor.shape)) for name, tensor in expected.items() if "num_batches" not in name}
    if how == "flat":
        load(model.state_dict(), PLAN)
    elif how == "nested":
        load({"model": model.state_dict()}, PLAN, prefix="model.")
    elif how == "stateful":
        load({"model": model}, PLAN, prefix="model.")
    elif how == "deep":
        load({"app": {"net": model.state_dict()}}, PLAN, prefix="app.net.")
    elif how == "module":
        load({"model": model.state_dict()}, PLAN, plain_model(), prefix="model.")
    else:
        state = model.state_dict()
        load({name: tensor for name, tensor in state.items() if name in shapes}, PLAN, shapes)
        state["1.num_batches_tracked"].zero_()
    assert_same_state(model.state_dict(), expected)
    assert {name: tensor.data_ptr() for name, tensor in model.state_dict().items()} == objects


def test_a_module_says_what_its_state_does_not():
    model = emptied(Tied())
    plan = wf.Plan([wf.Rule("head*", wf.Uniform(), optional=True), ("*", wf.Normal())], seed=3)
    expected = initialize(Tied(), plan)
    load(model.state_dict(), plan, Tied())
    assert_same_state(model.state_dict(), expected.state_dict())
    assert torch.equal(model.position_ids, torch.arange(5))
    assert not model.wte.weight[3].any()
    assert model.scale.detach() != 1


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled])
@pytest.mark.parametrize("known", [False, True])
def test_names_of_wrappers_are_no_part_of_streams(wrap, known):
    expected = initialize(plain_model(), PLAN).state_dict()
    model = emptied(plain_model())
    load({"model": wrap(model).state_dict()}, PLAN, *([wrap(plain_model())] if known else []), prefix="model.")
    assert_same_state(model.state_dict(), expected)
    if known:
        emptied(model)
        load(model.state_dict(), PLAN, wrap(plain_model()))
        assert_same_state(model.state_dict(), expected)


def test_a_recorded_model_is_loaded_with_its_real_buffers():
    with weightfill.torch.recording() as recorded:
        recipe = Tied()
    plan = recorded.plan(recipe, seed=5)
    model = emptied(Tied())
    load({"model": model.state_dict()}, plan, recipe, prefix="model.")
    assert_same_state(model.state_dict(), weightfill.torch.materialize(recipe, plan).state_dict())


def test_what_no_plan_says_is_named():
    model = Tied()
    tied = message_of(model.state_dict(), PLAN)
    assert "ValueError: state: must have tied tensors once, got 'head.weight' and 'wte.weight'" in tied
    del model.head
    state = model.state_dict()
    left = message_of({**state, "step": 3}, PLAN)
    assert (
        "ValueError: state must hold what the plan draws, got 'position_ids' and 'step' as well; load"
        in left.replace("', 'step'", "' and 'step'")
    )
    assert "allow_partial_load=True" in left
    optimizer = {"model": state, "optim": {"exp_avg": torch.zeros(3)}}
    nested = message_of(optimizer, PLAN)
    assert "prefix must be what a state has before the names of the model, got '' for 'model." in nested
    assert "pass prefix='model.', or load the mapping within alone" in nested
    dotless = message_of(optimizer, PLAN, prefix="model")
    assert "prefix must be what a state has before the names of the model, got 'model' for 'model." in dotless
    assert "pass prefix='model.', or load the mapping within alone" in dotless
    assert "'optim.exp_avg'" in message_of(optimizer, PLAN, prefix="model.")
    del state["position_ids"]
    with pytest.raises(TypeError, match=r"plan must be a weightfill\.Plan, got dict"):
        PlanReader({"*": wf.Ones()})
    with pytest.raises(TypeError, match=r'prefix must be a string such as "model\.", got 1'):
        PlanReader(PLAN, prefix=1)
    no_rule = message_of(state, wf.Plan({"[wnt]*": wf.Normal()}, seed=1))
    assert "ValueError: state: params must all match a rule, got 'scale'" in no_rule
    assert "unused*" in message_of(state, wf.Plan({"unused*": wf.Ones(), "*": wf.Zeros()}))
    assert "complex64" in message_of({"w": torch.zeros(3, dtype=torch.complex64)}, PLAN)


def test_a_state_of_another_model_is_named():
    other = message_of({"w": torch.zeros(3, 4)}, wf.Plan({"*": wf.Ones()}), {"w": (3, 5)})
    assert "w" in other
    assert "[3, 5]" in other or "(3, 5)" in other
    wrong = message_of({"w": torch.zeros(3, dtype=torch.int64)}, wf.Plan({"*": wf.Ones()}), {"w": 3})
    assert "state['w'] must be of float32, " in wrong
    assert "one of torch.int64" in wrong
    on_meta = nn.Module()
    on_meta.register_buffer("ids", torch.arange(3, device="meta"))
    on_meta.w = nn.Parameter(torch.ones(3))
    assert "got 'ids' as well" in message_of({"w": torch.ones(3), "ids": torch.arange(3)}, PLAN, on_meta)


@pytest.mark.parametrize("known", [False, True])
def test_what_is_not_the_models_can_be_left_alone(known):
    model = emptied(Tied())
    del model.head
    state = {"model": model.state_dict(), "optim": {"exp_avg": torch.full((2,), 7.0)}, "step": 3}
    load(state, PLAN, *([model.state_dict()] if known else []), prefix="model.", planner=PARTIAL)
    assert state["step"] == 3
    assert (state["optim"]["exp_avg"] == 7).all()
    assert (model.position_ids == 7).all()
    weight = wf.create((11, 6), wf.Normal(std=0.02), seed=42, stream="wte.weight")
    assert (model.wte.weight.detach().numpy() == weight).all()
    assert (model.norm.running_var == 1).all()
    assert model.norm.num_batches_tracked == 0


class OneRow(DefaultLoadPlanner):
    """Asks for one row of each tensor, and takes it in a tensor of its own."""

    def create_local_plan(self):
        plan = super().create_local_plan()
        row = [
            ReadItem(
                item.type,
                item.dest_index,
                torch.Size([0] * len(item.lengths)),
                item.storage_index,
                torch.Size([1] + [0] * (len(item.lengths) - 1)),
                torch.Size([1, *item.lengths[1:]]),
            )
            for item in plan.items
        ]
        return LoadPlan(row)

    def resolve_tensor(self, read_item):
        return torch.empty(read_item.lengths)

    def commit_tensor(self, read_item, tensor):
        self.state_dict[read_item.dest_index.fqn].copy_(tensor)


def test_a_planner_of_ones_own_gets_the_window_that_it_asks_for():
    state = {"a.weight": torch.zeros(1, 5), "b.weight": torch.zeros(1, 3, 2)}
    shapes = {"a.weight": (4, 5), "b.weight": (2, 3, 2)}
    state = {name: torch.zeros(shape) for name, shape in shapes.items()}
    load(state, PLAN, shapes, planner=OneRow())
    for name, shape in shapes.items():
        whole = torch.from_numpy(wf.create(shape, wf.Normal(std=0.02), seed=42, stream=name))
        assert torch.equal(state[name], whole[1:2].expand(shape)), name


class Strange(LoadPlanner):
    """Has nothing of what a DefaultLoadPlanner has."""

    def set_up_planner(self, state_dict, metadata=None, is_coordinator=False):
        self.tensors, self.metadata = state_dict, metadata

    def create_local_plan(self):
        return dcp.default_planner.create_default_local_load_plan(self.tensors, self.metadata)

    def create_global_plan(self, global_plan):
        return global_plan

    def finish_plan(self, central_plan):
        return central_plan

    def load_bytes(self, read_item, value):
        raise AssertionError

    def resolve_tensor(self, read_item):
        return self.tensors[read_item.dest_index.fqn]

    def commit_tensor(self, read_item, tensor):
        pass


def test_a_planner_that_does_not_show_the_state_needs_shapes():
    state = {"w": torch.zeros(3, 2)}
    assert (
        "TypeError: planner must be a DefaultLoadPlanner, whose state_dict has the tensors, got Strange"
        in message_of(state, PLAN, planner=Strange())
    )
    load(state, PLAN, {"w": (3, 2)}, planner=Strange())
    assert (state["w"].numpy() == wf.create((3, 2), wf.Normal(std=0.02), seed=42, stream="w")).all()


@pytest.mark.parametrize("init", [wf.Normal(std=0.02), wf.Orthogonal(), wf.Sparse(connections=2)])
@pytest.mark.parametrize("shape", [(), (7,), (9, 5), (4, 3, 5)])
def test_a_tensor_without_memory_on_the_cpu_is_copied_in_pieces(init, shape, monkeypatch):
    if not shape or (len(shape) == 1 and not isinstance(init, wf.Normal)):
        init = wf.Normal(std=0.02)
    monkeypatch.setattr(initial_state, "_BLOCK_BYTES", 28)
    plan, tensor = wf.Plan({"*": init}, seed=1), torch.zeros(shape)
    state = {"w": torch._neg_view(tensor)}  # which has no memory of its own values, as one on a GPU has none here
    load(state, plan)
    assert torch.equal(state["w"], torch.from_numpy(wf.create(shape, init, seed=1, stream="w")))


@pytest.mark.parametrize("known", [False, True])
def test_tensors_that_keep_their_values_are_left_alone(known):
    state = {"base": torch.full((4, 3), 7.0), "lora_B": torch.full((4, 2), 7.0)}
    plan = wf.Plan({"lora_B": wf.Zeros(), "*": wf.KeepValues()})
    load(state, plan, *([{"base": (4, 3), "lora_B": (4, 2)}] if known else []))
    assert (state["base"] == 7).all()
    assert (state["lora_B"] == 0).all()


def test_progress_is_told_of_all_elements():
    told = []
    load(plain_model().state_dict(), PLAN, progress=lambda done, total: told.append((done, total)))
    total = sum(tensor.numel() for tensor in plain_model().state_dict().values())
    assert told[-1][1] == total
    assert sorted(told) == told


def test_autograd_knows_that_a_loaded_tensor_has_changed():
    weight = torch.ones(3, requires_grad=True)
    product = (weight * weight).sum()
    load({"w": weight.detach()}, PLAN)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_no_path_is_taken_for_a_plan():
    assert not PlanReader.validate_checkpoint_id("folder")
    PlanReader(PLAN).reset("folder")
