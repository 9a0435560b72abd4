import resource
import threading

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402
from tests.frameworks.recorded_modules import After, inits, own, recorded_plan  # noqa: E402


def test_parameters_are_on_meta_and_buffers_in_memory():
    with wt.recording():
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    assert {param.device.type for param in model.parameters()} == {"meta"}
    assert model[1].running_var.tolist() == [1] * 4
    assert all(isinstance(param, nn.Parameter) and param.requires_grad for param in model.parameters())


def test_large_models_take_no_memory():
    def build(rows=1):
        table = own(lambda: 0.02 * torch.randn(20_000 * rows, 20_000))()
        return nn.Sequential(nn.Linear(rows, 500_000_000), nn.Embedding(400_000_000 * rows, 3), table)

    recorded_plan(build)  # which loads what torch needs for this
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, plan = recorded_plan(lambda: build(5))
    assert plan.rule("2.weight").init == wf.Normal(std=0.02)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KB; the model has 43 GB


def test_it_works_under_the_meta_device_and_with_other_blocks():
    with torch.device("meta"):
        model, plan = recorded_plan(
            lambda: nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), own(lambda: torch.ones(3))())
        )
    assert plan.rule("0.weight").init == wf.StandardUniform()
    assert plan.rule("2.weight").init == wf.Ones()
    assert model[1].running_var.tolist() == [1] * 4
    with wt.patched():
        assert inits(lambda: After(lambda w: w.normal_(std=3)))["weight"] == wf.Normal(std=3)
        assert inits(lambda: nn.Linear(8, 4))["weight"] == wf.StandardUniform()
    with wt.recording() as recorded, wt.patched():
        layer, other = nn.Linear(8, 4), own(lambda: torch.empty(3, 4).normal_())()
    assert recorded.plan(layer, seed=1).rule("weight").init == wf.StandardUniform()
    assert recorded.plan(other, seed=1).rule("weight").init == wf.Normal()


def test_it_works_while_others_have_replaced_register_parameter(monkeypatch):
    original = nn.Module.register_parameter

    def replacing(self, name, param):  # as accelerate's init_empty_weights does
        original(self, name, param)
        if param is not None:
            self._parameters[name] = nn.Parameter(self._parameters[name].to("meta"))

    monkeypatch.setattr(nn.Module, "register_parameter", replacing)
    assert inits(lambda: nn.Linear(8, 4))["weight"] == wf.StandardUniform()
    with wt.recording() as recorded:
        monkeypatch.undo()
        layer = nn.Linear(8, 4)
    assert recorded.plan(layer, seed=1).rule("weight").init == wf.StandardUniform()


def test_the_meta_device_within_is_refused_as_libraries_leave_their_initialization_out_there():
    with pytest.raises(RuntimeError) as caught, wt.recording(), torch.device("meta"):
        nn.Linear(3, 3)
    assert str(caught.value) == (
        "recording() must not have torch.device('meta') within, got 'weight' of Linear made there; leave it out, as "
        "parameters take no memory anyway, or put it around recording()"
    )
    assert not nn.Linear(3, 3).weight.is_meta


def test_recordings_are_not_nested():
    with wt.recording() as recorded:
        with pytest.raises(RuntimeError, match="must not be within another recording of this thread"), wt.recording():
            pass
        layer = nn.Linear(8, 4)
    assert recorded.plan(layer, seed=1).rule("weight").init == wf.StandardUniform()


def test_an_error_leaves_torch_as_it_was():
    torch.manual_seed(1)
    expected = nn.Linear(3, 3).weight
    codes = {name: getattr(nn.init, name).__code__ for name in ("normal_", "uniform_", "orthogonal_")}
    registering = nn.Module.register_parameter.__code__
    torch.manual_seed(1)

    def build():
        nn.Linear(3, 3)
        own(lambda: torch.randn(3))()
        torch.randperm(4), torch.randint(3, (2,)), torch.bernoulli(torch.ones(3))
        raise KeyError

    with pytest.raises(KeyError):
        recorded_plan(build)
    assert torch.equal(nn.Linear(3, 3).weight, expected)
    assert codes == {name: getattr(nn.init, name).__code__ for name in codes}
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    assert nn.Module.register_parameter.__code__ is registering


def test_errors_of_torch_stay():
    with wt.recording():
        with pytest.raises(ValueError, match="Fan in and fan out can not be computed"):
            nn.init.xavier_uniform_(torch.empty(3))
        with pytest.raises(RuntimeError, match="normal expects std >= 0"):
            torch.empty(3).normal_(std=-1)


def test_other_threads_build_as_ever():
    found = []
    with wt.recording():
        thread = threading.Thread(target=lambda: found.append(nn.Linear(3, 3)))
        thread.start()
        thread.join()
    assert not found[0].weight.is_meta


def test_threads_record_beside_each_other_and_beside_others():
    plans, plain, layers = [], [], lambda: nn.Sequential(*(nn.Linear(8, 8) for _ in range(20)))
    threads = [threading.Thread(target=lambda: plans.append(recorded_plan(layers)[1])) for _ in range(8)]
    threads += [threading.Thread(target=lambda: plain.append(layers())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(plans) == 8
    assert len(set(plans)) == 1
    assert not any(param.is_meta for model in plain for param in model.parameters())


def test_parameters_that_code_holds_are_the_same_objects():
    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            held = nn.Parameter(torch.empty(3, 4), requires_grad=False)
            held.mark = "mine"
            self.weight = held
            nn.init.ones_(held)

    model, plan = recorded_plan(Held)
    assert plan.rule("weight").init == wf.Ones()
    assert model.weight.mark == "mine"
    assert model.weight.requires_grad is False
