"""Messages have a bound, whatever they are about."""

import numpy as np
import pytest

import weightfill as wf
from weightfill._arguments.messages import cut, listed, shown
from weightfill._files.safetensors_file import check_name

LONG = "x" * 100_000
MANY = tuple(range(100_000))
HUGE = 10**5000
NORMAL = wf.Normal()
OUT = np.zeros((4, 3), np.float32)
PLAN = wf.Plan({"a*": wf.Zeros()})
MANY_RULES = wf.Plan({f"layer.{n}.{'w' * 200}": wf.Zeros() for n in range(1000)})
ARRAY = np.zeros(100_000, int)


class Hostile:
    def __repr__(self):
        raise RuntimeError("no words")


VALUES = [LONG, MANY, list(MANY), HUGE, ARRAY, Hostile(), {LONG: LONG}, [LONG], -HUGE, LONG.encode()]


def calls(v):
    return [
        lambda: wf.fill(v, NORMAL, seed=1),
        lambda: wf.fill(OUT, v, seed=1),
        lambda: wf.fill(OUT, NORMAL, seed=v),
        lambda: wf.fill(OUT, NORMAL, seed=1, stream=v if not isinstance(v, str) else v + "\ud800"),
        lambda: wf.fill(OUT, NORMAL, seed=1, shape=v),
        lambda: wf.fill(OUT, NORMAL, seed=1, shape=(9, 9), start=v),
        lambda: wf.fill(OUT, NORMAL, seed=1, threads=v),
        lambda: wf.fill(OUT, NORMAL, seed=1, progress=v),
        lambda: wf.create(3, NORMAL, seed=1, dtype=v),
        lambda: wf.fill_rows(OUT, NORMAL, [0, 1, 2, 3], seed=1, shape=v),
        lambda: wf.Normal(std=v),
        lambda: wf.Constant(v if isinstance(v, int) else [v]),
        lambda: wf.Padded(NORMAL, [v]),
        lambda: wf.KaimingNormal(mode=v),
        lambda: wf.KaimingNormal(layout=v),
        lambda: wf.gain(v),
        lambda: wf.fans((3, 4), v),
        lambda: wf.create((3, 4), wf.Sparse(v), seed=1),
        lambda: wf.Plan(v),
        lambda: wf.Plan([v]),
        lambda: wf.Plan({"*": v}),
        lambda: wf.Plan([(v, NORMAL, 1)]),
        lambda: PLAN.fill({str(type(v)) * 1000: v}),
        lambda: PLAN.fill({LONG: v}),
        lambda: PLAN.fill({"a": v}),
        lambda: PLAN.fill(v),
        lambda: PLAN.rule(v),
        lambda: PLAN.explain(v if not isinstance(v, str) else 5),
        lambda: PLAN.explain({"a": v if v is not ARRAY else [v]}),
        lambda: PLAN.explain({"a": 3}, v),
        lambda: PLAN.write("m.safetensors", v if not isinstance(v, str) else 5),
        lambda: PLAN.write("m.safetensors", {"a": 3}, shard_bytes=v if v is not HUGE else -HUGE),
        lambda: PLAN.write("m.safetensors", {"a": 3}, replace=v),
        lambda: PLAN.write(v, {"a": 3}),
        lambda: PLAN.write("m.safetensors", like=v if not isinstance(v, str) else 5),
        lambda: wf.Plan.from_toml(v),
        lambda: wf.Plan.from_toml(f"seed={v if isinstance(v, str | tuple) else 1}\n[[rule]]\nmatch='*'"),
        lambda: MANY_RULES.fill({"z": OUT}),
        lambda: wf.verify_checkpoint("m.safetensors", v),
        lambda: check_name(v if not isinstance(v, str) else v + "\ud800", "shapes"),
        lambda: wf.set_threads(v),
    ]


@pytest.mark.parametrize("value", VALUES, ids=shown)
def test_a_message_is_bounded_and_of_this_project(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, call in enumerate(calls(value)):
        with pytest.raises((TypeError, ValueError, MemoryError)) as caught:
            call()
        message = str(caught.value)
        assert len(message) < 2500, (number, message[:300])
        assert "\n" not in message, number
        assert " must " in message, (number, message)


def test_values_are_shown_in_a_line():
    assert shown("a\nb") == r"'a\nb'"
    assert shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
    assert shown(Hostile()) == "a Hostile"
    assert shown([HUGE]) == "a list"
    assert shown(MANY).endswith("...")
    assert cut("a\nb") == "a b"
    assert listed(range(5)) == "0, 1, 2, 3, 4"
