"""Many Python threads that use the package at once, with the GIL and in builds of Python without it."""

import hashlib
import pickle
import random
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import weightfill as wf

THREADS = 8
HOW = {"seed": 42, "stream": "item_table"}
SHAPE = (300, 70)
INITS = [
    wf.Uniform(-0.5, 1.5),
    wf.Normal(0.25, 2.0),
    wf.TruncatedNormal(std=0.02),
    wf.Laplace(-0.25, 1.5),
    wf.LogUniform(0.01, 4.0),
    wf.XavierNormal(),
    wf.Sparse(7, std=0.5),
    wf.Orthogonal(),
    wf.Sinusoid(),
]
SHAPES = {f"layer.{i}.{name}": shape for i in range(20) for name, shape in (("weight", (16, 24)), ("bias", (16,)))}
RULES = {"*.bias": wf.Zeros(), "layer.1?.*": wf.KaimingNormal(), "*": wf.Normal(std=0.02)}


@pytest.fixture(autouse=True)
def often_interrupted(default_threads):
    """Has threads take the GIL from each other as often as they can, where there is one."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def all_at_once(*works):
    """Run each of these in a thread of its own, all at the same moment; raise what one of them raised."""
    barrier, raised = threading.Barrier(len(works)), []

    def run(work):
        try:
            barrier.wait()
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def digest(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def model_by(plan):
    """Return the digest of a model that a plan has filled."""
    return digest(*plan.fill({name: np.empty(shape, np.float32) for name, shape in SHAPES.items()}, threads=2).values())


def test_all_verbs_give_the_values_of_one_thread():
    whole = {init: wf.create(SHAPE, init, **HOW) for init in INITS}
    plan = wf.Plan(RULES, seed=1)
    expected = model_by(plan)

    def work():
        chance = random.Random(threading.get_ident())
        for init in chance.sample(INITS, len(INITS)):
            out = np.empty(SHAPE, np.float32)
            wf.fill(out, init, threads=chance.choice((None, 1, 2, 3)), **HOW)
            np.testing.assert_array_equal(out, whole[init])
            part = wf.fill(np.empty((120, 33), np.float32), init, shape=SHAPE, start=(101, 5), threads=2, **HOW)
            np.testing.assert_array_equal(part, whole[init][101:221, 5:38])
            rows = wf.fill_rows(np.empty((3, 70), np.float32), init, [299, 0, 7], shape=SHAPE, threads=2, **HOW)
            np.testing.assert_array_equal(rows, whole[init][[299, 0, 7]])
            assert wf.verify(whole[init], init, **HOW)
            np.testing.assert_array_equal(wf.Tensor(SHAPE, init, **HOW)[17], whole[init][17])
        assert model_by(plan) == expected

    all_at_once(*[work] * THREADS)


def test_laws_and_streams_that_no_cache_can_hold_stay_themselves():
    """More than are kept, the same ones in all threads: each is made, thrown away and made again."""
    expected = {n: wf.create(3, wf.TruncatedNormal(std=1 + n), seed=1, stream=str(n)) for n in range(1500)}

    def work():
        for n in random.Random(threading.get_ident()).sample(sorted(expected), len(expected)):
            found = wf.create(3, wf.TruncatedNormal(std=1 + n), seed=1, stream=str(n))
            np.testing.assert_array_equal(found, expected[n])

    all_at_once(*[work] * 4)


def test_a_plan_may_be_used_first_by_many_threads():
    for seed in range(5):
        plan = wf.Plan(RULES, seed=seed)
        found = set()

        def work(plan=plan, found=found):
            found.add(model_by(plan))
            found.add(plan.to_toml())

        all_at_once(*[work] * THREADS)
        assert found == {model_by(wf.Plan(RULES, seed=seed)), plan.to_toml()}


def test_the_number_of_threads_is_always_one_that_somebody_set():
    default, done = wf.get_threads(), threading.Event()

    def set_it():
        for n in [3, None, 5, None] * 2000:
            wf.set_threads(n)
        done.set()

    def get_it():
        while not done.is_set():
            assert wf.get_threads() in (default, 3, 5)

    all_at_once(set_it, *[get_it] * 3)


def test_a_shared_generator_gives_each_word_once_whatever_is_asked_of_it_meanwhile():
    generator = wf.PhiloxBitGenerator(**HOW)
    expected = sorted(wf.PhiloxBitGenerator(**HOW).random_raw(4 * 6000).tolist())
    drawn, done = [], threading.Event()
    rng = np.random.Generator(generator)

    def draw():
        mine = []
        for n in range(1, 4):
            for _ in range(1000):
                mine.extend(
                    generator.random_raw(n).tolist() if n < 3 else rng.integers(2**64, size=n, dtype=np.uint64).tolist()
                )
        drawn.extend(mine)

    def ask():
        while not done.is_set():
            state = generator.state["state"]
            assert (state["seed"], state["stream"], generator.seed, generator.stream) == (42, "item_table") * 2
            assert pickle.loads(pickle.dumps(generator)).stream == "item_table"
            assert generator.jumped(3).state["state"]["jumps"] == 3
            assert generator.seed_seq.entropy == 42
            repr(generator)

    def draw_all():
        try:
            all_at_once(*[draw] * 4)
        finally:
            done.set()

    all_at_once(draw_all, ask, ask)
    assert sorted(drawn) == expected


def test_states_children_and_seed_sequences_change_in_one_piece():
    generator = wf.PhiloxBitGenerator(1, "a")
    states = [wf.PhiloxBitGenerator(seed, stream).state for seed, stream in ((1, "a"), (2, "b"))]
    children, done = [], threading.Event()

    def change():
        for _ in range(1000):
            for state in states:
                generator.state = state
        done.set()

    def ask():
        while not done.is_set():
            assert generator.state in states
            assert generator.seed_seq.entropy in (1, 2)
            repr(generator)

    def spawn():
        while not done.is_set():
            children.extend(map(repr, generator.spawn(2)))

    all_at_once(change, ask, ask, spawn)
    generator = wf.PhiloxBitGenerator(1, "a")
    children.clear()
    all_at_once(*[lambda: children.extend(map(repr, generator.spawn(25)))] * THREADS)
    assert len(set(children)) == 25 * THREADS


def test_threads_write_files_of_their_own_and_one_of_all(tmp_path):
    plan = wf.Plan(RULES, seed=1)
    plan.write(tmp_path / "m.safetensors", SHAPES)
    expected = (tmp_path / "m.safetensors").read_bytes()

    def work():
        file = tmp_path / f"{threading.get_ident()}.safetensors"
        for _ in range(3):
            plan.write(file, SHAPES, threads=2, replace=True)
            assert file.read_bytes() == expected
            plan.write(tmp_path / "shared.safetensors", SHAPES, replace=True)
            assert (tmp_path / "shared.safetensors").read_bytes() == expected

    all_at_once(*[work] * 4)
    assert len(list(tmp_path.iterdir())) == 6  # and nothing that was written beside them


def test_threads_verify_one_checkpoint(tmp_path):
    plan = wf.Plan(RULES, seed=1)
    plan.write(tmp_path / "m.safetensors", SHAPES)
    other = wf.Plan(RULES, seed=2)

    def work():
        for _ in range(5):
            assert wf.verify_checkpoint(tmp_path / "m.safetensors", plan)
            assert not wf.verify_checkpoint(tmp_path / "m.safetensors", other)

    all_at_once(*[work] * 4)


IMPORTING = """
import sys, threading
enabled = getattr(sys, "_is_gil_enabled", lambda: True)
before, barrier, found = enabled(), threading.Barrier(8), set()
def work():
    barrier.wait()
    import weightfill as wf
    found.add(wf.create(3, wf.Normal(), seed=1).tobytes())
    found.add(wf.signals.propagation and wf.create((2, 3), "kaiming_normal", seed=1).tobytes())
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
import weightfill._core, weightfill._bit_generator
assert enabled() == before
print(len(found))
"""


def test_many_threads_may_import_the_package_at_once_and_a_disabled_gil_stays_so():
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


NAMED = """
import threading, time
import weightfill as wf
from weightfill._initializers import names
explained, begun = names.explained_constructor, threading.Event()
def slowly(kind, **given):
    if kind.__name__ == "Orthogonal":  # whose methods call what comes after it in its module
        begun.set()
        time.sleep(0.3)
    return explained(kind, **given)
names.explained_constructor = slowly
thread = threading.Thread(target=lambda: wf.Orthogonal)
thread.start()
begun.wait()
made = wf.create((3, 3), "orthogonal", seed=1)
thread.join()
assert made.tobytes() == wf.create((3, 3), wf.Orthogonal(), seed=1).tobytes()
"""


def test_a_name_means_no_class_of_a_module_that_another_thread_still_imports():
    done = subprocess.run([sys.executable, "-c", NAMED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


INTERRUPTED = """
import signal, sys, threading
import numpy as np, weightfill as wf
expected = wf.create((2000, 500), wf.Normal(), seed=1)
others, stop = [], threading.Event()
def work():
    while True:
        found = wf.create((2000, 500), wf.Normal(), seed=1, threads=2)
        others.append(np.array_equal(found, expected))
        if stop.is_set():
            return
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
out = np.empty((1000, 1000), np.float32)
interrupted = 0
print("ready", flush=True)
try:
    while True:
        wf.fill(out, wf.Normal(), seed=1)
except KeyboardInterrupt:
    interrupted += 1
stop.set()
for thread in threads: thread.join()
assert all(others) and len(others) >= 3
wf.fill(out, wf.Normal(), seed=1)
assert wf.verify(out, wf.Normal(), seed=1)
print(interrupted)
"""


def test_ctrl_c_stops_the_fill_of_the_main_thread_alone():
    import signal

    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout, stderr) == (0, "1\n", "")
