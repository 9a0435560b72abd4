import os

import pytest
from hypothesis import HealthCheck, settings

import weightfill as wf
from tests.bits import DTYPES
from tests.cli.small_model import write_inputs
from weightfill import _cli as cli
from weightfill import _core

# The same examples in every run, however long they take.
settings.register_profile(
    "reproducible", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("reproducible")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Has two processes share a run of all tests, as most of its time are starts of commands; -n says otherwise."""
    if hasattr(config, "workerinput"):  # one of these two
        return
    is_whole = config.args == config.getini("testpaths") and config.option.markexpr == "not slow"
    if is_whole and config.option.numprocesses is None and not config.option.collectonly:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # whose threads would wait for each other's
        config.option.numprocesses = 2


INITIALIZERS = [
    wf.Constant(0.375),
    wf.Uniform(-0.5, 1.5),
    wf.Normal(0.25, 2.0),
    wf.TruncatedNormal(std=2.0),
    wf.TruncatedNormal(mean=1.0, low=-0.5, high=4.0),
    wf.Laplace(-0.25, 1.5),
    wf.LogUniform(0.01, 4.0),
]


@pytest.fixture(params=DTYPES, ids=str, scope="module")
def dtype(request):
    return request.param


@pytest.fixture(params=INITIALIZERS, ids=str, scope="module")
def init(request):
    return request.param


@pytest.fixture
def each_isa():
    """Sets one instruction set of this CPU after the other, in `for isa in each_isa()`."""
    before = _core.active_isa()

    def each():
        for isa in _core.supported_isas():
            _core.set_active_isa(isa)
            yield isa

    yield each
    _core.set_active_isa(before)


@pytest.fixture(params=_core.supported_isas())
def isa(request, each_isa):
    """Runs the test on every instruction set of this CPU; its name."""
    _core.set_active_isa(request.param)
    return request.param


@pytest.fixture
def default_threads():
    yield
    wf.set_threads(None)


@pytest.fixture
def small_model(tmp_path):
    """Puts the plan and the manifest of a small model into the test's folder."""
    write_inputs(tmp_path)


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Runs the command in this process, in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = cli.run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
