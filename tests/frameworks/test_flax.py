"""weightfill.jax in the layers of Flax, NNX and Linen."""

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed")
pytest.importorskip("flax", reason="flax is not installed")

import numpy as np  # noqa: E402
from flax import linen, nnx  # noqa: E402
from jax import numpy as jnp  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.jax  # noqa: E402
from tests.bits import assert_same_bits  # noqa: E402

normal = weightfill.jax.initializer(wf.Normal(std=0.02), stream="w")


def test_nnx_layers_take_an_initializer():
    layer = nnx.Linear(5, 3, kernel_init=normal, bias_init=weightfill.jax.initializer(wf.Ones()), rngs=nnx.Rngs(0))
    assert_same_bits(layer.kernel[...], normal(nnx.Rngs(0).params(), (5, 3)))
    assert_same_bits(layer.bias[...], np.ones(3, np.float32))


def test_nnx_layers_made_under_jit_and_abstractly_agree_with_eager_ones():
    def make():
        return nnx.Linear(5, 3, kernel_init=normal, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0))

    assert_same_bits(nnx.jit(make)().kernel[...], make().kernel[...])
    assert nnx.eval_shape(make).kernel.shape == (5, 3)


def test_every_layer_that_nnx_vmap_stacks_has_its_own_weights():
    @nnx.split_rngs(splits=4)
    @nnx.vmap(in_axes=(0,), out_axes=0)
    def make(rngs):
        return nnx.Linear(5, 5, kernel_init=normal, rngs=rngs)

    @nnx.split_rngs(splits=4)
    @nnx.vmap(in_axes=(0,), out_axes=0)
    def keys(rngs):
        return rngs.params()

    @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
    def forward(x, layer):
        return layer(x)

    layers = make(nnx.Rngs(0))
    assert_same_bits(layers.kernel[...], jnp.stack([normal(key, (5, 5)) for key in keys(nnx.Rngs(0))]))
    expected = jnp.ones(5)
    for kernel in layers.kernel[...]:
        expected = expected @ kernel
    np.testing.assert_allclose(forward(jnp.ones(5), layers), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit], ids=str)
def test_nnx_partitions_what_an_initializer_returns_in_a_mesh(kind):
    with jax.set_mesh(jax.make_mesh((1,), ("model",), axis_types=(kind,))):
        kernel_init = nnx.with_partitioning(normal, (None, "model"))
        kernel = nnx.Linear(8, 4, kernel_init=kernel_init, rngs=nnx.Rngs(0)).kernel[...]
        key = nnx.Rngs(0).params()
    assert kernel.sharding.spec == jax.sharding.PartitionSpec(None, "model")
    assert_same_bits(kernel, normal(key, (8, 4)))


def test_linen_layers_take_an_initializer_eagerly_and_under_jit():
    model = linen.Dense(3, kernel_init=normal)
    variables = model.init(jax.random.key(7), jnp.ones((1, 5)))
    kernel = variables["params"]["kernel"]
    assert kernel.shape == (5, 3)
    assert float(jnp.abs(kernel).max()) > 0
    jitted = jax.jit(model.init)(jax.random.key(7), jnp.ones((1, 5)))
    assert_same_bits(jitted["params"]["kernel"], kernel)
    assert jax.eval_shape(model.init, jax.random.key(7), jnp.ones((1, 5)))["params"]["kernel"].shape == (5, 3)


def test_every_layer_that_linen_scan_stacks_has_its_own_weights():
    class Layer(linen.Module):
        @linen.compact
        def __call__(self, x, _):
            return linen.Dense(5, kernel_init=normal)(x), None

    stack = linen.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
    kernels = stack().init(jax.random.key(7), jnp.ones(5), None)["params"]["Dense_0"]["kernel"]
    assert kernels.shape == (3, 5, 5)
    assert len({np.asarray(kernel).tobytes() for kernel in kernels}) == 3
