"""What any wheel must do on the machine that installs it: needs pytest and nothing of the repository.

cp tests/test_minimal.py /tmp && cd /tmp && python -m pytest test_minimal.py
"""

import hashlib
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import weightfill as wf

HOW = {"seed": 42, "stream": "item_table"}
LAWS = [wf.Constant(0.375), wf.Uniform(-0.5, 1.5), wf.Normal(0.25, 2.0), wf.TruncatedNormal(std=0.02)]
DTYPES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
# Of 1000 elements of each law in each dtype, as version 1 of the stream has them on every machine.
DIGESTS = [
    "6b8d9e5dcf26a595 3befcf592df8d12c 6375aff2f501d847 633e9ca79b0cde29 50e12c34260c5035 0529df055085bd5a",
    "284a017e8bee0c68 7024650442ccee0a 4ae1bca32d88956a 626dfc5dd39d1510 ff932a2a96ba553b 8758d178b2d5dc28",
    "c348b4cadc3f3600 687a78420793578d 5c05cb41105c9356 58f75862406c006f 582fc76a8805a82b 41dc2d01cbf99f9e",
    "8377e2f2c31c280e 78cccc879d69a29c 9a50c2c44a1da72d 970818fa78ea17d7 7c4c2c8931dbc74c bf0c70dd5d0e5530",
]


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def test_values_are_those_of_the_stream():
    for init, digests in zip(LAWS, DIGESTS, strict=True):
        assert " ".join(digest(wf.create(1000, init, dtype=dtype, **HOW)) for dtype in DTYPES) == digests, init


@pytest.mark.parametrize("init", LAWS, ids=str)
def test_parts_are_those_of_the_whole_for_any_number_of_threads(init):
    whole = wf.create((300, 70), init, threads=1, **HOW)
    part = wf.fill(np.empty((120, 33), np.float32), init, shape=(300, 70), start=(101, 5), threads=3, **HOW)
    np.testing.assert_array_equal(part, whole[101:221, 5:38])
    rows = wf.fill_rows(np.empty((3, 70), np.float32), init, [299, 0, 7], shape=(300, 70), **HOW)
    np.testing.assert_array_equal(rows, whole[[299, 0, 7]])


def test_verify_finds_a_flipped_bit():
    table = wf.create((300, 70), wf.Normal(), **HOW)
    assert wf.verify(table, wf.Normal(), **HOW)
    table.view(np.uint32)[123, 45] ^= 1
    assert wf.verify(table, wf.Normal(), **HOW).index == (123, 45)


def test_orthogonal_matrices_are_orthonormal_and_need_scipy():
    if find_spec("scipy") is None:
        with pytest.raises(ImportError, match=r"^an orthogonal matrix needs scipy: pip install 'weightfill\[scipy\]'$"):
            wf.create((40, 60), wf.Orthogonal(), **HOW)
        return
    matrix = wf.create((40, 60), wf.Orthogonal(), dtype="float64", **HOW)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(40), atol=1e-12)


def test_numpy_draws_from_the_bit_generator():
    values = np.random.Generator(wf.PhiloxBitGenerator(42, "item_table")).normal(size=10_000)
    assert abs(values.mean()) < 0.05
    assert abs(values.std() - 1) < 0.05


def test_a_wrong_argument_is_named():
    with pytest.raises(ValueError, match=r"^std must be at least 0, got -1\.0"):
        wf.Normal(std=-1.0)


def test_a_plan_writes_a_checkpoint_that_holds_its_values(tmp_path):
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=42)
    plan.write(tmp_path / "m.safetensors", {"fc.weight": (64, 32), "fc.bias": (64,)})
    assert wf.verify_checkpoint(tmp_path / "m.safetensors", plan)


def test_the_command_writes_a_table_and_verifies_it(tmp_path):
    law = ["--init", "normal", "--std", "0.02", "--seed", "42", "--stream", "item_table"]
    for arguments in (["table", "--rows", "100", "--dim", "8", "--out", "t.npy"], ["verify", "t.npy"], ["info"]):
        options = [] if arguments == ["info"] else law
        program = [sys.executable, "-c", "from weightfill_command import main; main()", *arguments, *options]
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), wf.create((100, 8), wf.Normal(std=0.02), **HOW))
