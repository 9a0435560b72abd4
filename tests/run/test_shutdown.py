"""The end of the interpreter while daemon threads work, and interpreters beside the first."""

import subprocess
import sys

import pytest

DAEMONS = """
import threading, time
import numpy as np, weightfill as wf
out = np.ones((2**11, 2**11), np.float32)
half = out.astype(np.float16)
law = wf.Normal()
plan = wf.Plan({"*": law}, seed=1)
started = threading.Semaphore(0)
def work():
    started.release()
    while True:
        CALL
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
for _ in range(3):
    started.acquire()
time.sleep(0.02)
"""


@pytest.mark.parametrize(
    "call",
    [
        "wf.fill(out, law, seed=1, threads=2)",
        "wf.fill(out, wf.TruncatedNormal(), seed=1, threads=1, progress=lambda *_: sum(range(10**4)))",
        "wf.fill(out[0], law, seed=1)",
        "wf.verify(out, law, seed=1, threads=2)",
        "plan.fill({'a': out}, threads=2)",
        "wf._core.summarize(half, 2, 2, None)",
        "wf._core.summarize(out.astype(np.float16), 2, 2, None)",
        "wf._core.words(1, 2, 3, 10**6)",
    ],
)
def test_daemon_threads_that_work_do_not_disturb_the_end_of_the_process(call):
    program = [sys.executable, "-c", DAEMONS.replace("CALL", call)]
    processes = [subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == 3 * [(b"", 0)]


FIRST_ARRAY = """
import sys
import numpy as np, weightfill as wf
half = np.ones(4, np.float16)
seen = []
sys.setprofile(lambda frame, event, of: seen.append((event, getattr(of, '__name__', frame.f_code.co_name))))
wf._core.summarize(half, 2, 1, None)
sys.setprofile(None)
print(seen)
"""


def test_the_first_array_runs_no_python_code_in_which_a_daemon_thread_could_end():
    process = subprocess.run([sys.executable, "-c", FIRST_ARRAY], capture_output=True, text=True, check=True)
    of_core = [("c_call", "summarize"), ("c_return", "summarize"), ("c_call", "setprofile")]
    assert process.stdout == f"{of_core}\n"


SUBINTERPRETER = """
import importlib, sys
before = sys.argv[1:]
for name in before:
    importlib.import_module(name)
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = '''
try:
    import weightfill
except ImportError as error:
    print(error, flush=True)
'''
for _ in range(2):
    interpreters.run_string(interpreters.create(), code)
import weightfill, numpy
print(weightfill.create(2, weightfill.Ones()), flush=True)
"""


@pytest.mark.parametrize("before", [[], ["weightfill"]])
def test_a_subinterpreter_gets_an_import_error(before):
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SUBINTERPRETER, *before], capture_output=True, text=True, timeout=60
    )
    words = "weightfill must be imported in the main interpreter of a process, got a subinterpreter; "
    assert process.stdout == 2 * f"{words}use processes or threads\n" + "[1. 1.]\n", process.stderr
