"""Initializers by name, as strings in Python, and what is said of names that are none."""

import math

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill._initializers.base import as_initializer

NAMED = {
    "normal": wf.Normal(),
    "kaiming_normal": wf.KaimingNormal(),
    "KaimingNormal": wf.KaimingNormal(),
    "kaiming-uniform": wf.KaimingUniform(),
    "kaiming_normal_": wf.KaimingNormal(),  # torch's spelling
    "he_normal": wf.HeNormal(),
    "HeUniform": wf.HeUniform(),
    "glorot_uniform": wf.GlorotUniform(),
    "XAVIER_NORMAL": wf.XavierNormal(),
    "trunc_normal": wf.TruncatedNormal(),
    "truncated normal": wf.TruncatedNormal(),
    "eye": wf.Identity(),
    "zeros": wf.Zeros(),
    "one": wf.Ones(),
    "orthogonal": wf.Orthogonal(),
    " sparse ": wf.Sparse(),
    "Normal()": wf.Normal(),
    "wf.Normal(std=0.02)": wf.Normal(std=0.02),
    'KaimingNormal(mode="fan_out")': wf.KaimingNormal(mode="fan_out"),
    "kaiming_normal('tanh', layout='keras', truncated=True)": wf.KaimingNormal("tanh", layout="keras", truncated=True),
    "uniform(-0.1, 0.1)": wf.Uniform(-0.1, 0.1),
    "truncated_normal(std=0.02, low=0, high=inf)": wf.TruncatedNormal(std=0.02, low=0, high=math.inf),
    "lecun_normal(layout=Layout(in_axis=0, out_axis=(1, 2)))": wf.LecunNormal(layout=wf.Layout(0, (1, 2))),
    "padded(normal(std=0.02), padding_idx=[0, 3])": wf.Padded(wf.Normal(std=0.02), (0, 3)),
    "wf.Padded(wf.Normal(std=0.02), 0)": wf.Padded(wf.Normal(std=0.02), 0),
    "weightfill.LogUniform(1e-3, 0.1)": wf.LogUniform(1e-3, 0.1),
    "wf.DepthScaled(wf.Ones, layers=3)": wf.DepthScaled(wf.Ones(), layers=3),
    "DepthScaled(of=normal, layers=12)": wf.DepthScaled(wf.Normal(), layers=12),
    "LayerScaled(Normal(std=0.02), '*.blocks.{i}.*')": wf.LayerScaled(wf.Normal(std=0.02), index="*.blocks.{i}.*"),
    "Blocks((zeros, Normal(std=0.1)), [2, 3])": wf.Blocks((wf.Zeros(), wf.Normal(std=0.1)), (2, 3)),
    "constant(1e-3)": wf.Constant(0.001),
}


@pytest.mark.parametrize("text", NAMED)
def test_text_stands_for_an_initializer(text):
    assert as_initializer(text) == NAMED[text]


@pytest.mark.parametrize("init", dict.fromkeys([*NAMED.values(), wf.TruncatedNormal(low=-1), wf.Dirac(2)]), ids=str)
def test_what_repr_prints_is_understood(init):
    assert as_initializer(repr(init)) == init


@pytest.mark.parametrize("name", wf.__all__)
def test_every_public_initializer_has_its_name(name):
    kind = getattr(wf, name)
    if not (isinstance(kind, type) and issubclass(kind, wf.Initializer)) or name in ("Initializer", "WholeTensor"):
        return
    needed = {"Constant": "(1)", "Padded": "(normal, 0)", "DepthScaled": "(normal, 2)", "LogUniform": "(1e-3, 0.1)"}
    needed["LayerScaled"] = "(normal)"
    needed["Values"] = "((1, 2.5))"
    needed["MuP"] = "(normal, (2, 3))"
    needed["Scaled"] = needed["Blocks"] = needed["Repeat"] = "(orthogonal, 2)"
    options = needed.get(name, "()")
    assert type(as_initializer(name + options)) is kind


def test_every_verb_and_plans_take_names():
    how = {"seed": 1, "stream": "w"}
    expected = wf.create((4, 3), wf.KaimingNormal(), **how)
    out = np.empty((4, 3), np.float32)
    assert_same_bits(wf.fill(out, "kaiming_normal", **how), expected)
    assert_same_bits(wf.create((4, 3), "he_normal", **how), expected)
    assert_same_bits(wf.fill_rows(out, "kaiming-normal", [2, 0, 1, 3], shape=(4, 3), **how), expected[[2, 0, 1, 3]])
    assert wf.verify(expected, "KaimingNormal()", **how)
    plan = wf.Plan({"*.bias": "zeros", "*": "kaiming_normal"}, seed=1)
    assert plan == wf.Plan({"*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=1)
    assert wf.Padded("normal", 0) == wf.Padded(wf.Normal(), 0)
    written = wf.Plan.from_toml('seed = 1\n[[rule]]\nmatch = "*"\ninit = "kaiming_normal"')
    assert written.rule("w").init == wf.KaimingNormal()


CALL = "init must be a name or a call such as 'KaimingNormal(mode=\"fan_out\")', got "
ERRORS = [
    ("kaiming", ValueError, "init must be the name of an initializer, got 'kaiming'; did you mean KaimingNormal or "),
    ("xavier", ValueError, "did you mean XavierNormal or XavierUniform?"),
    ("normla", ValueError, "init must be the name of an initializer, got 'normla'; did you mean Normal?"),
    ("random_normal", ValueError, "did you mean Normal?"),
    ("glorot", ValueError, "did you mean XavierNormal or XavierUniform?"),
    ("zzz", ValueError, "got 'zzz'; these are AlibiSlopes, Arange, Blocks, Constant, "),
    ("", ValueError, "init must be the name of an initializer, got ''; these are "),
    ("Layout(0, 1)", ValueError, "init must be the name of an initializer, got 'Layout'"),
    ("Normal(std=-1)", ValueError, "std must be at least 0, got -1.0"),
    ("Normal(std='a')", TypeError, "std must be a number, got 'a'"),
    ("Normal(std=1", ValueError, CALL + "'Normal(std=1'"),
    ("Normal(std=1).law((3,))", ValueError, CALL),
    ("Normal(std=1)(2)", ValueError, CALL),
    ("Normal(std=2*3)", ValueError, CALL),
    ("Normal(std=--3)", ValueError, CALL),
    ("Normal(**{})", ValueError, CALL),
    ("Normal(*[1])", ValueError, CALL),
    ("Normal(std=__import__('os').getpid())", ValueError, CALL),
    ("Normal(std=open('x'))", ValueError, "init must be the name of an initializer, got 'open'"),
    ("Normal(std=1j)", ValueError, CALL),
    ("Padded(np.Normal(), 0)", ValueError, CALL),
    ("Padded(wf.wf.Normal(), 0)", ValueError, CALL),
    ("Normal(std=b'1')", ValueError, CALL),
    ("Normal(\0)", ValueError, CALL),
    ("Normal(" + "(" * 900 + ")" * 90, ValueError, CALL),
    ("Normal(std=" + "-" * 900 + "1)", ValueError, CALL),
    ("Normal(" + "1," * 500 + ")", ValueError, "init must have at most 1,000 characters, got 1,008"),
]


@pytest.mark.parametrize(("text", "error", "message"), ERRORS, ids=[text[:40] for text, *_ in ERRORS])
def test_wrong_text_is_named_with_its_rule_and_the_nearest(text, error, message):
    with pytest.raises(error) as caught:
        wf.create(3, text, seed=1)
    assert message in str(caught.value)


def test_another_argument_is_named_as_it_is_called():
    with pytest.raises(ValueError, match="^--init must be the name of an initializer, got 'kaming_normal'; did you"):
        as_initializer("kaming_normal", "--init")
