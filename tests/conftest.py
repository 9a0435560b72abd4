import pytest
from bits import DTYPES
from hypothesis import HealthCheck, settings

import weightfill as wf

# The same examples in every run, however long they take.
settings.register_profile(
    "reproducible", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("reproducible")

INITIALIZERS = [
    wf.Constant(0.375),
    wf.Uniform(-0.5, 1.5),
    wf.Normal(0.25, 2.0),
    wf.TruncatedNormal(std=2.0),
    wf.TruncatedNormal(mean=1.0, low=-0.5, high=4.0),
]


@pytest.fixture(params=DTYPES, ids=str, scope="module")
def dtype(request):
    return request.param


@pytest.fixture(params=INITIALIZERS, ids=str, scope="module")
def init(request):
    return request.param


@pytest.fixture
def default_threads():
    yield
    wf.set_threads(None)
