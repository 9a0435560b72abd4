import json

import pytest

import weightfill as wf
from weightfill import signals


@pytest.fixture(scope="module")
def reports():
    inits = {"zeros": wf.Zeros(), "small": wf.Normal(std=0.01), "large": wf.Normal(std=9), "he": wf.KaimingNormal()}
    return {label: signals.propagation("100x31", "relu", init, samples=50, seed=1) for label, init in inits.items()}


def test_comparison_has_a_row_for_each_report(reports):
    lines = str(signals.compare(reports)).splitlines()
    assert lines[0].split() == ["init", "first", "middle", "last", "forward", "backward", "verdict"]
    assert [line.split()[0] for line in lines[1:]] == list(reports)
    for line, report in zip(lines[1:], reports.values(), strict=True):
        assert line.endswith(report.verdict)
        assert line.split()[1] == f"{report.layers[0].std:.4g}"


def test_signals_are_drawn_in_decades(reports):
    drawn = {row["init"]: (row["forward"], row["backward"]) for row in signals.compare(reports).rows()}
    assert drawn["zeros"] == ("." * 16, "." * 15 + "▅")
    assert drawn["small"][0].startswith("▄▁")
    assert drawn["small"][0].endswith(".....")
    assert drawn["large"][0].endswith("!!!!!")
    assert drawn["he"] == ("▅" * 16, "▅" * 16)


def test_comparison_in_json_and_html_has_all_reports(reports):
    found = signals.compare(reports)
    read = json.loads(found.to_json())
    assert list(read) == list(reports)
    assert read["he"]["verdict"] == reports["he"].verdict
    assert found._repr_html_().count("<tr>") == 5
    assert repr(found) == "<Comparison of zeros, small, large, he>"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, "reports must have at least one report, got none"),
        ([1], TypeError, r"reports must be a mapping from labels to reports, got \[1\]"),
        ({1: 2}, TypeError, r"reports must be a mapping from labels to reports, got \{1: 2\}"),
        ({"a": wf.Zeros()}, TypeError, r"reports\['a'\] must be a Report, got Zeros\(\); propagation\(...\) makes one"),
    ],
)
def test_compare_refuses(given, error, message):
    with pytest.raises(error, match=message):
        signals.compare(given)
