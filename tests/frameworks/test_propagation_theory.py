"""weightfill.torch.propagation: what theory predicts, equal units, and the verdict."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
from tests.frameworks.propagated import HE, Net, batch_of, mlp  # noqa: E402
from weightfill.torch import initialize, propagation  # noqa: E402


def test_theory_predicts_chains():
    model = nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(48, 64, 3, stride=2),
        nn.Sequential(nn.LeakyReLU(0.1), nn.Dropout(0.5)),
        nn.Conv2d(64, 64, 3, padding="same", groups=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(64 * 36, 100),
    ).eval()
    initialize(model, wf.Plan({"*.bias": wf.Normal(std=0.3), "*": wf.LecunNormal()}, seed=2))
    report = propagation(model, batch_of(60, 3, 14, 14))
    assert report.unpredicted is None
    for layer in report.layers:
        assert layer.std == pytest.approx(layer.predicted_std, rel=0.15)
        assert layer.grad_std == pytest.approx(layer.predicted_grad_std, rel=0.15)


def test_verdict_is_about_layers_with_their_activations():
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Normal(std=0.01)}, seed=1)
    model = initialize(mlp(*[300] * 7, activation=nn.Tanh), plan)
    for one, drawn in ((model, plan), (model, None), (nn.Sequential(model, nn.Identity()), None)):
        verdict = propagation(one, batch_of(100, 300), plan=drawn).verdict
        assert verdict.startswith("vanishes 0.17x a layer: std 0.01 is too small for tanh at 300 inputs; XavierNormal")
    with_norm = nn.Sequential(model, nn.LayerNorm(300))
    assert propagation(with_norm, batch_of(100, 300)).verdict.startswith("vanishes 0.17x a layer")


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


def test_verdict_compares_counterparts_in_blocks():
    blocks = nn.Sequential(*(Block(32) for _ in range(6)))
    plan = wf.Plan(
        {"*norm.weight": wf.Ones(), "*.bias": wf.Zeros(), "*down.weight": wf.Normal(std=1e-4), "*": wf.KaimingNormal()},
        seed=1,
    )
    initialize(blocks, plan)
    report = propagation(nn.Sequential(blocks, nn.Linear(32, 5)), batch_of(40, 32))
    assert [layer.name for layer in report.judged] == [f"0.{n}.up" for n in range(6)]
    assert report.verdict.startswith("holds: std 1.4")


def test_theory_predicts_gradients_of_a_loss():
    model = initialize(mlp(300, 300, 300), HE)
    for layer in propagation(model, batch_of(200, 300), lambda out: (out * batch_of(200, 300)).mean()).layers:
        assert layer.grad_std == pytest.approx(layer.predicted_grad_std, rel=0.15)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)),
            "chains of Linear or Conv and activations, and '1' is LayerNorm",
        ),
        (nn.Sequential(nn.Tanh(), nn.Linear(6, 6)), "a Linear or Conv before each activation, and '0' has none"),
        (nn.Sequential(nn.Linear(6, 6), nn.Dropout()), "and '1' is Dropout"),
        (
            Net(lambda self, x: self.a(x), a=nn.Linear(6, 6)),
            "theory covers nn.Sequential of Linear or Conv and activations, and the model is Net",
        ),
        (nn.Sequential(nn.Embedding(6, 6), nn.Tanh()), "theory needs a batch of one floating tensor"),
    ],
)
def test_no_prediction_says_why(model, why):
    report = propagation(model, torch.arange(6) if "one floating" in why else batch_of(5, 6))
    assert why in report.unpredicted
    assert f"no prediction: {report.unpredicted}" in str(report)
    assert all(layer.predicted_std is None for layer in report.layers)


def test_weights_of_another_mean_are_not_predicted():
    model = nn.Sequential(nn.Linear(50, 50))
    nn.init.constant_(model[0].weight, 0.5)
    report = propagation(model, batch_of(5, 50))
    assert report.unpredicted == "theory needs weights of mean 0, and that of '0' has mean 0.5"


def test_equal_units_are_counted():
    model = mlp(6, 9, 8, 5, activation=nn.Tanh)
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Constant(0.1)}, seed=1)
    initialize(model, plan)
    for given in (plan, None):
        report = propagation(model, batch_of(8, 6), plan=given)
        assert [layer.equal_units for layer in report.layers] == [9, 0, 8, 0, 0, 0]  # outputs get different gradients
        assert report.layers[0].init == (wf.Constant(0.1) if given else wf.Constant(float(np.float32(0.1))))
        assert report.verdict.startswith("equal units: Constant(")
        assert any(problem.startswith("0 and 2: 8 to 9 equal units, which") for problem in report.problems)


def test_equal_rows_of_different_numbers_are_equal_units():
    model = mlp(6, 9, 5)
    with torch.no_grad():
        model[0].weight[:] = model[0].weight[:1]
        model[0].bias.fill_(0.3)
        model[2].weight.fill_(0.1)
    report = propagation(model, batch_of(8, 6))
    assert report.layers[0].equal_units == 9
    assert report.layers[0].init is None
    assert "None" not in " ".join([*report.problems, report.verdict])
    assert "0: 9 equal units, which training keeps equal" in report.problems


def test_units_that_training_will_tell_apart_are_not_equal():
    def run(self, x):
        return self.head(x + self.zero(torch.tanh(self.inner(x))))

    model = Net(run, inner=nn.Linear(6, 9), zero=nn.Linear(9, 6), head=nn.Linear(6, 4))
    nn.init.zeros_(model.zero.weight)
    nn.init.zeros_(model.zero.bias)
    assert [layer.equal_units for layer in propagation(model, batch_of(8, 6)).layers] == [0, 0, 0]
    constant = mlp(6, 9, 5)
    nn.init.constant_(constant[0].weight, 0.2)
    assert not any(layer.equal_units for layer in propagation(constant, batch_of(8, 6)).layers)
