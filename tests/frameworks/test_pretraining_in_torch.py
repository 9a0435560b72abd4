"""Pre-trained weights in torch's modules: by name, in the document and in the example."""

import importlib.util
import re

import numpy as np
import pytest

from tests.repository import DOCS, EXAMPLES

torch = pytest.importorskip("torch", reason="torch is not installed")

from weightfill import signals  # noqa: E402
from weightfill.signals._digits import digits  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """Products of matrices as small as these take longer on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained():
    return signals.pretrain((64, 20, 10), digits()[0][:300], seed=42, epochs=2)


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("fine_tuning", EXAMPLES / "pretraining" / "fine_tuning.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_stack_loads_them_by_name_and_gives_the_features(trained):
    stack = torch.nn.Sequential(
        torch.nn.Linear(64, 20), torch.nn.Sigmoid(), torch.nn.Linear(20, 10), torch.nn.Sigmoid()
    )
    stack.load_state_dict({name: torch.from_numpy(array) for name, array in trained.items()})
    images = digits()[0].astype(np.float32)
    with torch.no_grad():
        found = stack(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, trained.transform(images), rtol=1e-4)


def test_the_code_of_the_document_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "concepts" / "pretraining.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(block.replace("epochs=30", "epochs=1"), names)
    assert (tmp_path / "stack.safetensors").exists()
    assert names["right"] > 0.5


def test_the_example_trains_every_start_alike(example, tmp_path):
    pretrained, curves = example.experiment(seeds=2, updates=50, epochs=1)
    assert list(curves) == [(labelled, start) for labelled in (100, 500, None) for start in example.STARTS]
    assert all(curve.shape == (2, 1) for curve in curves.values())
    assert all(((curve >= 0) & (curve <= 1)).all() for curve in curves.values())
    assert len(example.table(curves).splitlines()) == 2 + 12
    example.picture(pretrained[0], curves, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_networks_of_the_example_differ_in_their_values_only(example, trained):
    sizes = (64, 100, 100, 100)
    first = signals.pretrain(sizes, digits()[0][:300], seed=1, epochs=1)
    networks = {start: example.network(start, first, 1).state_dict() for start in example.STARTS}
    assert len({tuple((name, tensor.shape) for name, tensor in state.items()) for state in networks.values()}) == 1
    for name, array in first.items():
        np.testing.assert_array_equal(networks["pre-trained"][name].numpy(), array)
    assert networks["0.01 randn"]["0.weight"].std() == pytest.approx(0.01, rel=0.05)
    assert networks["standard"]["0.weight"].abs().max() == pytest.approx(1 / 8, rel=0.01)
    assert networks["Xavier"]["0.weight"].std() == pytest.approx(np.sqrt(2 / 164), rel=0.05)


def test_networks_that_are_trained_together_are_trained_as_alone(example):
    images, labels = (torch.from_numpy(array) for array in digits())
    first = signals.pretrain((64, 100, 100, 100), images[:40].numpy(), seed=1, epochs=0)
    data = (images[None, :40].float(), labels[None, :40], images[None, 40:90].float(), labels[None, 40:90])
    twice = [torch.cat([part, part]) for part in data]

    def curves(count, given):
        return example.fine_tune([example.network("Xavier", first, 1) for _ in range(count)], *given, updates=100)

    alone, together = curves(1, data), curves(2, twice)
    assert alone.shape == (1, 2)
    np.testing.assert_allclose(together[0], alone[0], atol=0.03)
