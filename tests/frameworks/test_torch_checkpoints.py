"""State dicts of torch modules as what a plan writes, explains and verifies."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, load_model, save_file, save_model  # noqa: E402
from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.torch_modules import compiled  # noqa: E402
from weightfill.torch._modules import initialize  # noqa: E402


def tied_model():
    model = nn.Module()
    model.wte = nn.Embedding(11, 6)
    model.norm = nn.BatchNorm1d(6)
    model.register_buffer("position_ids", torch.arange(5))
    shared = nn.Linear(6, 6)
    model.h = nn.ModuleList([shared, shared])
    model.lm_head = nn.Linear(6, 11, bias=False)
    model.lm_head.weight = model.wte.weight
    return model


TIED_NAMES = {"h.1.weight": "h.0.weight", "h.1.bias": "h.0.bias", "lm_head.weight": "wte.weight"}
PLAN = wf.Plan({"*": wf.Normal(std=0.02)}, seed=42)


def initialized(model):
    initialize(model, PLAN)
    return {name: tensor for name, tensor in model.state_dict().items() if name != "position_ids"}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("as_module", [False, True])
def test_a_state_dict_is_written_as_initialize_fills_the_module(tmp_path, device, dtype, as_module):
    file = tmp_path / "m.safetensors"
    with torch.device(device):
        shapes = tied_model()
    shapes = shapes if as_module else shapes.state_dict()
    PLAN.write(file, shapes, dtype)
    written = load_file(file)
    expected = initialized(tied_model())
    known = as_module and device == "cpu"  # the values of buffers
    if known:
        expected["position_ids"] = torch.arange(5)
    assert written.keys() == expected.keys() - TIED_NAMES.keys()
    for name, tensor in written.items():
        assert torch.equal(tensor, expected[name]), name
        assert tensor.dtype == expected[name].dtype
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {**TIED_NAMES, "format": "pt"}
    assert failed(wf.verify_checkpoint(file, PLAN)) == ({"position_ids"} if known else set())
    assert wf.verify_checkpoint(file, PLAN, shapes)
    explained = PLAN.explain(shapes, dtype)
    assert {parameter.name for parameter in explained} == written.keys() - {"position_ids"}
    assert "lm_head.weight is tied to wte.weight\n" in str(explained)
    remark = "with values that are known: position_ids\n" if known else "left out, as not drawn: position_ids\n"
    assert remark in str(explained)
    model = tied_model()
    if known:
        model.position_ids.zero_()
    missing, unexpected = load_model(model, file, strict=known)
    assert (missing, unexpected) == (set() if known else {"position_ids"}, [])
    assert all(map(torch.equal, model.state_dict().values(), tied_model_like(expected).values()))
    assert torch.equal(model.lm_head.weight, expected["wte.weight"])


def tied_model_like(expected):
    model = tied_model()
    model.load_state_dict(expected, strict=False)
    return model.state_dict()


def test_shards_have_the_ties_of_their_tensors(tmp_path):
    files = PLAN.write(tmp_path / "m.safetensors", tied_model(), shard_bytes=200)
    found = {}
    for file in files[:-1]:
        with safe_open(file, "pt") as opened:
            found |= {name: kept for name, kept in opened.metadata().items() if name != "format"}
            assert all(kept in opened.keys() for name, kept in opened.metadata().items() if name != "format")  # noqa: SIM118
    assert found == TIED_NAMES
    assert wf.verify_checkpoint(files[-1], PLAN, shapes=tied_model())


@pytest.mark.parametrize("shapes", [None, tied_model], ids=["alone", "shapes"])
@pytest.mark.parametrize("save", ["save_model", "every name", "without the first"])
def test_a_file_may_have_any_of_the_names_of_a_tie(tmp_path, save, shapes):
    model, file = tied_model(), tmp_path / "m.safetensors"
    initialize(model, PLAN)
    del model.position_ids
    if save == "save_model":
        save_model(model, file)
        with safe_open(file, "pt") as opened:
            assert "wte.weight" in opened.metadata()  # the first of the model's names is not there
    else:
        tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if save == "without the first":
            del tensors["wte.weight"]
        save_file(tensors, file)
    if shapes is None and save != "save_model":
        assert failed(wf.verify_checkpoint(file, PLAN)) == TIED_NAMES.keys()
        return
    how = {} if shapes is None else {"shapes": shapes().state_dict()}
    assert wf.verify_checkpoint(file, PLAN, **how)
    plan = wf.Plan({"*": wf.Uniform()}, seed=42)
    assert "lm_head.weight: 66 of 66 elements differ" in str(wf.verify_checkpoint(file, plan, **how))
    with torch.no_grad():
        model.norm.num_batches_tracked += 1
        model.norm.running_var += 1
    save_model(model, file)
    assert failed(wf.verify_checkpoint(file, PLAN, **how)) == {"norm.num_batches_tracked", "norm.running_var"}


def failed(result):
    return {name for name, tensor in result.items() if not tensor}


def test_rules_for_one_name_of_a_tie_are_enough(tmp_path):
    model, file = tied_model(), tmp_path / "m.safetensors"
    plan = wf.Plan({"wte*": wf.Uniform(), "[hn]*": wf.Normal()}, seed=1)
    initialize(model, plan)
    del model.position_ids
    save_model(model, file)
    assert wf.verify_checkpoint(file, plan)
    with pytest.raises(ValueError, match="params must all match a rule, got 'lm_head.weight'"):
        wf.verify_checkpoint(file, wf.Plan({"[hn]*": wf.Normal()}, seed=1))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled], ids=["parallel", "compile"])
def test_a_wrapped_module_is_written_with_the_values_of_the_module(tmp_path, wrap):
    file, model = tmp_path / "m.safetensors", wrap(tied_model())
    plan = wf.Plan({"wte.weight": wf.Uniform(), "*": wf.Normal()}, seed=7)
    plan.write(file, model.state_dict())
    assert wf.verify_checkpoint(file, plan)
    assert wf.verify_checkpoint(file, plan, shapes=model.state_dict())
    load_model(model, file, strict=False)
    values = [tensor.clone() for tensor in model.parameters()]
    assert all(map(torch.equal, initialize(model, plan).parameters(), values))


def test_a_half_model_has_half_statistics_and_whole_counters(tmp_path):
    file = tmp_path / "m.safetensors"
    PLAN.write(file, nn.BatchNorm1d(3), "bfloat16")
    found = load_file(file)
    assert torch.equal(found["running_var"], torch.ones(3, dtype=torch.bfloat16))
    assert torch.equal(found["num_batches_tracked"], torch.tensor(0))
    PLAN.write(tmp_path / "n.safetensors", like=file)
    assert (tmp_path / "n.safetensors").read_bytes() == file.read_bytes()
    PLAN.write(tmp_path / "f.safetensors", dtype="float32", like=file)
    assert load_file(tmp_path / "f.safetensors")["num_batches_tracked"].dtype == torch.int64


def test_what_is_for_torch_says_so():
    model = tied_model()
    with pytest.raises(TypeError, match="params must be a mapping from names to arrays, got Module; .*torch.initial"):
        PLAN.fill(model)
    with pytest.raises(TypeError, match=r"params\['.*'\] must be a NumPy array, got torch's Tensor; fill the module"):
        PLAN.fill(model.state_dict())


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.Embedding(7, 3, padding_idx=2)
        self.register_buffer("table", torch.ones(3))
        self.register_buffer("scale", torch.ones(3))
        self.head = nn.Linear(3, 7)
        self.head.weight = self.module.weight
        self.norm = torch.nn.DataParallel(nn.BatchNorm1d(3))

    def get_extra_state(self):
        return {"step": 5}

    def set_extra_state(self, state):
        pass


class OnlyModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.Linear(3, 7)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("build", [Everything, OnlyModule, lambda: compiled(Everything())])
def test_a_module_is_written_explained_and_verified_as_it_is_initialized(tmp_path, build):
    rules = {"scale": wf.Constant(2), "*embedding*": wf.Zeros(), "*": wf.Normal()}
    plan = wf.Plan([wf.Rule(pattern, init, pattern != "*") for pattern, init in rules.items()], seed=3)
    file, module = tmp_path / "m.safetensors", build()
    plan.write(file, module)
    written, expected = load_file(file), dict(initialize(module, plan).state_dict())
    left = {name for name in expected if name.endswith("_extra_state")}
    known = {name for name in expected if name.endswith("table")}
    assert written.keys() == expected.keys() - left - {name for name in expected if name.endswith("head.weight")}
    assert all(torch.equal(written[name], expected[name]) for name in written)
    assert wf.verify_checkpoint(file, plan, shapes=module)
    explained = plan.explain(module)
    assert {parameter.name for parameter in explained} == written.keys() - known
    assert (set(explained.known), explained.left) == (known, ())
    if build is Everything:
        assert torch.equal(written["module.weight"][2], torch.zeros(3))
        assert torch.equal(written["scale"], torch.full((3,), 2.0))
        assert "zero in row 2" in str(explained)


class Buffers(nn.Module):
    """Buffers of all kinds, of which some can be known."""

    def __init__(self, device="cpu"):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3))
        self.parts = nn.ModuleList([nn.BatchNorm1d(3), nn.Linear(3, 3, bias=False)])
        base = torch.arange(24.0, device=device)
        for name, buffer in {
            "ids": torch.arange(6, device=device).expand((1, -1)),
            "mask": torch.ones(4, 4, dtype=torch.bool, device=device).tril(),
            "coarse": base.bfloat16()[::2],
            "transposed": base.reshape(4, 6).T,
            "view": base[3:9],
            "scalar": torch.tensor(2.5, dtype=torch.float64, device=device),
            "negated": torch._neg_view(torch.arange(3.0, device=device)),
            "none": torch.empty(0, 3, dtype=torch.int32, device=device),
            "ruled": base[:2].clone(),
        }.items():
            self.register_buffer(name, buffer)
        self.register_buffer("passing", torch.arange(3), persistent=False)
        self.register_buffer("missing", None)


def test_buffers_in_memory_are_written_as_they_are(tmp_path):
    plan = wf.Plan({"ruled": wf.Constant(3), "*": wf.Normal()}, seed=1)
    file, module = tmp_path / "m.safetensors", Buffers()
    with torch.no_grad():
        module.parts[0].running_var += 1
        module.parts[0].num_batches_tracked += 1
    plan.write(file, module)
    loaded, expected = Buffers(), initialize(Buffers(), plan)
    for buffer in loaded.buffers():
        buffer.data = torch.zeros(buffer.shape, dtype=buffer.dtype)
    assert str(loaded.load_state_dict(load_file(file), strict=True)) == "<All keys matched successfully>"
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name].resolve_neg()), name
        assert tensor.dtype == expected.state_dict()[name].dtype
    assert wf.verify_checkpoint(file, plan, module)
    changed = Buffers()
    changed.mask[2, 0] = False
    changed.coarse = changed.coarse + 1
    assert failed(wf.verify_checkpoint(file, plan, changed)) == {"mask", "coarse"}
    assert "mask: 1 of 16 elements differ, the first at (2, 0)" in str(wf.verify_checkpoint(file, plan, changed))
    plan.write(tmp_path / "h.safetensors", module, "float16")
    half = load_file(tmp_path / "h.safetensors")
    assert torch.equal(half["scalar"], torch.tensor(2.5, dtype=torch.float16))
    assert torch.equal(half["ids"], module.ids)
    assert wf.verify_checkpoint(tmp_path / "h.safetensors", plan, module)


def test_buffers_on_meta_are_left_out(tmp_path):
    plan, file = wf.Plan({"ruled": wf.Constant(3), "*": wf.Normal()}, seed=1), tmp_path / "m.safetensors"
    on_meta = Buffers().to("meta")
    plan.write(file, on_meta)
    assert load_file(file).keys() == {
        *("weight", "ruled", "parts.0.weight", "parts.0.bias", "parts.1.weight"),
        *("parts.0.running_mean", "parts.0.running_var", "parts.0.num_batches_tracked"),
    }
    assert wf.verify_checkpoint(file, plan, on_meta)
    assert not wf.verify_checkpoint(file, plan, Buffers())["ids"]


def test_an_initializer_that_cannot_leave_out_padding_rows_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"^'weight' has a padding_idx, Orthogonal\(.*\): of must draw every element"):
        wf.Plan({"*": wf.Orthogonal()}, seed=1).write(tmp_path / "m.safetensors", nn.Embedding(3, 3, padding_idx=0))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tensors_that_share_some_memory_are_refused_and_neighbours_are_not(device):
    whole = torch.empty(6, 6, device=device)
    for other in (whole.T, whole[1:], whole[:, 2], whole.view(torch.int32).view(torch.float32)[:3, :3]):
        with pytest.raises(ValueError, match="shapes must have tensors with memory of their own, got 'a' and 'b', "):
            PLAN.explain({"a": whole, "b": other})
    assert len(PLAN.explain({"a": whole[:, :2], "b": whole[:, 2:], "c": torch.empty(1, device=device).expand(3)})) == 3


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "shapes",
    [
        lambda: nn.LazyLinear(3),
        lambda: nn.LazyLinear(3).state_dict(),
        lambda: {"weight": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])},
        lambda: {"weight": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)},
    ],
    ids=["module", "state_dict", "nested", "jagged"],
)
def test_tensors_without_a_shape_are_refused(shapes):
    with pytest.raises(ValueError, match=r"shapes\['weight'\] must have a known shape, got .*; run a forward"):
        PLAN.explain(shapes())


def test_an_extra_state_is_left_out():
    explained = PLAN.explain({"w": torch.ones(3), "h._extra_state": {"step": 1}})
    assert ([parameter.name for parameter in explained], explained.left) == (["w"], ("h._extra_state",))


def test_what_is_no_mapping_is_shown_in_short():
    with pytest.raises(TypeError, match="shapes must be a mapping .*; of pairs make a dict") as caught:
        PLAN.explain(list(nn.Linear(300, 300).named_parameters()))
    assert len(str(caught.value)) < 400
