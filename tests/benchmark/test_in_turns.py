"""Functions, commands and Pythons that take turns. What they measure is made up here, or not looked at."""

import re
import sys

import pytest

from weightfill import benchmark

PRINTS = ["-c", "print('warming up'); print({speed})"]


def command(speed):
    return [sys.executable, *(part.format(speed=speed) for part in PRINTS)]


def test_functions_take_turns_and_the_order_changes():
    calls = []
    result = benchmark.compare(lambda: calls.append("old"), lambda: calls.append("new"), pairs=3, seconds_a_pair=0.001)
    assert result.pairs == 3
    assert {"old", "new"} == set(calls)
    turns = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    assert len(turns) >= 2 * 3 * 4  # in each pair a first round, and at least 3
    assert result.old > 0 < result.new


def test_turns_end_after_their_budget_and_prepare_outside_of_the_time():
    done = []
    times = benchmark.take_turns(
        lambda: done.append("a"), lambda: done.append("b"), budget=0, at_least=2, before=lambda: done.append("-")
    )
    assert "".join(done) == "ab-a-b-a-b"
    assert [len(of_task) for of_task in times] == [2, 2]


def test_commands_are_compared_by_the_speed_that_they_print():
    result = benchmark.compare_commands(command(2.0), command(1.5), pairs=3, prints_speed=True)
    assert (result.old, result.new, result.change, result.verdict) == (2.0, 1.5, pytest.approx(0.75), "fell")


def test_commands_are_compared_by_their_time():
    result = benchmark.compare_commands(command(1), command(1), pairs=3)
    assert result.pairs == 3
    assert result.old > 0 < result.new


def test_a_command_that_fails_is_shown():
    failing = [sys.executable, "-c", "print('begun'); raise SystemExit('out of paper')"]
    with pytest.raises(RuntimeError, match=r"(?s)^command must succeed, got exit code 1 of \[.*begun\nout of paper$"):
        benchmark.compare_commands(command(1), failing, pairs=3)


@pytest.mark.parametrize("printed", ["fast", "0", "nan", "-1"])
def test_a_command_that_prints_no_speed_is_named(printed):
    wrong = [sys.executable, "-c", f"print({printed!r})"]
    message = f"command must print its speed, a positive number, in its last line, got {printed!r} of "
    with pytest.raises(RuntimeError, match=re.escape(message)):
        benchmark.compare_commands(wrong, wrong, pairs=3, prints_speed=True)


@pytest.fixture
def script(tmp_path):
    """Writes a script of tasks; returns its path."""

    def write(text):
        path = tmp_path / "speed.py"
        path.write_text(text)
        return path

    return write


def test_pythons_do_the_tasks_of_a_script_as_python_runs_it(script, tmp_path):
    (tmp_path / "beside.py").write_text("NAME = 'prints'")
    path = script(
        "import sys, beside\n"
        "assert sys.argv == [__file__]\n"
        "tasks = {beside.NAME: lambda: print('what a task prints is no answer'), 'sorts': lambda: sorted(range(1000))}"
    )
    results = benchmark.compare_pythons(sys.executable, sys.executable, path, pairs=3, seconds_a_task=0.001)
    assert list(results) == ["prints", "sorts"]
    assert all(result.pairs == 3 for result in results.values())


def test_tasks_can_be_chosen(script):
    path = script("tasks = {'a': int, 'b': int}")
    chosen = {"tasks": ["b"], "pairs": 3, "seconds_a_task": 0.001}
    assert list(benchmark.compare_pythons(sys.executable, sys.executable, path, **chosen)) == ["b"]
    with pytest.raises(ValueError, match=r"^tasks must be of those that both Pythons have, 'a', 'b', got 'c'$"):
        benchmark.compare_pythons(sys.executable, sys.executable, path, tasks=["c"], pairs=3)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("raise OSError('no such table')", "OSError: no such table"),
        ("tasks = {'a': lambda: 1 / 0}", "ZeroDivisionError: division by zero"),
        ("tasks = []", "the script must set tasks, a dict of functions without arguments, got []"),
        ("import os; tasks = {'a': lambda: os._exit(1)}", "got exit code 1:"),
    ],
)
def test_a_script_that_fails_is_shown(script, text, end):
    with pytest.raises(RuntimeError) as caught:
        benchmark.compare_pythons(sys.executable, sys.executable, script(text), pairs=3, seconds_a_task=0.001)
    assert str(caught.value).startswith(f"script must run in {sys.executable}, got exit code 1:")
    assert str(caught.value).strip().endswith(end)


@pytest.mark.parametrize(
    "compare",
    [
        lambda pairs: benchmark.compare(int, int, pairs=pairs),
        lambda pairs: benchmark.compare_commands(["true"], ["true"], pairs=pairs),
        lambda pairs: benchmark.compare_pythons("a", "b", "c", pairs=pairs),
    ],
)
def test_pairs_are_checked(compare):
    with pytest.raises(ValueError, match=r"^pairs must be at least 3, got 2$"):
        compare(2)
    with pytest.raises(TypeError, match=r"^pairs must be an integer, got 2\.5$"):
        compare(2.5)
