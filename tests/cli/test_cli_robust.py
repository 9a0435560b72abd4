"""The command line where streams are closed or full, names are hostile and files are not what they should be."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save_file

import weightfill as wf
from tests.cli.command_line import command_line
from tests.cli.small_model import MODEL, outputs, write_inputs
from weightfill._cli import plans
from weightfill._cli.commands import info

NAME = "fc\n\x1b[31m.weight"
ESCAPED = r"fc\n\x1b[31m.weight"
ZEROS = '[[rule]]\nmatch = "*"\ninit = "Zeros"\n'

pytestmark = pytest.mark.usefixtures("small_model")


def redirected(redirection, *arguments, folder=None, **environment):
    """Runs the command under a shell's redirection; returns the finished process."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command_line(*arguments)],
        capture_output=True,
        cwd=folder,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_matter(tmp_path, redirection):
    write_inputs(tmp_path)
    (tmp_path / "t.npy").write_bytes(b"")
    right = (["--version"], ["--help"], [*MODEL, "--force"], ["explain", *MODEL[1:4]])
    with ThreadPoolExecutor(len(right) + 1) as pool:  # starting the command takes most of the time
        *all_finished, finished = pool.map(
            lambda arguments: redirected(redirection, *arguments, folder=tmp_path), [*right, ["inspect", "t.npy"]]
        )
    assert [(ended.returncode, ended.stderr) for ended in all_finished] == [(0, b"")] * len(right)
    assert finished.returncode == 2
    assert b"Traceback" not in finished.stderr
    assert (tmp_path / "t.npy").read_bytes() == b""


def test_error_that_cannot_be_printed_keeps_its_exit_code():
    reader, writer = os.pipe()
    os.close(reader)
    assert subprocess.run(command_line("nosuch"), stderr=writer).returncode == 2
    os.close(writer)
    if os.path.exists("/dev/full"):  # Linux
        for redirection in ("2>/dev/full", ">/dev/full 2>/dev/full"):
            assert redirected(redirection, "nosuch").returncode == 2


def test_lack_of_memory_is_one_line(command, monkeypatch):
    def fail(threads):
        raise MemoryError("Unable to allocate 8 EiB")

    monkeypatch.setattr(info, "_ceiling", fail)
    assert command("info") == (2, "", "weightfill: not enough memory: Unable to allocate 8 EiB\n")


def test_plan_and_manifest_must_be_regular_files(command, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in ("/dev/zero", "fifo"):
        for arguments, what in (
            (["explain", path, "--shapes", "manifest.json"], "plan must be a TOML document"),
            (["explain", "plan.toml", "--shapes", path], "shapes must be a manifest in JSON"),
        ):
            code, out, err = command(*arguments)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert err.startswith(f"weightfill: {what}, a regular file of at most ")
            assert err.endswith(f" bytes, got {path}, which is not a regular file\n")


def test_plan_and_manifest_must_not_be_huge(command, monkeypatch, tmp_path):
    with open(tmp_path / "plan.toml", "ab") as plan:
        plan.truncate(plans._MOST_PLAN_BYTES + 1)
    code, _, err = command(*MODEL)
    assert code == 2
    assert err == (
        "weightfill: plan must be a TOML document, a regular file of at most 16,777,216 bytes, "
        "got plan.toml, which is larger\n"
    )
    write_inputs(tmp_path)
    monkeypatch.setattr("weightfill._models.manifest_json._MOST_BYTES", 10)
    assert command(*MODEL)[2].endswith("a regular file of at most 10 bytes, got manifest.json, which is larger\n")


def test_plan_that_is_a_checkpoint_is_named(command):
    save_file({"a": np.full(4, np.nan, np.float32)}, "x.safetensors")
    code, _, err = command("verify", "x.safetensors", "--plan", "x.safetensors")
    assert code == 2
    assert err.startswith("weightfill: plan must be a TOML document in UTF-8, got x.safetensors: ")


@pytest.mark.parametrize("dtype", ["\ud800", "(9223372036854775807,9)f4", "(", "f4,", {"names": []}])
def test_wrong_dtype_in_a_manifest_names_the_parameter(command, tmp_path, dtype):
    (tmp_path / "manifest.json").write_text(json.dumps({"fc.weight": {"shape": [2], "dtype": dtype}}))
    code, _, err = command(*MODEL)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("weightfill: manifest.json['fc.weight']: dtype must be one of float32, ")


def test_names_beyond_the_terminal_encoding_are_escaped(tmp_path):
    (tmp_path / "plan.toml").write_text(ZEROS)
    (tmp_path / "manifest.json").write_text(json.dumps({"schicht-ä": [2]}))
    save_file({"schicht-ä": np.ones(2, np.float32)}, tmp_path / "x.safetensors")
    for code, *arguments in (
        (0, "explain", "plan.toml", "--shapes", "manifest.json"),
        (0, "inspect", "x.safetensors"),
        (1, "verify", "x.safetensors", "--plan", "plan.toml"),
    ):
        finished = redirected("", *arguments, folder=tmp_path, PYTHONIOENCODING="ascii")
        assert (finished.returncode, finished.stderr) == (code, b"")
        assert rb"schicht-\xe4" in finished.stdout


def test_control_characters_in_names_reach_json_only(command, tmp_path):
    (tmp_path / "plan.toml").write_text(ZEROS)
    save_file({NAME: np.ones(2, np.float32)}, "x.safetensors")
    for arguments in (
        ["explain", "plan.toml", "--shapes", "x.safetensors"],
        ["inspect", "x.safetensors"],
        ["verify", "x.safetensors", "--plan", "plan.toml"],
    ):
        out = command(*arguments)[1]
        assert ESCAPED in out
        assert "\x1b" not in out
        assert json.dumps(NAME) in command(*arguments, "--json")[1]


def test_control_characters_in_errors_are_escaped(command):
    code, _, err = command("inspect", "\x1b[31mnone.npy")
    assert (code, err) == (2, "weightfill: \\x1b[31mnone.npy: No such file or directory\n")


def test_picture_never_replaces_what_is_inspected(command, tmp_path):
    plan = wf.Plan({"*": wf.Zeros()})
    *_, index = plan.write("m.safetensors", {"a": 100, "b": 100}, shard_bytes=400)
    shards = sorted(path.name for path in tmp_path.glob("m-*.safetensors"))
    assert len(shards) == 2
    os.symlink(shards[1], "link.png")
    os.symlink(shards[0], "first.png")
    os.symlink("m.safetensors.index.json", "index.png")
    index = "m.safetensors.index.json"
    for file, png in ((shards[0], "first.png"), (index, "index.png"), (index, "first.png"), (index, "link.png")):
        before = (tmp_path / png).read_bytes()
        for force in ([], ["--force"]):
            assert command("inspect", file, "--png", png, *force) == (
                2,
                "",
                f"weightfill: --png must name another file than those inspected, got {png}\n",
            )
        assert (tmp_path / png).read_bytes() == before


def test_picture_must_have_a_name(command):
    np.save("t.npy", np.ones(3, np.float32))
    for png, rule in (("", "name a file"), ("t.jpg", "end in .png"), ("t.npy", "end in .png"), ("-", "end in .png")):
        code, _, err = command("inspect", "t.npy", "--png", png, "--force")
        assert code == 2
        assert err.startswith(f"weightfill: --png must {rule}, got {png!r}")
    assert np.load("t.npy").sum() == 3


def test_what_is_no_regular_file_is_not_replaced_even_if_forced(command, tmp_path):
    os.symlink("nowhere", "link.safetensors")
    os.mkfifo("fifo.npy")
    os.symlink("/dev/null", "null.npy")
    table = ["table", "--rows", "2", "--dim", "2", "--init", "zeros", "--out"]
    for arguments in ([*table, "fifo.npy"], [*table, "null.npy"], [*MODEL[:-1], "link.safetensors"]):
        assert command(*arguments) == (2, "", f"weightfill: {arguments[-1]} exists; --force replaces a file\n")
        assert command(*arguments, "--force") == (2, "", f"weightfill: {arguments[-1]} is not a regular file\n")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("option", [["--out", "\x1b[31mt.npy"]])
def test_control_characters_in_file_names_are_escaped(command, option):
    table = ["table", "--rows", "2", "--dim", "2", "--init", "zeros", "--dtype", "bf16", *option]
    assert command(*table)[1].startswith("\\x1b[31mt.npy: 2 x 2")
    assert command(*table)[2] == "weightfill: \\x1b[31mt.npy exists; --force replaces a file\n"
    os.rename("plan.toml", "\x1bplan.toml")
    os.rename("manifest.json", "\x1bmanifest.json")
    model = ["model", "\x1bplan.toml", "--shapes", "\x1bmanifest.json", "--out", "\x1bm.safetensors"]
    for arguments in (
        ["table", *table[1:], "--force"],
        ["verify", option[1], "--init", "zeros"],
        ["verify", option[1], "--init", "ones"],
        ["verify", option[1], "--init", "ones", "--rows", "1"],
        ["inspect", option[1]],
        ["inspect", option[1], "--match", "\x1b"],
        model,
        [*model, "--force", "--shard-size", "4KB"],
        ["verify", "\x1bm.safetensors", "--plan", "\x1bplan.toml"],
        ["verify", "\x1bm.safetensors.index.json", "--plan", "\x1bplan.toml", "--seed", "1"],
        ["inspect", "\x1bm.safetensors.index.json"],
        ["explain", "\x1bplan.toml", "--shapes", "\x1bnone.json"],
        ["table", *table[1:], "--dtype", "\x1b"],
        ["table", *table[1:], "--init", "\x1b"],
        ["table", *table[1:], "--\x1b"],
        ["\x1b"],
    ):
        _, out, err = command(*arguments)
        assert "\x1b" not in out + err


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
START = "from weightfill_command import main; main()"
HEARD = "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may ignore it
WHILE_IMPORTING = """
import sys
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "weightfill":
            print("now", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
"""
WHILE_LEAVING = """
import atexit
def slow():
    print("now", flush=True)
    time.sleep(60)
atexit.register(slow)
"""
WHILE_CLEANING_UP = """
import sys
from weightfill._cli.commands import table
def fail(*arguments):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        print("now", flush=True)
        sys.stdin.read()
table.write_tensors = fail
"""


@pytest.mark.parametrize(
    ("moment", "code", "message"),
    [
        (WHILE_IMPORTING, -signal.SIGINT, ""),
        (WHILE_LEAVING, -signal.SIGINT, ""),
        (WHILE_CLEANING_UP, 130, "weightfill: interrupted\n"),
    ],
    ids=["importing", "leaving", "cleaning up"],
)
def test_ctrl_c_never_shows_a_traceback(tmp_path, moment, code, message):
    arguments = ["table", "--rows", "9", "--dim", "2", "--init", "zeros", "--out", "t.npy"]
    program = [sys.executable, "-c", HEARD + moment + START, *arguments]
    with subprocess.Popen(program, cwd=tmp_path, **PIPES, text=True) as process:
        while process.stdout.readline() != "now\n":
            pass
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        assert process.stderr.read() == message
    assert process.returncode == code
    assert outputs(tmp_path) == (["t.npy"] if moment is WHILE_LEAVING else [])


def test_third_ctrl_c_ends_at_once(tmp_path):
    arguments = ["table", "--rows", "9", "--dim", "2", "--init", "zeros", "--out", "t.npy"]
    program = [sys.executable, "-c", HEARD + WHILE_CLEANING_UP + START, *arguments]
    with subprocess.Popen(program, cwd=tmp_path, **PIPES, text=True) as process:
        assert process.stdout.readline() == "now\n"
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGINT
