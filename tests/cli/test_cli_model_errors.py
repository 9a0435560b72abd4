"""Bad input of the commands on whole models: one line, exit code 2, nothing written."""

import re
import subprocess

import numpy as np
import pytest

from tests.cli.command_line import command_line
from tests.cli.small_model import MODEL, PLAN, outputs, write_inputs

pytestmark = pytest.mark.usefixtures("small_model")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("seed = ", "plan.toml: plan must be a TOML document"),
        ("sed = 1", "plan.toml: key of a plan must be one of 'seed', 'rule', got 'sed'; did you mean 'seed'?"),
        (PLAN.replace("Kaiming", "Kaming"), "did you mean KaimingNormal?"),
        (PLAN + 'gian = "relu"\n', "rule 2 (*): KaimingNormal must be given only gain, mode, "),
        (PLAN + 'gian = "relu"\n', "got gian; did you mean gain?"),
        (PLAN + "gain = -1.0\n", "plan.toml: rule 2 (*): gain must be greater than 0"),
        (PLAN.replace("42", "-1"), "plan.toml: plan: seed must be"),
        (PLAN.replace("42", "18446744073709551616"), "plan.toml: plan: seed must be"),
        (PLAN.replace('"*"', '"*.weights"'), "'fc.weight'"),
        (PLAN + '[[rule]]\nmatch = "conv*"\ninit = "Ones"\n', "'conv*'"),
        (PLAN + '[[rule]]\nmatch = "*"\ninit = "Ones"\n', "rules must have every pattern once, got '*' twice"),
        ("seed = 42", "rules must have at least one rule"),
        ("seed = 42\nseed = 43", "plan.toml: plan must be a TOML document"),
        ("\x00", "plan.toml: plan must be a TOML document"),
    ],
)
def test_bad_plan_is_one_line_and_writes_nothing(command, tmp_path, plan, message):
    write_inputs(tmp_path, plan)
    for arguments in (MODEL, ["explain", *MODEL[1:4]]):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert re.fullmatch(r"weightfill: [^\n]+\n", err)
    assert outputs(tmp_path) == []


def test_only_explain_needs_no_seed(command, tmp_path):
    write_inputs(tmp_path, PLAN.replace("seed = 42", ""))
    code, out, err = command(*MODEL)
    assert (code, out) == (2, "")
    assert err.startswith("weightfill: plan.toml: plan: seed must be given for ")
    assert command("explain", *MODEL[1:4])[0] == 0
    assert outputs(tmp_path) == []


def test_plan_that_is_not_text_is_one_line(command, tmp_path):
    (tmp_path / "plan.toml").write_bytes(b"seed = 42 # \xff")
    code, out, err = command(*MODEL)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"weightfill: plan must be a TOML document in UTF-8, got plan\.toml: [^\n]+\n", err)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "manifest.json"),
        ("[]", "manifest.json"),
        ("\x00", "manifest.json"),
        ('{"a": [1], "a": [2]}', "'a' occurs twice"),
        ('{"a": [-1]}', "'a'"),
        ('{"a": [1.5]}', "'a'"),
        ('{"a": [true]}', "'a'"),
        ('{"a": "1"}', "'a'"),
        ('{"a": null}', "'a'"),
        ('{"a": [9223372036854775807, 9223372036854775807]}', "'a'"),
        ('{"a": [4611686018427387904]}', "'a'"),
        ('{"a": {"shape": [2], "dtype": "int8"}}', "'a'"),
        ('{"a": {"shape": [2], "dtype": 8}}', "'a'"),
        ('{"a": {"sahpe": [2]}}', "'a'"),
        ('{"a": {"shape": [2, 2], "type": "float32"}}', "'type'"),
        ('{"__metadata__": [2, 2]}', "__metadata__"),
    ],
)
def test_bad_manifest_is_one_line_and_writes_nothing(command, tmp_path, manifest, message):
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "Ones"\n')
    (tmp_path / "manifest.json").write_text(manifest)
    for arguments in (MODEL, ["explain", *MODEL[1:4]]):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert re.fullmatch(r"weightfill: [^\n]+\n", err)
    assert outputs(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shard-size", "0"], "shard"),
        (["--shard-size", "-5GB"], "shard"),
        (["--shard-size", "5 parts"], "--shard-size must be whole bytes such as 5GB, 0.5GB or 512MiB, got '5 parts'"),
        (["--shard-size", "0.5B"], "--shard-size must be whole bytes such as 5GB, 0.5GB or 512MiB, got '0.5B'"),
        (["--shard-size", "5"], "--shard-size must have a unit below 1 MB, got '5'; write 5GB, or 5B for bytes"),
        (["--threads", "0"], "threads must be"),
        (["--seed", "-1"], "--seed must be a whole number from 0 to 2^64 - 1, got '-1'"),
        (["--dtype", "int8"], "--dtype must be one of float32, "),
        (["--out", "m.bin"], "--out must end in .safetensors, got 'm.bin'"),
        (["--out", ""], "--out must name a file, got ''"),
        (["--shapes", ""], "--shapes must name a file, got ''"),
        (["--shapes", "plan.toml"], "--shapes must be a manifest or a checkpoint, got plan.toml; are the plan and"),
        (["--out", "none/m.safetensors"], "none/m.safetensors: No such file or directory"),
        (["--out", "plan.toml/m.safetensors"], "plan.toml/m.safetensors: Not a directory"),
        (["--shapes", "none.json"], "none.json: No such file or directory"),
        (["--shapes", "none.safetensors"], "none.safetensors: No such file or directory"),
        (["--shapes", "."], "which is not a regular file"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(command, tmp_path, arguments, message):
    code, out, err = command(*MODEL, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert re.fullmatch(r"weightfill: [^\n]+\n", err)
    assert outputs(tmp_path) == []


def test_missing_arguments_are_one_line(command):
    for arguments in (["model"], ["model", "plan.toml"], MODEL[:4], ["explain"], ["explain", "plan.toml"]):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert re.fullmatch(r"weightfill: weightfill (model|explain) needs [^\n]+\. Try 'weightfill \1 --help'\n", err)
    assert command("model", "none.toml", *MODEL[2:]) == (2, "", "weightfill: none.toml: No such file or directory\n")


def test_plan_and_shapes_that_are_swapped_are_said_to_be(command):
    code, _, err = command("explain", "manifest.json", "--shapes", "plan.toml")
    assert code == 2
    assert err.endswith("; it looks like JSON: are the plan and --shapes swapped?\n")
    assert command("explain", "", "--shapes", "plan.toml")[2].startswith("weightfill: <plan.toml> must name a file")


def test_model_larger_than_the_disk_is_refused_at_once(command, tmp_path):
    write_inputs(tmp_path, shapes={"w": [1 << 30, 1 << 20]})
    code, _, err = command(*MODEL)
    assert code == 2
    assert re.fullmatch(r"weightfill: m\.safetensors needs 4\.5 PB, [0-9.]+ [kMGT]B are free\n", err)
    assert outputs(tmp_path) == []


def test_checkpoint_needs_a_plan(command):
    command(*MODEL)
    for file in ("m.safetensors", "m.safetensors.index.json"):
        message = f"--plan must be given for a checkpoint, got {file} without; --init is for a .npy file"
        assert command("verify", file, "--init", "normal", "--seed", "1") == (2, "", f"weightfill: {message}\n")
        assert command("verify", file) == (2, "", f"weightfill: {message}\n")


def test_law_that_does_not_fit_the_dtype_writes_nothing(command, tmp_path):
    write_inputs(tmp_path, 'seed = 1\n[[rule]]\nmatch = "*"\ninit = "Normal"\nstd = 20000\n')
    code, _, err = command(*MODEL, "--dtype", "float16")
    assert code == 2
    assert "fc.weight" in err
    assert outputs(tmp_path) == []


# Root may write anywhere: as nobody it may not, nor import what it has not imported by writing once before.
AS_NOBODY = """
import os
import sys
from weightfill import _cli as cli
cli.run([*sys.argv[1:], "--out", "before.safetensors"])
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""


def test_folder_that_cannot_be_written_is_one_line(tmp_path):
    write_inputs(tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "folder").mkdir(mode=0o555)
    arguments = [*MODEL, "--out", "folder/m.safetensors"]
    program = command_line(*arguments, before=AS_NOBODY)
    finished = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.stderr == "weightfill: folder/m.safetensors: Permission denied\n"
    assert finished.returncode == 2
    assert outputs(tmp_path) == ["before.safetensors", "folder"]
    assert outputs(tmp_path / "folder") == []


def test_init_and_plan_exclude_each_other(command):
    command(*MODEL)
    np.save("t.npy", np.zeros((3, 2), np.float32))
    assert command("verify", "t.npy") == (
        2,
        "",
        "weightfill: --init must be given for a .npy file, or --plan for a checkpoint\n",
    )
    assert command("verify", "t.npy", "--init", "zeros", "--shapes", "manifest.json") == (
        2,
        "",
        "weightfill: --shapes must be left out without --plan, got manifest.json\n",
    )
    for option, value in (
        ("init", "zeros"),
        ("stream", "items"),
        ("dtype", "float16"),
        ("std", "0.5"),
        ("rows", "7"),
        ("start-row", "1"),
    ):
        code, out, err = command("verify", "m.safetensors", "--plan", "plan.toml", f"--{option}", value)
        assert (code, out) == (2, "")
        assert err == f"weightfill: --{option} must be left out with --plan, got {value}\n"


def test_damaged_checkpoint_is_one_line(command, tmp_path):
    command(*MODEL)
    whole = (tmp_path / "m.safetensors").read_bytes()
    for content in (b"", whole[:7], whole[:100], whole[:-1], whole + b"\0", b"\xff" * 8 + whole[8:], b"\0" * 99):
        (tmp_path / "m.safetensors").write_bytes(content)
        for arguments in (
            ["verify", "m.safetensors", "--plan", "plan.toml"],
            ["inspect", "m.safetensors"],
            ["explain", "plan.toml", "--shapes", "m.safetensors"],
            ["model", "plan.toml", "--shapes", "m.safetensors", "--out", "new.safetensors"],
        ):
            code, out, err = command(*arguments)
            assert (code, out) == (2, "")
            assert re.fullmatch(r"weightfill: file must be a whole safetensors file, got m\.safetensors: [^\n]+\n", err)
    np.save("t.npy", np.zeros(3))
    assert command("verify", "t.npy", "--plan", "plan.toml")[0] == 2
    assert outputs(tmp_path) == ["m.safetensors", "t.npy"]


def test_missing_shard_is_one_line(command, tmp_path):
    command(*MODEL, "--shard-size", "4KB")
    (tmp_path / "m-00002-of-00002.safetensors").unlink()
    for arguments in (
        ["verify", "m.safetensors.index.json", "--plan", "plan.toml"],
        ["inspect", "m.safetensors.index.json"],
    ):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert "m-00002-of-00002.safetensors" in err
        assert re.fullmatch(r"weightfill: [^\n]+\n", err)
