"""Plans: whole models filled at once."""

import math

import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits
from tests.models.small_plan import RULES, SHAPES
from tests.public import PUBLIC


def arrays(dtype=np.float32):
    return {name: np.full(shape, 7, dtype) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_plan_fills_every_parameter_as_a_single_fill_does(dtype, threads):
    plan = wf.Plan(RULES, seed=42)
    params = arrays(dtype)
    assert plan.fill(params, threads=threads) is params
    for name, array in params.items():
        init = plan.rule(name).init
        assert_same_bits(array, wf.create(array.shape, init, seed=42, stream=name, dtype=dtype))


def test_many_parameters_of_all_sizes_are_filled_in_one_piece_of_work():
    shapes = [(n,) for n in range(1, 200)] + [(1000, 700), (3, 300_001), (2**19,), (5, 5, 5)]
    plan = wf.Plan({"*7": wf.Uniform(), "*3": wf.Constant(0.5), "*": wf.TruncatedNormal()}, seed=1)
    for threads in (1, 3):
        memory = np.empty(sum(map(math.prod, shapes)) + len(shapes), np.float32)
        params, place = {}, 1  # misaligned by one element more each
        for number, shape in enumerate(shapes):
            size = math.prod(shape)
            params[f"p{number}"] = memory[place : place + size].reshape(shape)
            place += size + 1
        plan.fill(params, threads=threads)
        for name, array in params.items():
            assert_same_bits(array, wf.create(array.shape, plan.rule(name).init, seed=1, stream=name))


def test_parameters_may_be_strided_parts_of_one_array():
    whole = np.empty((8, 24), np.float32)
    params = {"q": whole[:, :8], "k": whole[:, 8:16], "v": whole[:, 16:].T}
    wf.Plan({"*": wf.Normal()}, seed=3).fill(params)
    for name, array in params.items():
        assert_same_bits(np.ascontiguousarray(array), wf.create((8, 8), wf.Normal(), seed=3, stream=name))


def test_a_plan_without_random_rules_needs_no_seed():
    params = wf.Plan({"*": wf.Ones()}).fill({"a": np.empty(3)})
    assert (params["a"] == 1).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rest": np.ones(3)}, ValueError, "params must all match a rule, got 'rest', which matches none of '*.bias'"),
        ({1: np.ones(3)}, TypeError, "params must have strings for names, got 1"),
        ({"x.bias": np.ones(3, int)}, TypeError, "params['x.bias'], Zeros(): out.dtype must be one of float32"),
        ({"x.bias": [1.0]}, TypeError, "params['x.bias'], Zeros(): out must be a NumPy array, got list"),
        ({"v.weight": np.ones(3)}, ValueError, "params['v.weight'], KaimingNormal("),
    ],
)
def test_one_wrong_parameter_leaves_all_untouched(change, error, message):
    params = {"a.bias": np.ones(3, np.float32), "b.weight": np.ones((2, 3), np.float32), **change}
    plan = wf.Plan({"*.bias": wf.Zeros(), "*.weight": wf.KaimingNormal()}, seed=1)
    with pytest.raises(error) as raised:
        plan.fill(params)
    assert message in str(raised.value)
    assert (params["a.bias"] == 1).all()
    assert (params["b.weight"] == 1).all()


def test_read_only_and_tied_parameters_are_refused():
    plan = wf.Plan({"*": wf.Ones()})
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="'a'.*out must be writable"):
        plan.fill({"a": frozen})
    table = np.zeros((4, 4))
    for tied in (table, table[1:], table.T, table[:, 1]):
        with pytest.raises(
            ValueError, match="got 'head' and 'wte', which share some; pass only one of tied parameters"
        ):
            plan.fill({"head": table, "wte": tied})
    assert (table == 0).all()


@pytest.mark.parametrize("init", [wf.Orthogonal(), wf.Orthogonal(1e39), wf.DeltaOrthogonal()], ids=str)
def test_what_is_made_as_a_whole_is_checked_before_anything_is_filled(init):
    params = {"a": np.full(5, 7, np.float32), "b": np.full((5, 5), 7, np.float32), "c": np.full(5, 7, np.float32)}
    plan = wf.Plan({"a": wf.Uniform(), "*": init}, seed=1)
    with pytest.raises(ValueError, match=r"params\['[bc]'\]"):
        plan.fill(params)
    assert all((array == 7).all() for array in params.values())
    with pytest.raises(ValueError, match="'[bc]', rule"):
        plan.explain({name: array.shape for name, array in params.items()})


def test_thousands_of_interleaved_parameters_are_no_overlap():
    whole = np.empty((64, 4000), np.float32)
    params = {f"c{n}": whole[:, n : n + 1] for n in range(4000)}
    wf.Plan({"*": wf.Normal()}, seed=3).fill(params)
    assert wf.verify(params["c3999"], wf.Normal(), seed=3, stream="c3999")
    with pytest.raises(ValueError, match="got 'a' and 'b', which share some"):
        wf.Plan({"*": wf.Normal()}, seed=3).fill({"a": whole[:, 0:8], "b": whole[:, 4:12]})
    with pytest.raises(ValueError, match="got 'a' and 'b', which share some"):
        wf.Plan({"*": wf.Normal()}, seed=3).fill({"a": whole[:60, 0:8], "b": whole[4:, 0:8]})


def test_progress_counts_the_elements_of_all_parameters():
    seen = []
    plan = wf.Plan({"*.rec": wf.Orthogonal(), "*": wf.Normal()}, seed=1)
    params = {"a": np.empty(3_000_000, np.float32), "b": np.empty((5, 5)), "c.rec": np.empty((10, 10))}
    plan.fill(params, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3_000_125, 3_000_125)
    assert seen == sorted(seen)


def test_what_a_progress_function_raises_stops_the_plan():
    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        wf.Plan({"*": wf.Normal()}, seed=1).fill({"a": np.empty(3_000_000, np.float32)}, progress=stop)


def test_plans_are_values():
    a, b = wf.Plan(RULES, seed=1), wf.Plan(tuple(RULES.items()), seed=1)
    assert a == b
    assert hash(a) == hash(b)
    assert a != wf.Plan(RULES, seed=2)
    assert a != wf.Plan(dict(reversed(RULES.items())), seed=1)
    assert eval(repr(a), PUBLIC) == a


@pytest.mark.parametrize(
    ("option", "message"),
    [("force", "replace"), ("shard_size", "shard_bytes"), ("max_shard_size", "shard_bytes"), ("model", "shapes")],
)
def test_other_words_for_arguments_are_known(option, message):
    plan = wf.Plan({"*": wf.Zeros()})
    with pytest.raises(TypeError, match=rf"got {option}; did you mean {message}\?"):
        plan.write("m.safetensors", **{option: True})


def test_tensors_of_a_plan_are_what_it_fills():
    plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=42)
    params = {"a.weight": np.empty((3, 4), np.float32), "a.bias": np.empty(3, np.float16)}
    tensors = plan.tensors({**params, "bn.num_batches_tracked": np.zeros((), np.int64)})
    plan.fill(params)
    assert list(tensors) == ["a.weight", "a.bias"]
    for name, tensor in tensors.items():
        assert tensor == wf.Tensor(
            params[name].shape, plan.rule(name).init, seed=42, stream=name, dtype=params[name].dtype
        )
        assert np.asarray(tensor).tobytes() == params[name].tobytes()
    assert plan.tensors({"w": (2**40, 8), "w.bias": 8}, "bf16")["w"].nbytes == 2**44
    with pytest.raises(ValueError, match=r"^'b', KaimingNormal\(.*\): shape must have at least 2 dimensions"):
        plan.tensors({"b": 3, "c.bias": 3})
