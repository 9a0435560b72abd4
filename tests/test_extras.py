"""What works without the packages that only some people need, and the messages that name the extra."""

import subprocess
import sys

import pytest

CLI = "from weightfill_command import main; sys.argv = ['weightfill', *{}.split()]; main()"


def run(code, *missing, folder=None):
    """Run code in a Python that lacks some packages."""
    lacking = "".join(f"sys.modules[{name!r}] = None; " for name in missing)
    program = f"import sys; {lacking}import numpy as np, weightfill as wf; {code}"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)


def last_line(done):
    return (done.stdout + done.stderr).strip().splitlines()[-1]


NEEDING_SCIPY = {
    "wf.create((4, 4), wf.Orthogonal(), seed=1)": "an orthogonal matrix needs scipy: pip install 'weightfill[scipy]'",
    "wf.create((4, 4, 3), 'delta_orthogonal', seed=1)": (
        "an orthogonal matrix needs scipy: pip install 'weightfill[scipy]'"
    ),
    "wf.create_csr((4, 4), 'sparse', seed=1)": "create_csr needs scipy: pip install 'weightfill[scipy]'",
    "wf.signals": "weightfill.signals needs scipy: pip install 'weightfill[signals]'",
}


@pytest.mark.parametrize("code", NEEDING_SCIPY)
def test_what_needs_scipy_says_so_with_the_extra(code):
    done = run(code, "scipy")
    assert done.returncode == 1
    assert last_line(done).endswith(f"Error: {NEEDING_SCIPY[code]}")


def test_a_plan_that_needs_scipy_says_so_before_it_fills_anything():
    code = (
        "params = {name: np.full((2, 2), 7, 'f4') for name in 'ab'}\n"
        "try: wf.Plan({'a': wf.Ones(), 'b': wf.Orthogonal()}, seed=1).fill(params)\n"
        "except ImportError as error: print(error, *{float(x) for p in params.values() for x in p.flat})"
    )
    assert last_line(run(code, "scipy")) == "an orthogonal matrix needs scipy: pip install 'weightfill[scipy]' 7.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("table --rows 4 --dim 4 --init orthogonal --seed 1 --out t.npy", "an orthogonal matrix needs scipy: pip"),
        ("signals --layers 5x3 --init normal", "weightfill.signals needs scipy: pip install 'weightfill[signals]'"),
        ("symmetry", "weightfill.signals needs scipy: pip install 'weightfill[signals]'"),
    ],
)
def test_commands_that_need_scipy_say_so_in_one_line(arguments, message, tmp_path):
    done = run(CLI.format(repr(arguments)), "scipy", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"weightfill: {message}")
    assert not list(tmp_path.iterdir())


def test_the_command_works_without_scipy(tmp_path):
    arguments = "table --rows 100 --dim 8 --init normal --seed 1 --out t.npy"
    assert run(CLI.format(repr(arguments)), "scipy", folder=tmp_path).returncode == 0
    assert run(CLI.format(repr("verify t.npy --init normal --seed 1")), "scipy", folder=tmp_path).returncode == 0


def test_tensors_and_plans_in_memory_need_numpy_and_ml_dtypes_only():
    code = (
        "table = wf.create((30, 20), wf.TruncatedNormal(), seed=1, dtype='bfloat16')\n"
        "assert wf.verify(table, wf.TruncatedNormal(), seed=1)\n"
        "plan = wf.Plan({'*.bias': wf.Zeros(), '*': 'kaiming_normal'}, seed=1)\n"
        "plan.fill({'a.weight': np.empty((3, 2), 'f4'), 'a.bias': np.empty(3, 'f4')})\n"
        "print(plan.explain({'a.weight': (3, 2), 'a.bias': 3}))"
    )
    done = run(code, "scipy", "typer", "rich", "safetensors", "tomlkit")
    assert last_line(done).startswith("2 parameters"), done.stderr
