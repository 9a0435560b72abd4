"""Plans: which rule a parameter gets, whole models filled at once, TOML, and explanations."""

import fnmatch
import math
from pathlib import Path

import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits
from weightfill._checkpoints.writing import open_checkpoint

RULES = {
    "*.bias": wf.Zeros(),
    "*norm*.weight": wf.Ones(),
    "*emb*": wf.Padded(wf.Normal(std=0.02), 0),
    "*.proj.weight": wf.DepthScaled(wf.Normal(std=0.02), layers=12),
    "*.mask": wf.Sparse(3),
    "*.rec": wf.Orthogonal(),
    "*": wf.KaimingNormal(),
}
SHAPES = {
    "emb.weight": (100, 8),
    "h.0.norm.weight": (8,),
    "h.0.attn.weight": (24, 8),
    "h.0.attn.bias": (24,),
    "h.0.proj.weight": (8, 8),
    "h.0.mask": (16, 8),
    "h.0.rec": (8, 8),
    "h.0.rec.bias": (),
    "h.0.none.bias": (0, 3),
}


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


def test_the_first_rule_that_matches_counts():
    plan = wf.Plan([("a*", wf.Zeros()), ("*b", wf.Ones()), ("[cd]?", wf.Constant(2)), ("*", wf.Constant(3))])
    names = {"ab": 0, "xb": 1, "cx": 2, "dd": 2, "c": 3, "ex": 3, "A": 3, "a.b.c": 0, "a\nb": 0}
    for name, number in names.items():
        assert plan.rule(name) == plan.rules[number], name


def test_a_plan_without_random_rules_needs_no_seed():
    params = wf.Plan({"*": wf.Ones()}).fill({"a": np.empty(3)})
    assert (params["a"] == 1).all()


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
    assert eval(repr(plan), vars(wf)) == plan
    with pytest.raises(ValueError, match=r"got 'x', which matches none; .*make it optional: Rule\(pattern, init, opt"):
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
    assert eval(repr(a), vars(wf)) == a


EVERY_KIND = {
    "laplace": wf.Laplace(0.5, 2.0),
    "time steps": wf.LogUniform(1e-3, 0.1, then="inverse_softplus"),
    "1": wf.Constant(0.01),
    "2": wf.Uniform(-0.1, 1 / 3),
    "3": wf.Normal(0.1, math.pi),
    "4": wf.TruncatedNormal(0.1, 0.02, 3),
    "5": wf.TruncatedNormal(std=0.02, low=-math.inf, high=5e-324),
    "6": wf.Sparse(7, std=1e-5, axis=0),
    "7": wf.Sparse(sparsity=0.9),
    "8": wf.VarianceScaling(1 / 3, "fan_geo_avg", "uniform", layout="keras", groups=4),
    "9": wf.XavierNormal("tanh", truncated=True),
    "10": wf.KaimingUniform(0.1, "fan_out", layout=wf.Layout((0, 1), 2, batch_axis=3, group_axis=0)),
    "11": wf.LecunNormal(),
    "11b": wf.LecunUniform(),
    "11c": wf.KaimingNormal("tanh"),
    "12": wf.ScaledNormal(2),
    "13": wf.StandardUniform(layout="jax"),
    "14": wf.Orthogonal(0.5),
    "15": wf.DeltaOrthogonal(),
    "16": wf.Identity(3),
    "17": wf.Dirac(2, layout="keras"),
    "18": wf.Padded(wf.DepthScaled(wf.XavierUniform(), layers=3, branches=1), (1, 5)),
    'a "quoted" \\ name\n*': wf.Ones(),
    "Größe*": wf.Zeros(),
}


@pytest.mark.parametrize("seed", [0, 42, 2**64 - 1])
def test_every_plan_survives_toml_exactly(seed):
    plan = wf.Plan(EVERY_KIND, seed=seed)
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    assert wf.Plan.from_toml(plan.to_toml()).to_toml() == plan.to_toml()


def test_every_initializer_of_the_package_is_in_the_toml_test():
    kinds = {type(init) for init in EVERY_KIND.values()}
    kinds |= {wf.DepthScaled, wf.XavierUniform}  # inside others
    public = [getattr(wf, name) for name in wf.__all__]
    of_the_package = {kind for kind in public if isinstance(kind, type) and issubclass(kind, wf.Initializer)}
    assert of_the_package - {wf.Initializer, wf.WholeTensor} == kinds


def test_a_plan_without_seed_survives_toml():
    plan = wf.Plan({"*": wf.Zeros()})
    assert wf.Plan.from_toml(plan.to_toml()) == plan


def test_aliases_and_integers_may_be_written_in_toml():
    plan = wf.Plan.from_toml('seed = 1\n[[rule]]\nmatch = "*"\ninit = "HeNormal"\ngain = 2')
    assert plan == wf.Plan({"*": wf.KaimingNormal(2)}, seed=1)
    plan = wf.Plan.from_toml('seed = 1\n[[rule]]\nmatch = "*"\ninit = "GlorotUniform"\ngain = "tanh"')
    assert plan == wf.Plan({"*": wf.XavierUniform("tanh")}, seed=1)


def test_an_initializer_may_be_written_as_a_call_in_toml():
    plan = wf.Plan.from_toml('seed = 1\n[[rule]]\nmatch = "*"\ninit = "Padded(wf.Normal(std=0.5), [0, 3])"')
    assert plan == wf.Plan({"*": wf.Padded(wf.Normal(std=0.5), (0, 3))}, seed=1)
    plan = wf.Plan.from_toml('seed = 1\n[[rule]]\nmatch = "*"\ninit = "Padded"\nof = "normal"\npadding_idx = 0')
    assert plan == wf.Plan({"*": wf.Padded(wf.Normal(), 0)}, seed=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed=1\nrules=2", "key of a plan must be one of 'seed', 'rule', got 'rules'; did you mean 'rule'?"),
        ("seed=1", "rules must have at least one rule"),
        ("seed=1\nrule=3", "rule must be an array of tables, [[rule]], got 3"),
        ('seed=1\n[[rule]]\ninit="Zeros"', "rule 1 must have match"),
        ('seed=1\n[[rule]]\nmatch="*"', "rule 1 (*) must have init"),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Norml"', "got 'Norml'; did you mean Normal?"),
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="Normal"\nstdd=1',
            "rule 1 (*): Normal must be given only mean and std, got stdd; did you mean std?",
        ),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="HeNormal"\nnonlinearity="relu"', "got nonlinearity; did you mean gain?"),
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="Normal(sdt=1)"',
            "rule 1 (*): Normal must be given only mean and std, got",
        ),
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="Normal(std=1)"\nmean=2',
            "rule 1 (*): mean must be left out beside init 'Normal(std=1)', got 2; write it within",
        ),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Normal"\nstd="x"', "rule 1 (*): std must be a number, got 'x'"),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Normal"\nstd=-1', "rule 1 (*): std must be at least 0, got -1.0"),
        ('seed="a"\n[[rule]]\nmatch="*"\ninit="Normal"', "seed must be an integer"),
        ('[[rule]]\nmatch="*"\ninit="Normal"', "seed must be given"),
        ("seed=1\nseed=2", "plan must be a TOML document"),
        ("seed=", "plan must be a TOML document"),
        pytest.param("seed=" + "9" * 5000, "plan must be a TOML document: Invalid number", id="5,000 digits"),
        ("plan.toml", "plan must be a TOML document, got 'plan.toml'; of a file give what is in it: Plan.from_toml("),
        ('{"*": "Zeros"}', "plan must be a TOML document, got JSON or the like, "),
        ('seed=1\n[[rule]]\npattern="*"', "rule 1 must have match, a pattern of names such as '*.bias', got the key"),
        ('seed=1\n[[rule]]\npattern="*"', "'pattern'; did you mean 'match'?"),
        ('seed=1\n[[rule]]\nmatch="*"\ninitializer="Zeros"', "got the key 'initializer'; did you mean 'init'?"),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Zeros"\noptional=1', "rule 1 (*): optional must be true or false, got 1"),
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="HeNormal"\nlayout={in_axs=2}',
            "layout: Layout must be given only in_axis, ",
        ),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="HeNormal"\nlayout={in_axs=2}', "got in_axs; did you mean in_axis?"),
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="Padded"\npadding_idx=0\nof={init="Normal",sd=1}',
            "of: Normal must be given",
        ),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Padded"\nof={std=1}', "rule 1 (*): of must have init, the name of an"),
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="Padded"',
            "rule 1 (*): Padded must be given of and padding_idx, got no of or padding_idx",
        ),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Ones"\nfor=1', "rule 1 (*): Ones must be given nothing, got for"),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="HeNormal"\nlayout={in_axis={a=1}}', "in_axis must be an integer"),
        ('seed=1\n[[rule]]\nmatch="*"\ninit="Normal"\nstd={a=1}', "std must be a number, got {'a': 1}"),
    ],
)
def test_wrong_toml_is_refused_with_the_place_and_the_nearest_name(text, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        wf.Plan.from_toml(text)
    assert message in str(raised.value)


def test_plans_are_read_from_text_only():
    with pytest.raises(TypeError, match=r"text must be a TOML document, got .*; of a file give what is in it: "):
        wf.Plan.from_toml(Path("plan.toml"))
    with pytest.raises(TypeError, match="text must be a TOML document, got NoneType"):
        wf.Plan.from_toml(None)


def test_initializers_of_others_cannot_be_written():
    class Mine(wf.Initializer):
        def law(self, shape):
            return wf.Constant(1)

    with pytest.raises(TypeError, match="init must be one of weightfill's own"):
        wf.Plan({"*": Mine()}, seed=1).to_toml()


def test_an_explanation_has_rule_law_fans_and_bytes_of_every_parameter():
    explanation = wf.Plan(RULES, seed=1).explain(SHAPES, "bfloat16")
    found = {p.name: p for p in explanation}
    assert list(found) == list(SHAPES)
    assert found["h.0.attn.weight"].law == wf.Normal(std=0.5)
    assert found["h.0.attn.weight"].fans == (8, 24)
    assert found["h.0.attn.weight"].nbytes == 2 * 8 * 24
    assert found["h.0.proj.weight"].law == wf.Normal(std=0.02 / math.sqrt(24))
    assert found["h.0.rec"].law is None
    assert explanation.elements == sum(math.prod(shape) for shape in SHAPES.values())
    assert explanation.nbytes == 2 * explanation.elements
    text = str(explanation)
    assert "3 of 8 along axis 1" in text
    assert "zero in row 0" in text
    assert f"{len(SHAPES)} parameters" in text


def test_an_explanation_names_the_parameter_that_does_not_fit():
    with pytest.raises(ValueError, match=r"'v', rule '\*': shape must have at least 2 dimensions"):
        wf.Plan({"*": wf.KaimingNormal()}, seed=1).explain({"v": (5,)})
    with pytest.raises(ValueError, match=r"'v', rule '\*': init must stay within"):
        wf.Plan({"*": wf.Normal(std=20000)}, seed=1).explain({"v": (5,)}, "float16")


def test_notebooks_show_tables():
    plan = wf.Plan([("<*>", wf.Zeros()), wf.Rule("*", wf.Normal(std=0.02), optional=True)], seed=42)
    assert plan._repr_html_() == (
        "<table><thead><tr><th>rule</th><th>initializer</th><th></th></tr></thead><tbody>"
        "<tr><td>&lt;*&gt;</td><td>Zeros()</td><td></td></tr>"
        "<tr><td>*</td><td>Normal(mean=0.0, std=0.02)</td><td>optional</td></tr></tbody></table><p>seed 42</p>"
    )
    found = plan.explain({"<b>": 3})._repr_html_()
    assert found.count("<tr>") == 2
    assert "<td>&lt;b&gt;</td><td>3</td><td>float32</td><td>&lt;*&gt;</td><td>Constant(value=0)</td>" in found
    assert found.endswith("<p>1 parameter, 3 elements, 12 bytes</p>")


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
