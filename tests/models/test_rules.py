"""Which rule of a plan a parameter gets."""

import fnmatch

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from tests.public import PUBLIC
from weightfill._files.safetensors_file import open_checkpoint


def test_the_first_rule_that_matches_counts():
    plan = wf.Plan([("a*", wf.Zeros()), ("*b", wf.Ones()), ("[cd]?", wf.Constant(2)), ("*", wf.Constant(3))])
    names = {"ab": 0, "xb": 1, "cx": 2, "dd": 2, "c": 3, "ex": 3, "A": 3, "a.b.c": 0, "a\nb": 0}
    for name, number in names.items():
        assert plan.rule(name) == plan.rules[number], name


@pytest.mark.parametrize(
    ("rules", "seed", "error", "message"),
    [
        ({}, 1, ValueError, "rules must have at least one rule, got none"),
        ({"*": wf.Normal()}, None, TypeError, "seed must be given for Normal"),
        ({"*": wf.Normal()}, 2**64, ValueError, "seed must be in [0, 2**64)"),
        ({"*": wf.Normal}, 1, TypeError, "init must be an initializer, got the class Normal"),
        ({1: wf.Normal()}, 1, TypeError, "pattern must be a string, got 1"),
        ({"": wf.Normal()}, 1, ValueError, "pattern must not be empty"),
        ([("*", wf.Normal()), ("*", wf.Ones())], 1, ValueError, "rules must have every pattern once, got '*' twice"),
        ({"\ud800": wf.Normal()}, 1, ValueError, "pattern must be encodable in UTF-8"),
        (["ab"], 1, TypeError, "rules must be a mapping or pairs (pattern, initializer), got 'ab'"),
        (5, 1, TypeError, "rules must be a mapping or pairs (pattern, initializer), got 5; for one initializer for"),
        (wf.Normal(), 1, TypeError, 'got Normal(mean=0.0, std=1.0); for one initializer for all write {"*": init'),
        (wf.Rule("*", wf.Normal()), 1, TypeError, "rules must be a mapping or pairs (pattern, initializer), got Rule("),
        ("*", 1, TypeError, "rules must be a mapping or pairs (pattern, initializer), got '*'"),
        ([wf.Rule("*", wf.Normal(), "no")], 1, TypeError, "optional must be True or False, got 'no'"),
        ([("*", wf.Normal(), True)], 1, TypeError, "rules must be a mapping or pairs (pattern, initializer), got ("),
    ],
)
def test_wrong_rules_are_refused(rules, seed, error, message):
    with pytest.raises(error) as raised:
        wf.Plan(rules, seed=seed)
    assert message in str(raised.value)


def test_rules_without_a_parameter_are_refused():
    with pytest.raises(ValueError, match=r"rules must all match a parameter, got '\*.bias', which matches none"):
        wf.Plan({"*.bias": wf.Zeros(), "*": wf.Ones()}).fill({"a": np.empty(3)})
    with pytest.raises(ValueError, match="an earlier rule, 'a', takes 'a' and all others that match it; move it up"):
        wf.Plan({"a": wf.Zeros(), "a*": wf.Ones()}).fill({"a": np.empty(3)})
    with pytest.raises(ValueError, match="which matches none"):
        wf.Plan({"*": wf.Zeros()}).fill({})


def test_rules_that_are_optional_may_match_nothing():
    rules = [wf.Rule("*.bias", wf.Ones(), optional=True), wf.Rule("*norm*", wf.Ones(), True), ("*", wf.Zeros())]
    plan = wf.Plan(rules)
    params = plan.fill({"a.bias": np.full(3, 7.0), "b": np.full(3, 7.0)})
    assert (params["a.bias"] == 1).all()
    assert (params["b"] == 0).all()
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    assert plan != wf.Plan([(rule.pattern, rule.init) for rule in plan.rules])
    assert eval(repr(plan), PUBLIC) == plan
    with pytest.raises(
        ValueError,
        match=r"got 'x', which matches none; .*Rule\(pattern, init, optional=True\), in TOML optional = true$",
    ):
        wf.Plan({"*": wf.Ones(), "x": wf.Zeros()}).fill({"a.bias": np.zeros(3)})


def test_thousands_of_rules_for_single_names_are_found():
    count = 20_000
    plan = wf.Plan({**{f"h.{n}.w": wf.Constant(n) for n in range(count)}, "h.5*": wf.Ones(), "x": wf.Zeros()})
    names = [*(f"h.{n}.w" for n in reversed(range(count))), "h.5", "x"]
    assert [rule.pattern for rule in plan.assign(names).values()] == [*names[:-2], "h.5*", "x"]
    assert wf.Plan({"h*": wf.Ones(), "h.1": wf.Zeros()}).rule("h.1").pattern == "h*"


@pytest.mark.parametrize("count", [10, 2000])
def test_the_first_of_many_patterns_counts_whatever_they_begin_with(count):
    patterns = (
        [f"h.{n % 7}{n}*" for n in range(count)] + [f"*.{n}.b" for n in range(count)] + ["h.1?.c", "[gh].*", "?*"]
    )
    plan = wf.Plan({pattern: wf.Constant(n) for n, pattern in enumerate(patterns)})
    for name in ("h.00.b", "h.77", "x.3.b", "h.1x.c", "h.x", "g.", "y", "h.33.5.b", "h.-"):
        first = next(pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern))
        assert plan.rule(name).pattern == first


@pytest.mark.parametrize(
    ("names", "streams"),
    [
        (["module.a", "module.b.w"], ["a", "b.w"]),
        (["module.a", "b"], ["module.a", "b"]),
        (["_orig_mod.module.a", "_orig_mod.module.b"], ["a", "b"]),
        (["module.module.a"], ["module.a"]),
        (["_forward_module.a", "h._checkpoint_wrapped_module.0._orig_mod.b"], ["a", "h.0.b"]),
        (["a_orig_mod.b", "submodule.c"], ["a_orig_mod.b", "submodule.c"]),
    ],
)
def test_what_wrappers_put_into_names_is_no_part_of_a_stream(names, streams, tmp_path):
    plan = wf.Plan({"[!m_]*": wf.Normal(), "*": wf.Uniform()}, seed=42)
    plan = wf.Plan([wf.Rule(rule.pattern, rule.init, True) for rule in plan.rules], seed=42)
    params = plan.fill({name: np.empty((3, 4), np.float32) for name in names})
    for name, stream in zip(names, streams, strict=True):
        assert_same_bits(params[name], wf.create((3, 4), plan.rule(stream).init, seed=42, stream=stream))
    file = tmp_path / "m.safetensors"
    plan.write(file, params)
    found = open_checkpoint(file)
    assert found.keys() == params.keys()
    for name in names:
        assert_same_bits(found[name], params[name])
    assert [p.pattern for p in plan.explain(params)] == [plan.rule(stream).pattern for stream in streams]
    assert wf.verify_checkpoint(file, plan)
    assert wf.verify_checkpoint(file, plan, shapes=params)


def test_batch_counters_become_zeros():
    params = {"n.num_batches_tracked": np.array(7), "n.weight": np.full(3, 7.0)}
    wf.Plan({"*": wf.Ones()}).fill(params)
    assert params["n.num_batches_tracked"] == 0
    assert (params["n.weight"] == 1).all()
    params["n.num_batches_tracked"].flags.writeable = False
    with pytest.raises(ValueError, match="params must be writable, got a read-only num_batches_tracked"):
        wf.Plan({"*": wf.Zeros()}).fill(params)
    assert (params["n.weight"] == 1).all()


def test_names_that_are_the_same_without_wrappers_are_refused():
    with pytest.raises(ValueError, match="params must have distinct names but for wrappers, got 'a' twice"):
        wf.Plan({"*": wf.Zeros()}).fill({"a": np.empty(3), "_orig_mod.a": np.empty(3)})


def test_running_statistics_are_zeros_and_ones_unless_they_have_a_rule_of_their_own():
    shapes = {"n.weight": 3, "n.running_mean": 3, "n.running_var": 3, "other.running_var": 3}

    def filled(rules):
        return wf.Plan(rules, seed=1).fill({name: np.full(size, 7.0) for name, size in shapes.items()})

    found = filled({"*": wf.Normal()})
    assert (found["n.running_mean"] == 0).all()
    assert (found["n.running_var"] == 1).all()
    assert wf.verify(found["other.running_var"], wf.Normal(), seed=1, stream="other.running_var")
    found = filled({"*.weight": wf.Normal(), "other*": wf.Zeros()})
    assert (found["n.running_mean"] == 0).all()
    assert (found["n.running_var"] == 1).all()
    found = filled({"n.running_var": wf.Constant(2), "*": wf.Normal()})
    assert (found["n.running_mean"] == 0).all()
    assert (found["n.running_var"] == 2).all()
