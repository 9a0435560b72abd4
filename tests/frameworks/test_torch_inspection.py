"""weightfill.torch.explain and verify."""

import re

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
from weightfill.torch import explain, fill, initialize, materialize, verify  # noqa: E402

RULES = {"*norm.weight": wf.Ones(), "*.bias": wf.Zeros(), "*": wf.XavierNormal()}
PLAN = wf.Plan(RULES, seed=42)


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4, padding_idx=2)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 9)
        self.head.weight = self.embedding.weight
        self.register_buffer("steps", torch.zeros(3))


def test_explain_says_what_initialize_does():
    with torch.device("meta"):
        module = Language()
    found = explain(nn.DataParallel(module), PLAN)
    assert [(row.name, row.shape, row.pattern) for row in found] == [
        ("embedding.weight", (9, 4), "*"),
        ("norm.weight", (4,), "*norm.weight"),
        ("norm.bias", (4,), "*.bias"),
        ("head.bias", (9,), "*.bias"),
    ]
    assert found.ties == {"head.weight": "embedding.weight"}
    first = found.parameters[0]
    assert (first.fans.fan_in, first.fans.fan_out) == (4, 9)
    assert first.law == wf.Padded(wf.XavierNormal(), 2).law((9, 4))
    assert "zero in row 2" in str(found)
    assert found.nbytes == 4 * (36 + 4 + 4 + 9)


@pytest.mark.parametrize("init", [wf.Orthogonal(), wf.Sparse(connections=2)], ids=str)
def test_explain_shows_other_initializers_as_they_are(init):
    (row,) = explain(nn.Embedding(9, 4, padding_idx=2), wf.Plan({"*": init}, seed=1))
    assert row.init == init


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("init", [wf.XavierNormal(), wf.Orthogonal(), wf.Sparse(connections=2)], ids=str)
def test_verify_finds_what_changed(init, dtype):
    plan = wf.Plan(RULES | {"*": init}, seed=42)
    module = initialize(Language().to(dtype), plan)
    calls = []
    found = verify(module, plan, threads=2, progress=lambda done, total: calls.append((done, total)))
    assert found
    assert list(found) == ["embedding.weight", "norm.weight", "norm.bias", "head.bias"]
    assert calls[-1] == (53, 53)
    with torch.no_grad():
        module.embedding.weight[[2, 7], 3] += 1
        module.norm.bias[1] = 3
    found = verify(module, plan)
    assert not found
    embedding = found["embedding.weight"].verification
    assert (embedding.differing, embedding.total, embedding.index) == (2, 36, (2, 3))
    assert (embedding.expected, embedding.found) == (0, 1)
    assert found["norm.bias"].verification.index == (1,)
    assert found["norm.weight"]


def test_verify_counts_memory_formats_and_scalars():
    module = nn.Conv2d(3, 4, 5).to(memory_format=torch.channels_last)
    module.scale = nn.Parameter(torch.empty(()))
    plan = wf.Plan({"*": wf.Normal()}, seed=1)
    assert verify(initialize(module, plan), plan)
    fill(module.scale, wf.Zeros())
    assert verify(module, plan)["scale"].verification.index == ()


def test_verify_of_another_seed_differs():
    assert not verify(
        initialize(nn.Linear(3, 2), wf.Plan({"*": wf.Normal()}, seed=1)), wf.Plan({"*": wf.Normal()}, seed=2)
    )


@pytest.mark.parametrize(
    ("function", "args", "error", "message"),
    [
        (explain, ({"w": 1}, PLAN), TypeError, "module must be a torch.nn.Module, got dict"),
        (verify, (nn.Linear(2, 2), {"*": wf.Ones()}), TypeError, "plan must be a weightfill.Plan, got dict"),
        (verify, (nn.Linear(2, 2, device="meta"), wf.Plan({"*": wf.Ones()})), ValueError, "'weight', 'bias' on meta"),
        (
            verify,
            (nn.Linear(2, 2), wf.Plan({"*": wf.XavierNormal()}, seed=1)),
            ValueError,
            "'bias', rule '*': shape must",
        ),
        (
            explain,
            (nn.Linear(2, 2, dtype=torch.cfloat), wf.Plan({"*": wf.Ones()})),
            ValueError,
            "params['weight'] must be of",
        ),
        (
            verify,
            (nn.Linear(2, 2, dtype=torch.cfloat), wf.Plan({"*": wf.Ones()})),
            ValueError,
            "params['weight'] must be of",
        ),
    ],
)
def test_what_is_wrong_is_said(function, args, error, message):
    with pytest.raises(error, match=re.escape(message)):
        function(*args)


def test_materialized_modules_verify():
    with torch.device("meta"):
        module = Language()
    module.steps = torch.zeros(3)
    assert verify(materialize(module, PLAN), PLAN)


def test_modules_of_inference_mode_verify_everywhere():
    with torch.inference_mode():
        module = initialize(Language(), PLAN)
    assert verify(module, PLAN)
