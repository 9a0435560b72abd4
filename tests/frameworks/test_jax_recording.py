"""weightfill.jax.recorded_plan: a model's own initialization, from the program that JAX traces."""

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed")
pytest.importorskip("flax", reason="flax is not installed")

import numpy as np  # noqa: E402
from flax import linen, nnx  # noqa: E402
from jax import numpy as jnp  # noqa: E402
from scipy import stats  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.jax as wj  # noqa: E402

KEY = jax.random.key(7)
init = jax.nn.initializers


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, ids):
        x = linen.Embed(100, 16)(ids)
        x = linen.MultiHeadDotProductAttention(4)(x, x)
        x = linen.Dense(48, kernel_init=init.normal(0.02), bias_init=init.constant(0.5))(x)
        x = linen.Dense(32, param_dtype=jnp.bfloat16)(x)
        return linen.BatchNorm(use_running_average=False)(linen.LayerNorm()(x))


class Net(nnx.Module):
    def __init__(self, rngs):
        @nnx.split_rngs(splits=4)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def stack(rngs):
            return nnx.Linear(12, 20, kernel_init=init.glorot_uniform(), rngs=rngs)

        self.stack = stack(rngs)
        self.norm = nnx.BatchNorm(32, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.conv = nnx.Conv(3, 16, (3, 3), kernel_init=init.he_normal(), rngs=rngs)
        self.scale = nnx.Param(1 + 0.5 * jax.random.uniform(rngs.params(), (500,), minval=-1, maxval=2))
        self.steps = nnx.Variable(jnp.full((), 2**24 + 1, jnp.int32))
        self.tied = self.conv.kernel


def one(function, *, shape=(30, 40), dtype=jnp.float32, **arguments):
    """Return the recorded initializer of one parameter."""
    plan = wj.recorded_plan(lambda key: {"w": function(key, shape, dtype)}, KEY, seed=1, **arguments)
    return plan.rule("w").init


def assert_same_laws(plain, filled):
    """Constants are the same, and draws of the same distribution."""
    plain, filled = (jax.tree_util.tree_flatten_with_path(tree)[0] for tree in (plain, filled))
    assert len(plain) == len(filled) > 5
    for (path, theirs), (_, ours) in zip(plain, filled, strict=True):
        theirs, ours = (np.asarray(array, np.float64).ravel() for array in (theirs, ours))
        if len(np.unique(theirs)) < 3:
            assert (theirs == ours).all(), path
        else:
            assert (theirs != ours).any(), path
            assert stats.ks_2samp(theirs, ours).pvalue > 1e-4, path
            assert ours.std() == pytest.approx(theirs.std(), rel=5 / np.sqrt(theirs.size)), path


# Models


def test_a_model_of_linen_begins_as_its_plan_says():
    ids = jnp.zeros((1, 4), jnp.int32)
    plan = wj.recorded_plan(LinenNet().init, KEY, ids, seed=42)
    assert {rule.pattern: rule.init for rule in plan.rules} == {
        "*": wf.Zeros(),
        "*.scale": wf.Ones(),
        "Dense_0.bias": wf.Constant(0.5),
        "Dense_0.kernel": wf.Normal(std=0.02),
        "Dense_1.kernel": wf.LecunNormal(truncated=True, layout="jax"),
        "Embed_0.embedding": wf.Normal(std=0.25),
        "MultiHeadDotProductAttention_0.out.kernel": wf.LecunNormal(truncated=True, layout="jax"),
        "*.kernel": wf.TruncatedNormal(std=0.2842118),
    }
    abstract = jax.eval_shape(LinenNet().init, KEY, ids)
    assert_same_laws(jax.jit(LinenNet().init)(KEY, ids), wj.materialize(abstract, plan))


def test_a_module_of_nnx_begins_as_its_plan_says():
    def make():
        return Net(nnx.Rngs(0))

    plan = wj.recorded_plan(make, seed=42)
    assert plan.rule("scale").init == wf.Uniform(0.5, 2.0)
    assert plan.rule("conv.kernel").init == wf.KaimingNormal(truncated=True, layout="jax")
    assert plan.rule("stack.kernel").init == wf.Uniform(-0.4330127, 0.4330127)
    filled = wj.materialize(nnx.eval_shape(make), plan, key=KEY)
    assert int(filled.steps[...]) == 2**24 + 1
    assert_same_laws(nnx.state(nnx.jit(make)(), nnx.Param, nnx.BatchStat), nnx.state(filled, nnx.Param, nnx.BatchStat))


def test_nothing_of_the_size_of_a_parameter_is_made():
    huge = (10**7, 10**6)
    assert one(init.lecun_normal(), shape=huge) == wf.LecunNormal(truncated=True, layout="jax")
    assert one(init.ones, shape=huge) == wf.Ones()


# Initializers


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (init.zeros, wf.Zeros()),
        (init.constant(0.1), wf.Constant(0.1)),
        (init.normal(0.02), wf.Normal(std=0.02)),
        (init.uniform(0.5), wf.Uniform(0, 0.5)),
        (init.truncated_normal(0.02), wf.TruncatedNormal(std=0.02)),
        (init.truncated_normal(0.02, lower=-1.0, upper=3.0), wf.TruncatedNormal(std=0.02, low=-0.02, high=0.06)),
        (init.lecun_normal(), wf.LecunNormal(truncated=True, layout="jax")),
        (init.he_normal(), wf.KaimingNormal(truncated=True, layout="jax")),
        (init.glorot_normal(), wf.XavierNormal(truncated=True, layout="jax")),
        (init.lecun_uniform(), wf.LecunUniform(layout="jax")),
        (init.he_uniform(), wf.KaimingUniform(layout="jax")),
        (init.glorot_uniform(), wf.XavierUniform(layout="jax")),
        (init.variance_scaling(1.0, "fan_in", "normal", out_axis=0), wf.Normal(std=0.15811388)),
    ],
)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.checkpoint], ids=["plain", "jit", "checkpoint"])
def test_initializers_of_jax_are_recorded(theirs, ours, wrap):
    assert one(lambda key, shape, dtype: wrap(lambda key: theirs(key, shape, dtype))(key)) == ours


def test_numbers_of_16_bits_are_those_that_jax_computes():
    assert one(init.lecun_normal(), dtype=jnp.bfloat16) == wf.LecunNormal(truncated=True, layout="jax")
    assert one(init.normal(0.02), dtype=jnp.bfloat16) == wf.Normal(std=0.020019531)  # bfloat16(0.02)


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        (lambda x: -x, wf.Uniform(-2.0, 1.0)),
        (lambda x: x * 2 + 1, wf.Uniform(-1.0, 5.0)),
        (lambda x: 1 - x, wf.Uniform(-1.0, 2.0)),
        (lambda x: (x - 1) / 4, wf.Uniform(-0.5, 0.25)),
        (lambda x: x * 0 + 3, wf.Constant(3.0)),
        (lambda x: x.T.reshape(20, 60).astype(jnp.bfloat16), wf.Uniform(-1.0, 2.0)),
        (lambda x: jax.lax.stop_gradient(x[None]), wf.Uniform(-1.0, 2.0)),
    ],
)
def test_arithmetic_with_numbers_is_followed(change, ours):
    assert one(lambda key, shape, dtype: change(jax.random.uniform(key, shape, dtype, -1, 2))) == ours


def test_raw_keys_and_keys_from_within_are_keys():
    plan = wj.recorded_plan(lambda key: {"w": jax.random.normal(key, (3,))}, jax.random.PRNGKey(1), seed=1)
    assert plan.rule("w").init == wf.Normal()
    plan = wj.recorded_plan(lambda: [jax.random.normal(k, (3,)) for k in jax.random.split(KEY)], seed=1)
    assert plan.rule("1").init == wf.Normal()


# Refusals


def _normal(key):
    return jax.random.exponential(key, (3,))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda key: init.orthogonal()(key, (4, 4)), "computed by qr"),
        (lambda key: jax.jit(_normal)(key), "computed by"),
        (lambda key: jax.random.normal(key, (3,)) ** 2, "computed by"),
        (lambda key: jnp.arange(3.0), "computed by iota"),
        (lambda key: jax.random.normal(key, (3,)).at[0].set(0), "computed by scatter"),
        (lambda key: jnp.broadcast_to(jax.random.normal(key, (3,)), (2, 3)), "with the same values several times"),
        (lambda key: jnp.ones((2, 3)) * jax.random.normal(key, ()), "with the same values several times"),
        (lambda key: jax.random.uniform(key) - jnp.zeros(3), "with the same values several times"),
        (lambda key: jax.random.uniform(key, (3,), minval=1, maxval=0), "computed by"),
        (lambda key: jax.random.truncated_normal(key, 1.0, -1.0, (3,)), "computed by"),
        (lambda key: jax.vmap(lambda _: jax.random.normal(key, (3,)))(jnp.ones(2)), "with the same values several"),
        (lambda key: jax.vmap(lambda k: jax.random.normal(k, (3,)))(jnp.stack([key, key])), "computed by"),
        (lambda key: jax.vmap(lambda low: jax.random.uniform(key, (3,), minval=low))(jnp.zeros(2)), "computed by"),
        (
            lambda key: jax.vmap(lambda n: jax.random.normal(jax.random.fold_in(key, n)))(jnp.zeros(2, int)),
            "computed by",
        ),
        (lambda key: jax.vmap(lambda n: jax.random.normal(jax.random.key(n)))(jnp.zeros(2, int)), "computed by"),
        (lambda key: jnp.full(3, jnp.inf), "for which value must be finite"),
        (lambda key: jnp.zeros(3, jnp.int32), "of int32, which is not drawn"),
        (lambda key: jnp.asarray(np.array([1.0, 2.0])), "with numbers from outside"),
        (lambda key: jax.random.normal(key, (3,), jnp.complex64), "computed by"),
    ],
)
def test_what_no_initializer_says_is_refused_by_name(make, why):
    begin = "make must return parameters that initializers describe, got 'w', "
    with pytest.raises(ValueError, match=rf"^{begin}{why}.*rules="):
        wj.recorded_plan(lambda key: {"w": make(key)}, KEY, seed=1)


def test_parameters_with_common_values_are_refused():
    def twice(key):
        first = jax.random.normal(key, (3,))
        return {"a": first, "b": first * 2}

    def same_key(key):
        return {"a": jax.random.normal(key, (3,)), "b": jax.random.uniform(key, (3,))}

    for make in (twice, same_key):
        with pytest.raises(ValueError, match="got 'b', drawn with the key of 'a'"):
            wj.recorded_plan(make, KEY, seed=1)


@pytest.mark.parametrize(
    "made",
    [
        lambda key, i: jax.random.split(key)[i],
        lambda key, i: jax.random.split(key, 3)[1 + i],
        lambda key, i: jax.random.fold_in(key, i),
        lambda key, i: jax.random.key(i),
        lambda key, i: jax.random.PRNGKey(i),
        lambda key, i: jax.random.fold_in(jax.random.wrap_key_data(jax.random.key_data(key)), i),
        lambda key, i: jax.jit(jax.random.split)(jax.random.fold_in(jax.random.clone(key), i))[0],
    ],
)
def test_keys_that_are_made_alike_are_alike(made):
    def make(key, second):
        return {"a": jax.random.normal(made(key, 0), (3,)), "b": jax.random.normal(made(key, second), (3,))}

    assert {rule.init for rule in wj.recorded_plan(lambda key: make(key, 1), KEY, seed=1).rules} == {wf.Normal()}
    with pytest.raises(ValueError, match="got 'b', drawn with the key of 'a'"):
        wj.recorded_plan(lambda key: make(key, 0), KEY, seed=1)


def test_long_chains_of_keys_are_followed():
    def make(key):
        weights = {}
        for i in range(100):
            key, own = jax.random.split(key)
            weights[f"w{i}"] = jax.random.normal(own, (3,))
        return weights

    assert {rule.init for rule in wj.recorded_plan(make, KEY, seed=1).rules} == {wf.Normal()}


def test_rules_of_one_s_own_come_first():
    def make(key):
        return {"o": init.orthogonal()(key, (4, 4)), "b": jnp.zeros(4)}

    plan = wj.recorded_plan(make, KEY, seed=1, rules={"o": wf.Orthogonal(axis=-1)})
    assert [(rule.pattern, rule.init) for rule in plan.rules] == [("o", wf.Orthogonal(axis=-1)), ("b", wf.Zeros())]
    with pytest.raises(ValueError, match=r"^rules must all match a parameter, got 'kernl', which matches none; "):
        wj.recorded_plan(make, KEY, seed=1, rules={"o": wf.Orthogonal(axis=-1), "kernl": wf.Ones()})


@pytest.mark.parametrize("model", [nnx.Linear(2, 3, rngs=nnx.Rngs(0)), linen.Dense(3)], ids=["nnx", "linen"])
def test_a_model_in_place_of_a_function_is_refused(model):
    with pytest.raises(
        TypeError, match=r"^make must be a function that returns a model, got the (Linear|Dense) itself; "
    ):
        wj.recorded_plan(model, KEY, seed=1)


def test_values_computed_from_arguments_are_refused():
    with pytest.raises(ValueError, match="got 'w', computed from an argument"):
        wj.recorded_plan(lambda x: {"w": x * 2}, jnp.ones(3), seed=1)


def test_make_must_be_a_function():
    with pytest.raises(TypeError, match="^make must be a function that returns a model, got 3"):
        wj.recorded_plan(3, seed=1)
