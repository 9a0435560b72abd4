import json

import pytest

from weightfill import signals

SHORT = ["symmetry", "--steps", "2", "--hidden", "4"]


def test_symmetry_prints_what_the_function_finds(command):
    code, out, err = command(*SHORT, "--activation", "relu", "--rate", "0.1", "--batch", "9", "--seed", "3")
    expected = signals.symmetry(hidden=4, activation="relu", steps=2, rate=0.1, batch=9, seed=3)
    assert (code, out, err) == (0, f"{expected}\n", "")


def test_symmetry_as_json(command):
    code, out, _ = command(*SHORT, "--json")
    assert code == 0
    assert json.loads(out) == json.loads(signals.symmetry(hidden=4, steps=2).to_json())


def test_symmetry_draws_a_picture(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(*SHORT, "--png", "s.png")[1].endswith("s.png: 8 initializations\n")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert command(*SHORT, "--png", "s.png") == (2, "", "weightfill: s.png exists; --force replaces a file\n")
    assert command(*SHORT, "--png", "s.png", "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden", "0"], "--hidden must be at least 1, got '64,0,10'; a layer without units passes nothing on"),
        (["--rate", "-1"], "--rate must be finite and greater than 0, got -1.0"),
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--batch", "0"], "--batch must be at least 1, got 0"),
        (["--png", "s.svg"], "--png must end in .png, got 's.svg'"),
        (["--png", "nowhere/s.png"], "nowhere/s.png: No such file or directory"),
    ],
)
def test_symmetry_refuses(command, arguments, message):
    assert command(*SHORT, *arguments) == (2, "", f"weightfill: {message}\n")
