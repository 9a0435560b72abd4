"""The families in examples/: recorded again, and small models beside those that their libraries initialize."""

import warnings

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("diffusers", reason="diffusers is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("torchrec", reason="torchrec is not installed")
pytest.importorskip("scipy.stats")

import weightfill.torch as wt
from examples.families import FAMILIES, FOLDER, published, tiny
from examples.record import manifest_text, plan_text, recorded
from tests.frameworks.gallery_samples import Samples, differences

families = pytest.mark.parametrize("name", FAMILIES)


@families
def test_a_new_recording_is_the_recorded_one(name):
    plan_file, manifest_file = FOLDER / name / "plan.toml", FOLDER / name / "manifest.json"
    versions = plan_file.read_text(encoding="utf-8").partition("\n")[0].partition(", ")[2]
    assert versions == f"{FAMILIES[name].versions}.", f"to record it anew: python -m examples.record {name}"
    module, plan = recorded(name, published(name))
    assert plan_text(name, plan) == plan_file.read_text(encoding="utf-8")
    assert manifest_text(module, plan) == manifest_file.read_text(encoding="utf-8")


@families
def test_small_models_are_initialized_as_by_their_library(name):
    samples = Samples(name)
    assert samples.ours.keys() == samples.plain.keys()
    for tensor, ours in samples.ours.items():
        fixed, plain = samples.fixed(tensor), samples.plain[tensor]
        if tensor in FAMILIES[name].rules:  # a table said by its formula
            assert np.allclose(ours, plain, rtol=0, atol=1e-5)
        else:
            assert ours[:, fixed].tobytes() == plain[:, fixed].tobytes(), tensor
    assert samples.drawn
    for law, tensors in samples.drawn.items():
        ours, plain = samples.of(tensors)
        assert not differences(ours, plain), law
        for factor in (0.95, 1.05):  # the samples are large enough
            assert differences(factor * ours, plain), law
        for tensor in tensors:
            assert not differences(*samples.of([tensor]), shape=False), tensor


def test_a_table_that_a_library_computes_is_kept_bit_for_bit():
    family, config, table = FAMILIES["whisper-large"], tiny("whisper-large"), "model.encoder.embed_positions.weight"
    with wt.recording() as recording:
        module = family.build(config)
    plan = recording.plan(module, seed=42, computed="keep")
    made = wt.materialize(module, plan).state_dict()[table]
    assert made.numpy().tobytes() == family.build(config).state_dict()[table].numpy().tobytes()


def test_distributions_of_the_same_mean_and_std_differ():
    generator = np.random.default_rng(1)
    normal, uniform = generator.normal(0, 1, 10_000), generator.uniform(-np.sqrt(3), np.sqrt(3), 10_000)
    assert differences(normal, uniform) == ["distributions"]
    assert not differences(normal, generator.normal(0, 1, 10_000))
    assert differences(normal + 0.1, generator.normal(0, 1, 10_000))
