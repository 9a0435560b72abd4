"""Layer-wise pre-training: values, names, files, and every wrong argument."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
from safetensors.numpy import load_file
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_info, threadpool_limits

import weightfill as wf
from weightfill import signals

DIGITS = load_digits().data / 16
FEW = DIGITS[:200]


@pytest.fixture(scope="module")
def trained():
    return signals.pretrain((64, 24, 12), FEW, seed=42, epochs=3)


def bits(found):
    return hashlib.sha256(b"".join(array.tobytes() for array in found.values())).hexdigest()


def test_names_and_shapes_are_those_of_a_sequential_stack(trained):
    assert [(name, array.shape, array.dtype) for name, array in trained.items()] == [
        ("0.weight", (24, 64), np.float32),
        ("0.bias", (24,), np.float32),
        ("2.weight", (12, 24), np.float32),
        ("2.bias", (12,), np.float32),
    ]
    assert len(trained) == 4
    assert "4.weight" not in trained
    assert trained.sizes == (64, 24, 12)
    assert [layer.visible_bias.shape for layer in trained.layers] == [(64,), (24,)]


def test_without_epochs_the_values_are_those_of_a_plan():
    found = signals.pretrain([64, 24, 12], FEW, seed=42, epochs=0)
    plan = wf.Plan({"*.weight": wf.Normal(std=0.01), "*.bias": wf.Zeros()}, seed=42)
    expected = plan.fill({name: np.empty_like(array) for name, array in found.items()})
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert [len(layer.reconstruction_error) for layer in found.layers] == [1, 1]


def test_training_explains_the_data_better(trained):
    first, second = trained.layers
    assert len(first.reconstruction_error) == len(second.pseudo_likelihood) == 4
    assert first.reconstruction_error[-1] < 0.75 * first.reconstruction_error[0]
    assert first.pseudo_likelihood[-1] > first.pseudo_likelihood[0] + 10
    assert second.reconstruction_error[-1] < second.reconstruction_error[0]


def test_history_is_measured_with_the_weights_of_the_layer():
    found = signals.pretrain((64, 24), FEW, seed=42, epochs=1).layers[0]
    hidden = expit(FEW @ found.weight.T + found.bias)
    back = expit(hidden @ found.weight + found.visible_bias)
    assert found.reconstruction_error[-1] == pytest.approx(np.sqrt(np.mean((FEW - back) ** 2)), rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_one_others(trained):
    again = signals.pretrain(np.array([64, 24, 12]), FEW, seed=np.uint64(42), epochs=3, progress=lambda *_: None)
    assert bits(again) == bits(trained)
    assert [layer.reconstruction_error for layer in again.layers] == [x.reconstruction_error for x in trained.layers]
    assert bits(signals.pretrain((64, 24, 12), FEW, seed=43, epochs=3)) != bits(trained)


def test_bits_do_not_depend_on_the_number_of_threads():
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.add(bits(signals.pretrain((64, 201), DIGITS, seed=42, epochs=2, batch=501)))
    assert len(found) == 1


def test_the_threads_of_blas_are_what_they_were():
    def threads():
        return [library["num_threads"] for library in threadpool_info()]

    before, during = threads(), []

    def stop(done, total):
        during.extend(threads())
        raise LookupError

    with pytest.raises(LookupError):
        signals.pretrain((64, 8), FEW, seed=1, progress=stop)
    assert threads() == before
    assert 1 in during


def test_calls_from_several_threads_do_not_disturb_each_other(trained):
    before = threadpool_info()
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(signals.pretrain, (64, 24, 12), FEW, seed=42, epochs=3) for _ in range(3)]
        assert {bits(call.result()) for call in calls} == {bits(trained)}
    assert threadpool_info() == before


def test_sizes_may_be_text():
    found = signals.pretrain("64, 24x2", FEW, seed=42, epochs=0)
    assert found.sizes == (64, 24, 24)
    assert bits(found) == bits(signals.pretrain((64, 24, 24), FEW, seed=42, epochs=0))


def test_layers_are_independent_of_those_above():
    one = signals.pretrain((64, 24), FEW, seed=42, epochs=3)
    two = signals.pretrain((64, 24, 5), FEW, seed=42, epochs=3)
    np.testing.assert_array_equal(one["0.weight"], two["0.weight"])


@pytest.mark.parametrize("dtype", ["float32", "float16", "bool", "uint8", ml_dtypes.bfloat16])
def test_data_of_any_type_are_taken(dtype):
    data = np.round(FEW).astype(dtype)
    expected = signals.pretrain((64, 8), np.round(FEW), seed=1, epochs=1)
    assert bits(signals.pretrain((64, 8), data, seed=1, epochs=1)) == bits(expected)
    assert bits(signals.pretrain((64, 8), np.round(FEW).tolist(), seed=1, epochs=1)) == bits(expected)


def test_data_are_left_as_they_are():
    data = FEW.copy()
    data.setflags(write=False)
    signals.pretrain((64, 8), data, seed=1, epochs=1)
    np.testing.assert_array_equal(data, FEW)


@pytest.mark.parametrize("shape", [(2, 1), (3, 5), (10, 1)])
def test_the_smallest_data_are_trained_on(shape):
    found = signals.pretrain((shape[1], 1, 1), np.ones(shape), seed=1, epochs=2, batch=2)
    assert all(np.isfinite(array).all() for array in found.values())
    assert found.layers[0].visible_bias[0] > 0


def test_constant_columns_are_learned_as_constants():
    data = FEW.copy()
    data[:, 0], data[:, 1] = 0, 1
    layer = signals.pretrain((64, 8), data, seed=1, epochs=10, rate=0.5).layers[0]
    back = expit(expit(data @ layer.weight.T + layer.bias) @ layer.weight + layer.visible_bias)
    assert back[:, 0].max() < 0.1
    assert back[:, 1].min() > 0.9


def test_a_batch_that_is_not_full_is_left_out():
    calls = []
    signals.pretrain((64, 8, 4), FEW[:25], seed=1, epochs=3, progress=lambda *call: calls.append(call))
    assert calls[-1] == (2 * 3 * 20, 2 * 3 * 20)
    assert calls == sorted(calls)


def test_an_exception_of_the_callable_comes_out():
    def stop(done, total):
        raise LookupError(total)

    with pytest.raises(LookupError, match="120"):
        signals.pretrain((64, 8, 4), FEW[:25], seed=1, epochs=3, progress=stop)


def test_ctrl_c_stops_the_work():
    before = threadpool_info()
    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        signals.pretrain((64, 8), FEW, seed=1, epochs=10**9)
    assert threadpool_info() == before


def test_a_bar_says_on_a_terminal_that_it_trains(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    signals.pretrain((64, 8), FEW, seed=1, epochs=1, progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "training" in printed.err


def test_features_are_those_of_the_stack(trained):
    hidden = expit(FEW @ trained["0.weight"].T + trained["0.bias"])
    expected = expit(hidden @ trained["2.weight"].T + trained["2.bias"])
    found = trained.transform(FEW)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert trained.transform(np.zeros((0, 64))).shape == (0, 12)
    many = np.tile(FEW, (25, 1))
    np.testing.assert_allclose(trained.transform(many), np.tile(found, (25, 1)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(64,), (3, 63), (2, 8, 8)])
def test_features_of_another_shape_are_refused(trained, shape):
    with pytest.raises(ValueError, match=f"^{re.escape(f'data must have the shape (samples, 64), got {shape}')}$"):
        trained.transform(np.zeros(shape))


def test_a_file_holds_weights_and_biases(trained, tmp_path):
    path = tmp_path / "stack.safetensors"
    assert trained.write(path) == path
    found = load_file(path)
    assert found.keys() == set(trained)
    for name, array in trained.items():
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(FileExistsError):
        trained.write(path)
    trained.write(path, replace=True)
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_is_none_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match=r"^path must end in \.safetensors, got 'a\.npy'$"):
        trained.write("a.npy")
    with pytest.raises(TypeError, match=r"^path must be a path, got 3; give a string or a pathlib\.Path$"):
        trained.write(3)
    with pytest.raises(TypeError, match=r"^replace must be True or False, got 1$"):
        trained.write(tmp_path / "a.safetensors", replace=1)
    with pytest.raises(OSError, match="No such file or directory"):
        trained.write(tmp_path / "no" / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_it_is_printed_as_a_table(trained):
    heading, *lines = str(trained).splitlines()
    assert heading.split("  ")[0] == "layer"
    assert [line.split()[:3] for line in lines] == [["0", "64", "24"], ["2", "24", "12"]]
    error = trained.layers[0].reconstruction_error
    assert f"{error[0]:.4g} -> {error[-1]:.4g}" in lines[0]
    assert repr(trained) == "Pretrained(sizes=(64, 24, 12), seed=42)"
    assert repr(trained.layers[0]) == "PretrainedLayer('0', 64 to 24 units)"
    assert trained._repr_html_().count("<tr>") == 3


def test_json_has_the_history_without_the_weights(trained):
    report = json.loads(trained.to_json())
    assert (report["sizes"], report["seed"]) == ([64, 24, 12], 42)
    first = report["layers"][0]
    assert first["reconstruction_error"] == list(trained.layers[0].reconstruction_error)
    assert first["pseudo_likelihood"] == list(trained.layers[0].pseudo_likelihood)
    assert first["weight_std"] == pytest.approx(trained["0.weight"].std(), rel=1e-5)


NAN = FEW.copy()
NAN[3, 5] = np.nan
INFINITE = FEW.copy()
INFINITE[0, 1] = np.inf
WRONG = [
    ({"sizes": 64}, TypeError, "sizes must be a sequence such as [784, 500, 10] or text, got 64"),
    ({"sizes": (64, 2.5)}, TypeError, "sizes must be an integer, got 2.5"),
    (
        {"sizes": (64,)},
        ValueError,
        "sizes must have an input and at least one layer, got (64,); such as [784, 500, 10]",
    ),
    (
        {"sizes": (64, 0, 5)},
        ValueError,
        "sizes must be at least 1, got (64, 0, 5); a layer without units passes nothing on",
    ),
    ({"sizes": "1@8x8,8c3"}, ValueError, "sizes must have dense layers only, got 1@8x8,8c3"),
    ({"sizes": "1@8x8,8"}, ValueError, "sizes must have dense layers only, got 1@8x8,8"),
    (
        {"sizes": (63, 5)},
        ValueError,
        "data must have the shape (samples, 63), as the layers begin with 63 units, got (200, 64)",
    ),
    (
        {"data": scipy.sparse.csr_array(FEW)},
        TypeError,
        "data must be a dense array, got a csr_array; pass data.toarray()",
    ),
    ({"data": ["a", "b"]}, TypeError, "data must be an array of numbers on the CPU, got ['a', 'b']"),
    ({"data": [[1], [1, 2]]}, TypeError, "data must be an array of numbers on the CPU, got [[1], [1, 2]]"),
    ({"data": FEW[0]}, ValueError, "data must have 2 dimensions, samples and units, got the shape (64,)"),
    (
        {"data": FEW.reshape(-1, 8, 8)},
        ValueError,
        "data must have 2 dimensions, samples and units, got the shape (200, 8, 8); pass data.reshape(len(data), -1)",
    ),
    ({"data": FEW[:1]}, ValueError, "data must have at least 2 samples, got 1"),
    ({"data": NAN}, ValueError, "data must be finite, got nan at [3, 5]"),
    ({"data": INFINITE}, ValueError, "data must be finite, got inf at [0, 1]"),
    (
        {"data": load_digits().data},
        ValueError,
        "data must be in [0, 1], got values from 0 to 16, as the visible units are binary; "
        "pass (data - data.min()) / (data.max() - data.min())",
    ),
    (
        {"data": FEW - 0.5},
        ValueError,
        "data must be in [0, 1], got values from -0.5 to 0.5, as the visible units are binary; "
        "pass (data - data.min()) / (data.max() - data.min())",
    ),
    ({"seed": -1}, ValueError, "seed must be in [0, 2**64), got -1"),
    ({"seed": 1.5}, TypeError, "seed must be an integer in [0, 2**64), got 1.5"),
    ({"epochs": -1}, ValueError, "epochs must be at least 0, got -1"),
    ({"epochs": 1.5}, TypeError, "epochs must be an integer, got 1.5"),
    ({"rate": 0}, ValueError, "rate must be above 0 and finite, got 0"),
    ({"rate": float("nan")}, ValueError, "rate must be above 0 and finite, got nan"),
    ({"rate": "fast"}, TypeError, "rate must be a number, got 'fast'"),
    ({"batch": 1}, ValueError, "batch must be at least 2, got 1"),
    ({"batch": 201}, ValueError, "batch must be at most the number of samples, 200, got 201"),
    ({"batch": True}, TypeError, "batch must be an integer, got True"),
    ({"progress": 3}, TypeError, "progress must be True, False or a callable(done, total), got 3"),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), WRONG, ids=[message[:40] for *_, message in WRONG])
def test_a_wrong_argument_is_named(wrong, kind, message):
    arguments = {"sizes": (64, 8), "data": FEW, "seed": 1, **wrong}
    with pytest.raises(kind) as caught:
        signals.pretrain(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("n_iter", "epochs"),
        ("lr", "rate"),
        ("learning_rate", "rate"),
        ("batch_size", "batch"),
        ("random_state", "seed"),
    ],
)
def test_names_of_scikit_learn_and_torch_lead_to_ours(given, meant):
    with pytest.raises(TypeError, match=f", got {given}; did you mean {meant}\\?$"):
        signals.pretrain((64, 8), FEW, **{given: 1})


def test_weights_that_grow_without_bound_are_found():
    with pytest.raises(FloatingPointError) as caught:
        signals.pretrain((64, 8), FEW, seed=1, epochs=2, rate=1e300)
    assert str(caught.value) == "rate must be smaller, got 1e+300: the weights of layer '0' are infinite"


def test_without_scikit_learn_the_way_out_is_said():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from weightfill import signals\n"
        "signals.pretrain((2, 2), [[0, 1], [1, 0]], seed=1, batch=2)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        found.stderr.splitlines()[-1] == "ImportError: pretrain needs scikit-learn: pip install 'weightfill[signals]'"
    )


def shifted_by_one_pixel():
    """The digits and copies of them that are shifted up, left, right and down, with labels."""
    images, labels = load_digits(return_X_y=True)
    wide = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    places = ((1, 1), (0, 1), (1, 0), (1, 2), (2, 1))
    copies = [wide[:, row : row + 8, column : column + 8].reshape(-1, 64) for row, column in places]
    return np.concatenate(copies) / 16, np.tile(labels, len(places))


def test_features_of_shifted_digits_tell_them_apart_better_than_pixels():
    # The settings of scikit-learn's example "Restricted Boltzmann Machine features for digit classification"; its
    # tolerance of 1 was that of a sum over the samples, of which newer versions take the mean.
    images, labels = shifted_by_one_pixel()
    assert len(images) == 8985
    train, test, train_labels, test_labels = train_test_split(images, labels, test_size=0.2, random_state=0)
    found = signals.pretrain((64, 100), train, seed=0, epochs=10, rate=0.06)
    how = {"solver": "newton-cg", "tol": 1 / len(train)}
    with threadpool_limits(1):
        on_features = LogisticRegression(C=6000, **how).fit(found.transform(train), train_labels)
        on_pixels = LogisticRegression(C=100, **how).fit(train, train_labels)
    assert on_features.score(found.transform(test), test_labels) >= 0.92
    assert on_pixels.score(test, test_labels) <= 0.82
