import copy
import math
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import weightfill as wf
from tests.initializers.documented import table
from tests.public import PUBLIC
from weightfill._initializers import schemes
from weightfill._initializers.fans import Fans, Layout
from weightfill._initializers.gains import GAINS, gain
from weightfill._initializers.scaling import DISTRIBUTIONS, TRUNCATED_STD, VarianceScaling
from weightfill._initializers.schemes import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    ScaledNormal,
    StandardUniform,
    XavierNormal,
    XavierUniform,
)

SHAPE = (96, 24, 3, 5)  # fan_in = 360, fan_out = 1440
LAWS = [
    (XavierUniform(), wf.Uniform(-math.sqrt(6 / 1800), math.sqrt(6 / 1800))),
    (XavierUniform(2), wf.Uniform(-2 * math.sqrt(6 / 1800), 2 * math.sqrt(6 / 1800))),
    (XavierUniform("logistic"), wf.Uniform(-4 * math.sqrt(6 / 1800), 4 * math.sqrt(6 / 1800))),
    (XavierNormal(), wf.Normal(0, math.sqrt(2 / 1800))),
    (XavierNormal("tanh"), wf.Normal(0, 5 / 3 * math.sqrt(2 / 1800))),
    (XavierNormal(truncated=True), wf.TruncatedNormal(0, math.sqrt(2 / 1800) / TRUNCATED_STD, 2)),
    (KaimingUniform(), wf.Uniform(-math.sqrt(6 / 360), math.sqrt(6 / 360))),
    (KaimingUniform(1, "fan_out"), wf.Uniform(-math.sqrt(3 / 1440), math.sqrt(3 / 1440))),
    (KaimingUniform(gain("leaky_relu", math.sqrt(5))), wf.Uniform(-1 / math.sqrt(360), 1 / math.sqrt(360))),
    (KaimingNormal(), wf.Normal(0, math.sqrt(2 / 360))),
    (KaimingNormal("selu", "fan_out"), wf.Normal(0, 0.75 / math.sqrt(1440))),
    (KaimingNormal(truncated=True), wf.TruncatedNormal(0, math.sqrt(2 / 360) / TRUNCATED_STD, 2)),
    (KaimingNormal(1, "fan_avg"), wf.Normal(0, 1 / math.sqrt(900))),
    (KaimingNormal(1, "fan_geo_avg"), wf.Normal(0, 1 / math.sqrt(720))),
    (LecunUniform(), wf.Uniform(-math.sqrt(3 / 360), math.sqrt(3 / 360))),
    (LecunNormal(), wf.Normal(0, 1 / math.sqrt(360))),
    (LecunNormal(truncated=True), wf.TruncatedNormal(0, 1 / math.sqrt(360) / TRUNCATED_STD, 2)),
    (ScaledNormal(), wf.Normal(0, 1 / math.sqrt(360))),
    (ScaledNormal(0.5), wf.Normal(0, 0.5 / math.sqrt(360))),
    (StandardUniform(), wf.Uniform(-1 / math.sqrt(360), 1 / math.sqrt(360))),
    (VarianceScaling(), wf.TruncatedNormal(0, 1 / math.sqrt(360) / TRUNCATED_STD, 2)),
    (VarianceScaling(3, "fan_out", "uniform"), wf.Uniform(-math.sqrt(9 / 1440), math.sqrt(9 / 1440))),
    (VarianceScaling(3, "fan_avg", "normal"), wf.Normal(0, math.sqrt(3 / 900))),
    (VarianceScaling(3, "fan_geo_avg", "normal"), wf.Normal(0, math.sqrt(3 / 720))),
    (KaimingNormal(groups=4), wf.Normal(0, math.sqrt(2 / 360))),
    (KaimingNormal(mode="fan_out", groups=4), wf.Normal(0, math.sqrt(2 / 360))),
    (LecunNormal(layout=Layout(0, 1)), wf.Normal(0, 1 / math.sqrt(1440))),
    (LecunNormal(layout="torch_transposed", groups=4), wf.Normal(0, 1 / math.sqrt(360))),
    (LecunNormal(layout="keras"), wf.Normal(0, 1 / math.sqrt(96 * 24 * 3))),
]
SCHEMES = [scheme for scheme, _ in LAWS]
CLASSES = sorted({type(scheme) for scheme in SCHEMES}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize(("scheme", "expected"), LAWS, ids=str)
def test_law_of_a_scheme_is_that_of_its_formula(scheme, expected):
    law = scheme.law(SHAPE)
    assert type(law) is type(expected)
    for name in type(law).__match_args__:
        assert getattr(law, name) == pytest.approx(getattr(expected, name), rel=4e-16)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_a_scheme_is_the_variance_scaling_that_it_names(scheme):
    assert type(scheme.scaling) is VarianceScaling
    assert scheme.scaling.scaling == scheme.scaling
    assert scheme.scaling.law(SHAPE) == scheme.law(SHAPE)
    assert scheme.scaling.fans(SHAPE) == scheme.fans(SHAPE)


def test_the_correction_of_truncation_is_the_deviation_that_the_cut_leaves():
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    assert math.sqrt(1 - 4 * density / math.erf(math.sqrt(2))) == pytest.approx(TRUNCATED_STD, rel=2e-16)


@pytest.mark.parametrize("row", table("Schemes")[1:9], ids=lambda row: row[0])
def test_table_of_schemes_in_the_documentation_is_right(row):
    call, _, variance, scaling, _ = row
    scheme = eval(call, vars(schemes))
    names = {"gain": getattr(scheme, "gain", None), "fan_in": 360, "fan_avg": 900, "n": 360}
    named = eval(scaling, {**vars(schemes), **names})
    assert scheme.scaling == named
    assert eval(variance.replace("^", "**"), names) == pytest.approx(named.scale / names[named.mode], rel=1e-14)


def test_aliases_are_the_same_classes():
    assert (GlorotUniform, GlorotNormal) == (XavierUniform, XavierNormal)
    assert (HeUniform, HeNormal) == (KaimingUniform, KaimingNormal)


REPRS = {
    "VarianceScaling(scale=1.0, mode='fan_in', distribution='truncated_normal')": VarianceScaling(),
    "VarianceScaling(scale=2.0, mode='fan_out', distribution='uniform')": VarianceScaling(2, "fan_out", "uniform"),
    "XavierUniform(gain=1.0)": XavierUniform(),
    "XavierUniform(gain=4.0, layout='keras')": XavierUniform("logistic", layout="keras"),
    "XavierNormal(gain=1.0, truncated=False)": XavierNormal(),
    "KaimingUniform(gain=1.4142135623730951, mode='fan_in')": KaimingUniform(),
    "KaimingNormal(gain=0.5, mode='fan_in', truncated=True, groups=8)": KaimingNormal(0.5, truncated=True, groups=8),
    "LecunUniform()": LecunUniform(),
    "LecunUniform(layout=Layout(in_axis=0, out_axis=(1, 2), batch_axis=(), group_axis=None))": LecunUniform(
        layout=Layout(0, (1, 2))
    ),
    "LecunNormal(truncated=False)": LecunNormal(),
    "ScaledNormal(gain=1.0)": ScaledNormal(),
    "StandardUniform()": StandardUniform(),
    "StandardUniform(groups=2)": StandardUniform(groups=2),
}


@pytest.mark.parametrize(("text", "scheme"), REPRS.items())
def test_repr_is_the_call_that_makes_it(text, scheme):
    assert repr(scheme) == text
    assert eval(text, PUBLIC) == scheme


def test_different_schemes_are_unequal():
    assert len(set(REPRS.values())) == len(REPRS)


@pytest.mark.parametrize("scheme", REPRS.values(), ids=str)
def test_schemes_are_values(scheme):
    for same in (pickle.loads(pickle.dumps(scheme)), copy.copy(scheme), copy.deepcopy(scheme)):
        assert same == scheme
        assert hash(same) == hash(scheme)
    assert not hasattr(scheme, "__dict__")
    with pytest.raises((FrozenInstanceError, TypeError)):
        scheme.groups = 2


def test_parameters_of_any_number_type_become_plain_ones():
    scheme = KaimingNormal(np.float32(2), groups=np.int64(2))
    assert scheme == KaimingNormal(2.0, groups=2)
    assert type(scheme.gain) is float
    assert type(scheme.groups) is int
    assert type(VarianceScaling(2).scale) is float


@pytest.mark.parametrize("name", GAINS)
def test_every_nonlinearity_is_a_gain_by_name(name):
    assert XavierNormal(name) == XavierNormal(GAINS[name])


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_layout_and_groups_are_keywords_of_every_scheme(kind):
    scheme = kind(layout="torch_transposed", groups=4)
    assert scheme.fans((64, 32, 3, 3)) == Fans(144, 288)
    assert kind(layout="keras").fans((784, 256)) == (784, 256)


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_a_window_has_the_fans_of_the_whole_tensor(scheme):
    how = {"seed": 7, "stream": "conv.weight"}
    whole = wf.create(SHAPE, scheme, **how)
    for start in ((0, 0, 0, 0), (3, 4, 1, 2), (90, 20, 0, 0)):
        part = wf.fill(np.empty((5, 4, 2, 3), np.float32), scheme, shape=SHAPE, start=start, **how)
        place = tuple(slice(first, first + size) for first, size in zip(start, part.shape, strict=True))
        np.testing.assert_array_equal(part, whole[place], err_msg=str(start))


@pytest.mark.parametrize("scheme", [KaimingNormal(), LecunUniform(), XavierUniform(layout=Layout(-1, (), 0))], ids=str)
def test_rows_of_an_open_table_are_filled_where_the_fan_is_known(scheme):
    closed, opened = (
        wf.fill_rows(np.empty((2, 128), np.float32), scheme, [5, 10**12], seed=1, shape=shape)
        for shape in ((10**13, 128), (None, 128))
    )
    np.testing.assert_array_equal(opened, closed)


@pytest.mark.parametrize(
    ("scheme", "mode"),
    [
        (XavierUniform(), "fan_avg"),
        (KaimingNormal(mode="fan_out"), "fan_out"),
        (VarianceScaling(mode="fan_geo_avg"), "fan_geo_avg"),
        (LecunNormal(layout="keras"), "fan_in"),
    ],
    ids=str,
)
def test_an_open_dimension_that_decides_the_fan_is_an_error(scheme, mode):
    message = (
        f"shape must have a known first dimension for {mode} in this layout, got (None, 128); "
        "give the whole shape, or choose a mode or layout that does not need it"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scheme.law((None, 128))


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_empty_tensors_of_any_shape_are_fine(scheme):
    for shape in ((0, 24, 3, 4), (96, 0, 3, 4), (96, 24, 0, 4), (0, 0, 0, 0)):
        assert wf.create(shape, scheme, seed=1).shape == shape


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_vectors_are_sent_to_laws_that_need_no_fans(kind):
    message = "shape must have at least 2 dimensions to count fans, got (5,); use Normal or Uniform for vectors"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        wf.create(5, kind(), seed=1)


def test_fans_of_the_largest_tensors_do_not_overflow():
    assert LecunNormal().law((2**32, 2**31)) == wf.Normal(0, 2**-15.5)
    assert VarianceScaling(1, "fan_geo_avg", "normal").law((2**40, 2**22)) == wf.Normal(0, 2**-15.5)
    assert XavierNormal().law((2**63, 1)).std == pytest.approx(2**-31)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_the_extreme_scales_have_a_law_for_the_extreme_fans(distribution, scale):
    for shape in ((2, 2), (2**32, 2**32)):
        law = VarianceScaling(scale, "fan_avg", distribution).law(shape)
        spread = law.high if isinstance(law, wf.Uniform) else law.std
        assert 0 < spread < math.inf


ERRORS = [
    (lambda: VarianceScaling("1"), TypeError, "scale must be a number, got '1'"),
    (lambda: VarianceScaling(True), TypeError, "scale must be a number, got True"),
    (lambda: VarianceScaling(math.nan), ValueError, "scale must be finite, got nan"),
    (lambda: VarianceScaling(0), ValueError, "scale must be greater than 0, from 1e-250 to 1e+250, got 0.0"),
    (lambda: VarianceScaling(-1.0), ValueError, "scale must be greater than 0, from 1e-250 to 1e+250, got -1.0"),
    (lambda: VarianceScaling(1e-300), ValueError, "scale must be greater than 0, from 1e-250 to 1e+250, got 1e-300"),
    (
        lambda: VarianceScaling(1, "fanin"),
        ValueError,
        "mode must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fanin'; did you mean 'fan_in'?",
    ),
    (lambda: VarianceScaling(1, 3), TypeError, "mode must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', "),
    (
        lambda: VarianceScaling(1, "fan_in", "trunc_normal"),
        ValueError,
        "distribution must be one of 'normal', 'truncated_normal', 'uniform', got 'trunc_normal'; "
        "did you mean 'truncated_normal'?",
    ),
    (lambda: VarianceScaling(layout="pytorch"), ValueError, "got 'pytorch'; did you mean 'torch'?"),
    (lambda: VarianceScaling(layout=None), TypeError, "layout must be one of 'torch', "),
    (lambda: VarianceScaling(groups=0), ValueError, "groups must be at least 1, got 0"),
    (lambda: VarianceScaling(groups=2.0), TypeError, "groups must be an integer, got 2.0"),
    (lambda: XavierUniform(0), ValueError, "gain must be greater than 0, from 1e-120 to 1e+120, got 0.0"),
    (lambda: XavierUniform(1e200), ValueError, "gain must be greater than 0, from 1e-120 to 1e+120, got 1e+200"),
    (lambda: XavierNormal(math.inf), ValueError, "gain must be finite, got inf"),
    (lambda: XavierNormal(None), TypeError, "gain must be a number, got None"),
    (lambda: XavierNormal("rleu"), ValueError, "'swish', got 'rleu'; did you mean 'relu'?"),
    (lambda: XavierNormal("fan_out"), ValueError, "gain must be one of 'linear', "),
    (lambda: KaimingNormal("fan_out"), ValueError, "gain must not be a name of mode, got 'fan_out'; write mode='fan_"),
    (lambda: KaimingUniform(2, "keras"), ValueError, "mode must not be a name of layout, got 'keras'; write layout='k"),
    (lambda: XavierNormal("torch"), ValueError, "gain must not be a name of layout, got 'torch'; write layout='torch'"),
    (lambda: VarianceScaling("fan_in"), ValueError, "scale must not be a name of mode, got 'fan_in'; write mode='fan"),
    (lambda: VarianceScaling(1, "normal"), ValueError, "write distribution='normal'"),
    (lambda: KaimingNormal(gain="geluu"), ValueError, "gain must be one of 'linear', "),
    (lambda: KaimingNormal("swihs"), ValueError, "got 'swihs'; did you mean 'swish'?"),
    (lambda: XavierNormal(truncated=1), TypeError, "truncated must be True or False, got 1"),
    (lambda: KaimingNormal(mode="fan-in"), ValueError, "got 'fan-in'; did you mean 'fan_in'?"),
    (lambda: LecunNormal("yes"), TypeError, "truncated must be True or False, got 'yes'"),
    (lambda: StandardUniform(layout="torchtransposed"), ValueError, "did you mean 'torch_transposed'?"),
    (lambda: ScaledNormal(groups=3).law((4, 4)), ValueError, "groups must divide the 4 channels along axis 0 of shape"),
    (lambda: wf.create((4, 4), XavierUniform, seed=1), TypeError, "got the class XavierUniform"),
    (lambda: wf.create((4, 4), XavierUniform()), TypeError, "seed must be"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS)
def test_wrong_arguments_are_named_in_the_message(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()
