"""Plans written and read as TOML."""

import math
from pathlib import Path

import pytest

import weightfill as wf

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
    "19": wf.Scaled(wf.Orthogonal(axis=-1), 0.8731),
    "20": wf.Scaled(wf.LecunNormal(layout="keras"), 1 / 3),
    "21": wf.Arange(1.0, 0.1),
    "22": wf.LogRange(axis=0),
    "23": wf.AlibiSlopes(-1),
    "24": wf.Scaled(wf.Sinusoid(500.0, "halves"), 0.1),
    "25": wf.Sinusoid(),
    "26": wf.Rotary(500_000.0, scaling="llama3", factor=8.0),
    "27": wf.Rotary(scaling="longrope", factors=(1.0, 1 / 3)),
    "28": wf.Rotary(scaling="yarn", factor=1.1, truncate=False),
    "29": wf.Blocks(wf.XavierUniform(), 3),
    "30": wf.Blocks([wf.Zeros(), wf.Scaled(wf.Ones(), 0.5), "normal"], (4, 2, 2), axis=-1),
    "31": wf.Repeat(wf.KaimingNormal(), 4, axis=-1),
    "32": wf.MuP(wf.LecunNormal(layout="jax"), (4, 8), layout="jax"),
    "33": wf.Values([[0.1, -2.5e-310], [1e300, 3]]),
    "34": wf.Values(2),
    "35": wf.Values(()),
    "36": wf.LayerScaled(wf.Normal(std=0.02)),
    "37": wf.LayerScaled("lecun_normal", index="*.blocks.{i}.*", branches=3, offset=0),
    "38": wf.LayerScaled(wf.Ones(), 7),
    "39": wf.KeepValues(),
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
        (
            'seed=1\n[[rule]]\nmatch="*"\ninit="Ones"\noptonal=true',
            "rule 1 (*): key must be match, init, optional or a parameter of the initializer, got 'optonal'; "
            "did you mean 'optional'?",
        ),
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
