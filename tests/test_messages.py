"""Messages have a bound, whatever they are about."""

import numpy as np
import pytest

import weightfill as wf
from weightfill.messages import cut, listed, shown
from weightfill.safetensors_file import check_name

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


CALLS = [
    call
    for value in (LONG, MANY, list(MANY), HUGE, ARRAY, Hostile(), {LONG: LONG}, [LONG], -HUGE, LONG.encode())
    for call in (
        lambda v=value: wf.fill(v, NORMAL, seed=1),
        lambda v=value: wf.fill(OUT, v, seed=1),
        lambda v=value: wf.fill(OUT, NORMAL, seed=v),
        lambda v=value: wf.fill(OUT, NORMAL, seed=1, stream=v if not isinstance(v, str) else v + "\ud800"),
        lambda v=value: wf.fill(OUT, NORMAL, seed=1, shape=v),
        lambda v=value: wf.fill(OUT, NORMAL, seed=1, shape=(9, 9), start=v),
        lambda v=value: wf.fill(OUT, NORMAL, seed=1, threads=v),
        lambda v=value: wf.fill(OUT, NORMAL, seed=1, progress=v),
        lambda v=value: wf.create(3, NORMAL, seed=1, dtype=v),
        lambda v=value: wf.fill_rows(OUT, NORMAL, [0, 1, 2, 3], seed=1, shape=v),
        lambda v=value: wf.Normal(std=v),
        lambda v=value: wf.Constant(v if isinstance(v, int) else [v]),
        lambda v=value: wf.Padded(NORMAL, [v]),
        lambda v=value: wf.KaimingNormal(mode=v),
        lambda v=value: wf.KaimingNormal(layout=v),
        lambda v=value: wf.gain(v),
        lambda v=value: wf.fans((3, 4), v),
        lambda v=value: wf.create((3, 4), wf.Sparse(v), seed=1),
        lambda v=value: wf.Plan(v),
        lambda v=value: wf.Plan([v]),
        lambda v=value: wf.Plan({"*": v}),
        lambda v=value: wf.Plan([(v, NORMAL, 1)]),
        lambda v=value: PLAN.fill({str(type(v)) * 1000: v}),
        lambda v=value: PLAN.fill({LONG: v}),
        lambda v=value: PLAN.fill({"a": v}),
        lambda v=value: PLAN.fill(v),
        lambda v=value: PLAN.rule(v),
        lambda v=value: PLAN.explain(v if not isinstance(v, str) else 5),
        lambda v=value: PLAN.explain({"a": v if v is not ARRAY else [v]}),
        lambda v=value: PLAN.explain({"a": 3}, v),
        lambda v=value: PLAN.write("m.safetensors", v if not isinstance(v, str) else 5),
        lambda v=value: PLAN.write("m.safetensors", {"a": 3}, shard_bytes=v if v is not HUGE else -HUGE),
        lambda v=value: PLAN.write("m.safetensors", {"a": 3}, replace=v),
        lambda v=value: PLAN.write(v, {"a": 3}),
        lambda v=value: PLAN.write("m.safetensors", like=v if not isinstance(v, str) else 5),
        lambda v=value: wf.Plan.from_toml(v),
        lambda v=value: wf.Plan.from_toml(f"seed={v if isinstance(v, str | tuple) else 1}\n[[rule]]\nmatch='*'"),
        lambda v=value: MANY_RULES.fill({"z": OUT}),
        lambda v=value: wf.verify_checkpoint("m.safetensors", v),
        lambda v=value: check_name(v if not isinstance(v, str) else v + "\ud800", "shapes"),
        lambda v=value: wf.set_threads(v),
    )
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_a_message_is_bounded_and_of_this_project(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError, MemoryError)) as caught:
        CALLS[number]()
    message = str(caught.value)
    assert len(message) < 2500, message[:300]
    assert "\n" not in message
    assert " must " in message


def test_values_are_shown_in_a_line():
    assert shown("a\nb") == r"'a\nb'"
    assert shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
    assert shown(Hostile()) == "a Hostile"
    assert shown([HUGE]) == "a list"
    assert shown(MANY).endswith("...")
    assert cut("a\nb") == "a b"
    assert listed(range(5)) == "0, 1, 2, 3, 4"
