"""DTensors and modules in real processes that talk by gloo; the folder `ranks` has what they do."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.frameworks.rank_processes import failures_of, run_groups  # noqa: E402
from tests.frameworks.ranks import groups  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run all groups, and return the folder of what came of them."""
    folder = tmp_path_factory.mktemp("groups")
    run_groups(groups.__name__, folder)
    return folder


@pytest.mark.parametrize(
    ("world", "name"), [(world, name) for world in groups.WORLDS for name in groups.checks_of(world)]
)
def test_every_rank_of_a_group_finds_it_so(folder, world, name):
    failures = failures_of(folder, world, name)
    assert not failures, "\n".join(failures)
