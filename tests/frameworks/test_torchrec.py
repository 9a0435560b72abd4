"""TorchRec's tables in real processes that talk by gloo; torchrec_ranks.py has what they do."""

import json
from importlib.util import find_spec

import pytest

from tests.frameworks.rank_processes import failures_of, run_groups

if find_spec("torchrec") is None:
    pytest.skip("torchrec is not installed", allow_module_level=True)

CHECKS = [
    "the_names_are_those_of_the_model_before_it_is_sharded",
    "every_rank_gets_its_parts_of_the_whole_tables_by_a_plan_after_sharding",
    "tables_of_16_bits_are_filled",
    "one_table_is_filled_after_sharding",
    "a_forward_pass_sees_the_rows_of_the_whole_tables",
    "a_model_is_recorded_before_it_is_sharded",
    "init_fn_fills_whole_tables_while_they_are_sharded",
    "init_fn_refuses_parts_of_tables_and_says_what_to_do",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run all groups, and return the folder of what came of them."""
    folder = tmp_path_factory.mktemp("groups")
    run_groups("tests.frameworks.torchrec_ranks", folder)
    return folder


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("name", CHECKS)
def test_every_rank_finds_it_so(folder, name, world):
    failures = failures_of(folder, world, name)
    assert not failures, "\n".join(failures)


def test_every_check_stands_here(folder):
    assert json.loads((folder / "1" / "0.json").read_text())["done"] == CHECKS
