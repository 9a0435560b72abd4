"""initialize and materialize: the parameters of modules, in memory and on meta."""

import copy
import pickle
import re

import pytest

from tests.bits import assert_same_bits

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.torch_modules import PLAN, TIED_PLAN, Tied, assert_made_by, compiled, on_meta  # noqa: E402
from weightfill.torch import _allocation as allocation  # noqa: E402
from weightfill.torch._modules import initialize, materialize  # noqa: E402
from weightfill.torch._views import array_of  # noqa: E402

PLAN_FOR_CONV = wf.Plan({"bias": wf.Zeros(), "weight": wf.KaimingNormal()}, seed=42)
PLAN_FOR_LINEAR = wf.Plan({"0.weight": wf.Normal(), "1.0.weight": wf.Uniform(), "*.bias": wf.Normal()}, seed=5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("build", [initialize, materialize])
def test_every_parameter_has_the_values_of_its_name(build, dtype):
    module = Tied(dtype) if build is initialize else on_meta(Tied, dtype)
    assert build(module, TIED_PLAN) is module
    assert_made_by(module, TIED_PLAN)
    assert {param.dtype for param in module.parameters()} == {dtype}


def test_parameters_of_8_bits_are_filled():
    module = nn.ParameterDict({"w": nn.Parameter(torch.empty(4, 4, dtype=torch.float8_e4m3fn), requires_grad=False)})
    plan = wf.Plan({"w": wf.Uniform()}, seed=1)
    initialize(module, plan)
    assert_made_by(module, plan)


@pytest.mark.parametrize("build", [initialize, materialize])
def test_tied_parameters_stay_tied_and_have_their_first_name(build):
    module = Tied() if build is initialize else on_meta(Tied)
    build(module, TIED_PLAN)
    assert module.head.weight is module.embedding.weight
    expected = wf.create((11, 6), wf.XavierUniform(), seed=7, stream="embedding.weight")
    assert_same_bits(array_of(module.head.weight), expected)


def test_materialize_and_initialize_give_the_same_transformer():
    def build():
        return nn.Transformer(16, 2, 1, 1, 32, batch_first=True)

    module, other = materialize(on_meta(build), PLAN), initialize(build(), PLAN)
    names = [name for name, _ in module.named_parameters()]
    assert names == [name for name, _ in other.named_parameters()]
    assert all(map(torch.equal, module.parameters(), other.parameters()))
    assert_made_by(module, PLAN)
    source, target = torch.ones(2, 3, 16), torch.ones(2, 4, 16)
    module(source, target).sum().backward()
    assert all(param.grad is not None for param in module.parameters())


def test_materialize_keeps_the_objects_and_what_they_carry():
    class Special(nn.Parameter):
        pass

    module = on_meta(Tied)
    module.frozen = Special(torch.empty(2, 3, device="meta"), requires_grad=False)
    module.frozen.tag = "kept"
    module.embedding.weight.decay = 0.5
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    objects = [id(param) for param in module.parameters()]
    materialize(module, TIED_PLAN)
    assert [id(param) for param in module.parameters()] == objects
    assert [id(param) for param in optimizer.param_groups[0]["params"]] == objects
    assert type(module.frozen) is Special
    assert module.frozen.tag == "kept"
    assert module.embedding.weight.decay == 0.5
    assert not module.frozen.requires_grad
    assert module.embedding.weight.requires_grad
    before = module.embedding.weight.detach().clone()
    module(torch.arange(5)).sum().backward()
    optimizer.step()
    assert not torch.equal(module.embedding.weight, before)


def test_materialize_fills_what_is_on_the_cpu_already():
    module = Tied()
    module.layers = on_meta(lambda: nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)))
    address = module.embedding.weight.data_ptr()
    materialize(module, TIED_PLAN)
    assert module.embedding.weight.data_ptr() == address
    assert_made_by(module, TIED_PLAN)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_networks_keep_their_weights_in_step(kind):
    plan = wf.Plan({"*bias*": wf.Zeros(), "*": wf.XavierUniform()}, seed=3)
    module = materialize(on_meta(kind, 4, 5, 2), plan)
    x = torch.ones(3, 4)
    assert torch.equal(module(x)[0], initialize(kind(4, 5, 2), plan)(x)[0])
    assert all(map(torch.equal, module._flat_weights, module.parameters()))
    pickle.dumps(module)


def test_a_recurrent_network_that_is_stopped_is_as_before():
    def stop(done, total):
        raise KeyboardInterrupt

    module = on_meta(nn.LSTM, 4, 5)
    plan = wf.Plan({"*": wf.Normal()}, seed=3)
    with pytest.raises(KeyboardInterrupt):
        materialize(module, plan, progress=stop)
    assert all(param.is_meta for param in module.parameters())
    materialize(module, plan)
    assert_made_by(module, plan)


@pytest.mark.parametrize("build", [initialize, materialize])
def test_memory_formats_make_no_difference(build):
    def conv():
        return nn.Conv2d(3, 4, 5).to(memory_format=torch.channels_last)

    module = build(conv() if build is initialize else on_meta(conv), PLAN_FOR_CONV)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
    assert_made_by(module, PLAN_FOR_CONV)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_large_parameters_are_allocated_by_weightfill(monkeypatch, dtype, channels_last):
    monkeypatch.setattr(allocation, "LARGE", 0)
    module = on_meta(nn.Conv2d, 3, 4, 5, dtype=dtype)
    if channels_last:
        module.to(memory_format=torch.channels_last)
    materialize(module, PLAN_FOR_CONV)
    assert module.weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert_made_by(module, PLAN_FOR_CONV)
    assert_made_by(copy.deepcopy(module), PLAN_FOR_CONV)
    assert_made_by(pickle.loads(pickle.dumps(module)), PLAN_FOR_CONV)


def test_parameters_of_megabytes_have_memory_of_their_own():
    build = lambda: nn.Sequential(*(nn.Linear(512, 600, bias=False) for _ in range(4)))  # noqa: E731
    plan = wf.Plan({"*": wf.Normal()}, seed=1)
    module = materialize(on_meta(build), plan)
    storages = [param.untyped_storage() for param in module.parameters()]
    assert {storage.nbytes() for storage in storages} == {512 * 600 * 4}
    assert len({storage.data_ptr() for storage in storages}) == 4
    assert_made_by(copy.deepcopy(module), plan)
    del module[1:3]
    again = materialize(on_meta(build), plan)  # where those were, perhaps
    assert torch.equal(again[3].weight, module[1].weight)
    assert_made_by(again, plan)


def test_no_memory_for_a_parameter_leaves_the_module_on_meta(monkeypatch):
    import mmap

    def refuse(*args, **options):
        raise OSError("Cannot allocate memory")

    module = on_meta(nn.Linear, 512, 600, bias=False)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        monkeypatch.setattr(mmap, "mmap", refuse)
        with pytest.raises(MemoryError, match="no memory for an array of 1228800 bytes"):
            materialize(module, wf.Plan({"*": wf.Normal()}, seed=1))
        assert module.weight.is_meta


def test_a_really_large_table_begins_at_a_huge_page():
    module = materialize(on_meta(nn.Embedding, 300_000, 32), wf.Plan({"*": wf.Normal()}, seed=1))
    array = array_of(module.weight)
    assert_same_bits(array, wf.create((300_000, 32), wf.Normal(), seed=1, stream="weight"))
    import mmap

    if hasattr(mmap, "MADV_HUGEPAGE"):
        assert module.weight.data_ptr() % (2 << 20) == 0


@pytest.mark.parametrize(
    "wrap",
    [
        compiled,
        checkpoint_wrapper,
        nn.DataParallel,
        lambda module: checkpoint_wrapper(compiled(module)),
        lambda module: nn.DataParallel(compiled(module)),
    ],
    ids=["compile", "checkpoint", "DataParallel", "both", "parallel"],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_wrappers_change_no_value(wrap):
    expected = initialize(nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.Linear(5, 3))), PLAN_FOR_LINEAR)
    inner = nn.Sequential(nn.Linear(4, 5), wrap(nn.Sequential(nn.Linear(5, 3))))
    for module in (inner, wrap(nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.Linear(5, 3))))):
        initialize(module, PLAN_FOR_LINEAR)
        assert all(map(torch.equal, module.parameters(), expected.parameters()))


def test_a_module_called_module_is_no_wrapper():
    outer = nn.Module()
    outer.module = nn.Linear(3, 2)
    plan = wf.Plan({"module.weight": wf.Normal(), "module.bias": wf.Ones()}, seed=1)
    initialize(outer, plan)
    assert_made_by(outer, plan)


def test_parametrized_weights_are_filled_under_their_own_names():
    module = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    plan = wf.Plan({"bias": wf.Zeros(), "*.original0": wf.Ones(), "*.original1": wf.Normal()}, seed=2)
    initialize(module, plan)
    assert_made_by(module, plan)


def test_autograd_sees_that_parameters_changed():
    module = nn.Linear(3, 2)
    x = torch.ones(1, 3, requires_grad=True)
    loss = module(x).square().sum()
    versions = [param._version for param in module.parameters()]
    initialize(module, wf.Plan({"*": wf.Normal()}, seed=1))
    assert all(param._version > version for param, version in zip(module.parameters(), versions, strict=True))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_threads_and_progress_change_no_value():
    calls = []
    plan = wf.Plan({"*": wf.Normal()}, seed=1)
    module = initialize(nn.Linear(30, 20), plan, threads=2, progress=lambda done, total: calls.append((done, total)))
    assert_made_by(module, plan)
    assert calls[-1] == (620, 620)
    calls.clear()
    materialize(on_meta(nn.Linear, 30, 20), plan, threads=1, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (620, 620)


def test_matrices_made_as_a_whole_are_filled():
    plan = wf.Plan({"weight": wf.Orthogonal(), "bias": wf.Zeros()}, seed=4)
    assert_made_by(materialize(on_meta(nn.Linear, 6, 4), plan), plan)


def test_a_module_without_parameters_needs_a_plan_that_fits():
    with pytest.raises(ValueError, match="rules must all match a parameter"):
        initialize(nn.ReLU(), PLAN)


def complex_module():
    return nn.ParameterDict(
        {"fine": nn.Parameter(torch.ones(2)), "z": nn.Parameter(torch.ones(2, dtype=torch.complex64))}
    )


def shared_module():
    module = nn.ParameterDict({"a": nn.Parameter(torch.ones(2)), "b": nn.Parameter(torch.ones(2))})
    module.b.data = module.a.data
    return module


def freed_module():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight.untyped_storage().resize_(0)
    return module


def dealt_out_module():
    """Return a module as DeepSpeed ZeRO-3 leaves it where nobody has gathered the second layer."""
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4))
    for param in module[1].parameters():
        param.ds_shape, param.data = param.shape, torch.empty(0)
    return module


def lazy_module():
    return nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3))


@pytest.mark.parametrize(
    ("build", "rules", "message"),
    [
        (lambda: nn.Linear(2, 2), {"bias": wf.Zeros()}, "params must all match a rule, got 'weight'"),
        (lambda: nn.Linear(2, 2), {"*": wf.Zeros(), "x": wf.Ones()}, "rules must all match a parameter, got 'x'"),
        (
            lambda: nn.Linear(2, 2),
            {"*": wf.XavierNormal()},
            "shape must have at least 2 dimensions to count fans, got (2,)",
        ),
        (complex_module, {"*": wf.Ones()}, "got 'z': the first must be of float32, float64, float16, bfloat16, float8"),
        (freed_module, {"*": wf.Ones()}, "got '1.weight': the first must lie within its storage"),
        (
            dealt_out_module,
            {"*": wf.Normal()},
            "params['1.weight'] must hold its values, got the placeholder of one of shape (4, 3) that DeepSpeed ZeRO-3 "
            "has dealt out; fill it within deepspeed.zero.GatheredParameters(parameters, modifier_rank=0)",
        ),
        (shared_module, {"*": wf.Ones()}, "params must have memory of their own, got 'a' and 'b'"),
        (lazy_module, {"*": wf.Ones()}, "module must have parameters of known shapes, got uninitialized '1.weight'"),
        (
            lambda: on_meta(nn.Linear, 2, 2),
            {"*": wf.Ones()},
            "module must have its parameters in memory, got 'weight', 'bias' on meta; use materialize",
        ),
    ],
)
def test_what_is_wrong_is_said_before_memory_is_touched(build, rules, message):
    module = build()
    known = [
        param
        for param in module.parameters()
        if not nn.parameter.is_lazy(param) and not param.is_meta and param.untyped_storage().nbytes()
    ]
    before = [(param.detach().clone(), param._version) for param in known]
    with pytest.raises(ValueError, match=re.escape(message)):
        initialize(module, wf.Plan(rules, seed=1))
    for param, (values, version) in zip(known, before, strict=True):
        assert torch.equal(param, values)
        assert param._version == version


def test_materialize_refuses_what_deepspeed_has_dealt_out():
    module = dealt_out_module()
    module[0] = on_meta(nn.Linear, 3, 4)
    with pytest.raises(ValueError, match=r"params\['1.weight'\] must hold its values"):
        materialize(module, wf.Plan({"*": wf.Normal()}, seed=1))
    assert module[0].weight.is_meta


def test_modules_of_inference_mode_are_filled_within_it():
    with torch.inference_mode():
        module = nn.Linear(3, 2)
    plan = wf.Plan({"*": wf.Normal()}, seed=1)
    with pytest.raises(ValueError, match="the first must be filled where it was made, .*; fill it within that mode"):
        initialize(module, plan)
    with torch.inference_mode():
        assert_made_by(initialize(module, plan), plan)


def test_parameters_on_meta_that_share_memory_are_refused():
    module = on_meta(lambda: nn.ParameterList([torch.empty(4, 2), torch.empty(2)]))
    module.append(nn.Parameter(module[0].detach()[1:]))
    with pytest.raises(
        ValueError, match="must have tensors with memory of their own, got '0' and '2', which share some"
    ):
        materialize(module, wf.Plan({"*": wf.Ones()}))


@pytest.mark.parametrize("register", ["register_hook", "register_post_accumulate_grad_hook"])
def test_hooks_on_parameters_on_meta_are_refused_as_they_would_be_lost(register):
    module = on_meta(nn.Linear, 2, 2)
    getattr(module.bias, register)(lambda *_: None)
    with pytest.raises(ValueError, match="must have no hooks on tensors on meta, got 'bias'; register them afterwards"):
        materialize(module, wf.Plan({"*": wf.Ones()}))
    assert module.weight.is_meta


def test_what_torch_cannot_swap_is_left_on_meta():
    import weakref

    module = on_meta(nn.Linear, 2, 2)
    reference = weakref.ref(module.bias)
    with pytest.raises(ValueError, match="module must have tensors on meta that nothing is computed from .* 'bias'"):
        materialize(module, wf.Plan({"*": wf.Ones()}))
    assert reference().is_meta
    assert module.weight.is_meta


@pytest.mark.parametrize("function", [initialize, materialize])
@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (({"w": 1}, PLAN), {}, TypeError, "module must be a torch.nn.Module, got dict"),
        ((nn.Linear(2, 2), {"*": wf.Ones()}), {}, TypeError, "plan must be a weightfill.Plan, got dict"),
        ((nn.Linear(2, 2), PLAN), {"threads": 0}, ValueError, "threads must be in [1, 1024], got 0"),
        ((nn.Linear(2, 2), PLAN), {"progress": 3}, TypeError, "progress must be True, False or a callable"),
    ],
)
def test_arguments_are_checked(function, args, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        function(*args, **options)


def test_pruned_modules_on_meta_are_refused_by_name():
    module = on_meta(nn.Linear, 4, 4)
    with torch.device("meta"):
        prune.identity(module, "weight")
    plan = wf.Plan({"*mask": wf.Ones(), "*": wf.Uniform()}, seed=1)
    with pytest.raises(
        ValueError, match="got 'weight_mask'; apply pruning, weight_norm and the like after materialize"
    ):
        materialize(module, plan)
    assert module.bias.is_meta


def test_a_module_of_a_users_own_may_have_a_wrappers_name():
    module = nn.Module()
    module._orig_mod = nn.Linear(2, 2, bias=False)
    module.weight = nn.Parameter(torch.zeros(2))
    initialize(module, wf.Plan({"_orig_mod.weight": wf.Ones(), "weight": wf.Constant(2)}))
    assert (module._orig_mod.weight == 1).all()
    assert (module.weight == 2).all()
