"""weightfill.jax: the bits of weightfill.create, however JAX asks for them, and the laws of jax.nn.initializers."""

import gc
import hashlib
import pickle
import subprocess
import sys

import pytest

from tests.bits import assert_same_bits
from tests.repository import ROOT

jax = pytest.importorskip("jax", reason="jax is not installed")

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
from jax import numpy as jnp  # noqa: E402
from jax.nn import initializers as jax_initializers  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.jax  # noqa: E402

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2]
INITS = [
    wf.Normal(std=0.02),
    wf.XavierNormal(truncated=True, layout="jax"),
    wf.Sparse(connections=3),
    wf.Identity(),
    wf.Constant(0.1),
    wf.Orthogonal(axis=-1),
]
normal = weightfill.jax.initializer(wf.Normal(std=0.02), stream="w")


@pytest.fixture
def x64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def words_of(seed):
    return np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)


# Bits


@pytest.mark.parametrize("init", INITS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_eager_and_jit_give_the_bits_of_weightfill_create(init, dtype):
    f = weightfill.jax.initializer(init, stream="w")
    key = jax.random.key(42)
    expected = wf.create((30, 50), init, seed=42, stream="w", dtype=dtype)
    assert_same_bits(f(key, (30, 50), dtype), expected)
    assert_same_bits(jax.jit(lambda key: f(key, (30, 50), dtype))(key), expected)
    assert_same_bits(weightfill.jax.create((30, 50), init, seed=42, stream="w", dtype=dtype), expected)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), 7, (2, 3, 5), (3_000_001,), (3, 700_001), (1025, 1025)])
def test_any_shape_has_the_same_bits_at_once_and_in_slabs_under_jit(shape):
    expected = wf.create(shape, normal.init, seed=3, stream="w")
    assert_same_bits(normal(jax.random.key(3), shape), expected)
    assert_same_bits(jax.jit(lambda key: normal(key, shape))(jax.random.key(3)), expected)


def test_float64_is_filled_where_x64_is_enabled(x64):
    expected = wf.create((30, 50), normal.init, seed=42, stream="w", dtype=np.float64)
    assert_same_bits(normal(jax.random.key(42), (30, 50), np.float64), expected)
    assert_same_bits(normal(jax.random.key(42), (30, 50)), expected)
    assert_same_bits(jax.jit(lambda key: normal(key, (30, 50)))(jax.random.key(42)), expected)


@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1, 2**32, 2**63 + 5, 2**64 - 1])
def test_the_seed_is_the_number_that_the_two_words_of_a_key_are(seed):
    expected = wf.create((4, 3), normal.init, seed=seed, stream="w")
    words = words_of(seed)
    for key in (words, jnp.asarray(words), jax.random.wrap_key_data(words, impl="threefry2x32")):
        assert_same_bits(normal(key, (4, 3)), expected)
        assert_same_bits(jax.jit(lambda key: normal(key, (4, 3)))(key), expected)
    assert_same_bits(weightfill.jax.create((4, 3), normal.init, seed=seed, stream="w"), expected)


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_the_seed_of_a_longer_key_is_a_hash_of_its_words(impl):
    key = jax.random.key(42, impl=impl)
    data = np.asarray(jax.random.key_data(key)).astype("<u4").tobytes()
    seed = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    expected = wf.create((4, 3), normal.init, seed=seed, stream="w")
    assert_same_bits(normal(key, (4, 3)), expected)
    assert_same_bits(jax.jit(lambda key: normal(key, (4, 3)))(key), expected)


def test_the_seed_of_a_hashed_key_is_fixed():
    assert weightfill.jax.seed_of(np.array([0, 5, 0, 5], np.uint32)) == 0x20F6750021196007


# Transformations


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("shape", [(5, 3), (1_200_000,)], ids=str)
def test_every_key_of_a_vmap_gives_its_own_values(wrap, shape):
    keys = jax.random.split(jax.random.key(1), (2, 2))
    stacked = wrap(jax.vmap(jax.vmap(lambda key: normal(key, shape))))(keys)
    for row, column in np.ndindex(2, 2):
        assert_same_bits(stacked[row, column], normal(keys[row, column], shape))


def test_equal_vmaps_outside_of_jit_compile_once(caplog):
    def stacked():
        return jax.vmap(lambda key: normal(key, (5,)))(jax.random.split(jax.random.key(1), 3))

    with jax.log_compiles():
        stacked()
        assert "Compiling" in caplog.text
        caplog.clear()
        stacked()
        assert "Compiling" not in caplog.text


def test_a_key_that_a_vmap_outside_of_jit_closes_over_gives_all_the_same_values():
    expected = np.tile(wf.create(4, normal.init, seed=1, stream="w"), (3, 1))
    assert_same_bits(jax.vmap(lambda x: normal(KEY, (4,)) * x)(jnp.ones(3)), expected)


def test_scan_over_keys_gives_each_its_own_values():
    keys = jax.random.split(jax.random.key(1), 3)
    _, stacked = jax.lax.scan(lambda carry, key: (carry, normal(key, (5, 3))), None, keys)
    assert_same_bits(stacked, jnp.stack([normal(key, (5, 3)) for key in keys]))


@pytest.mark.parametrize("key", [None, jax.random.key(1)], ids=["traced key", "closed-over key"])
def test_eval_shape_fills_nothing(filled, key):
    huge = (10**6, 10**6)
    shape = jax.eval_shape(lambda traced: normal(traced if key is None else key, huge, jnp.bfloat16), jax.random.key(1))
    assert (shape.shape, shape.dtype) == (huge, jnp.bfloat16)
    assert jax.eval_shape(lambda: weightfill.jax.create(huge, normal.init, seed=1)).shape == huge
    assert filled == []


def test_a_key_that_jit_closes_over_is_filled_when_the_program_runs(filled):
    run = jax.jit(lambda: normal(jax.random.key(1), (4, 3))).lower().compile()
    assert filled == []
    assert_same_bits(run(), normal(jax.random.key(1), (4, 3)))
    assert len(filled) == 2


def test_constants_need_neither_key_nor_callback():
    f = weightfill.jax.initializer(wf.Constant(0.1))
    assert_same_bits(f(None, (3,), jnp.bfloat16), wf.create(3, wf.Constant(0.1), dtype="bfloat16"))
    assert "callback" not in str(jax.make_jaxpr(lambda: f(None, (3,)))())


def test_identity_needs_no_key():
    f = weightfill.jax.initializer(wf.Identity())
    assert_same_bits(jax.jit(lambda: f(None, (3, 4)))(), np.eye(3, 4, dtype=np.float32))


def test_biases_that_a_vmap_in_a_mesh_closes_over_may_be_constrained():
    zeros = weightfill.jax.initializer(wf.Zeros())

    def biased(x):
        return x + jax.lax.with_sharding_constraint(zeros(None, (4,)), jax.sharding.PartitionSpec("x"))

    with jax.set_mesh(jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))):
        assert_same_bits(jax.vmap(biased)(jnp.ones((3, 4))), np.ones((3, 4), np.float32))


def test_gradients_flow_past_an_initializer():
    def loss(x, key):
        return (normal(key, (4,)) * x).sum()

    gradient = jax.jit(jax.grad(loss))(jnp.ones(4), jax.random.key(1))
    assert_same_bits(gradient, normal(jax.random.key(1), (4,)))


# Memory


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", [(3,), (1000, 33), (3000, 1000)], ids=str)
def test_the_filled_memory_is_the_memory_of_the_array(filled, shape, dtype):
    eager = normal(jax.random.key(1), shape, dtype)
    created = weightfill.jax.create(shape, normal.init, seed=1, dtype=dtype)
    assert [eager.unsafe_buffer_pointer(), created.unsafe_buffer_pointer()] == filled


def test_nobody_can_write_to_the_memory_of_an_array():
    view = np.asarray(normal(jax.random.key(1), (1000, 1000)))
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.flags.writeable = True


def test_the_memory_of_an_array_outlives_all_else():
    array = normal(jax.random.key(1), (3000, 1000))
    gc.collect()
    others = [normal(jax.random.key(seed), (3000, 1000)) for seed in range(2, 6)]
    assert_same_bits(array, wf.create((3000, 1000), normal.init, seed=1, stream="w"))
    assert len(others) == 4


def test_a_donated_array_leaves_other_holders_of_its_memory_alone():
    device = jax.devices()[0]
    mesh = jax.sharding.Mesh(np.array([device]), ("x",))
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    array = weightfill.jax.create((1000,), normal.init, seed=1, stream="w", sharding=replicated)
    view = np.asarray(array)
    before = view.copy()
    jax.block_until_ready(jax.jit(lambda x: x + 1, donate_argnums=0)(array))
    assert_same_bits(view, before)


PEAK = """
import jax, numpy as np, weightfill as wf, weightfill.jax
from tests.frameworks.jax_devices import peak_growth
f = weightfill.jax.initializer(wf.Normal())
make = {
    "create": lambda shape: weightfill.jax.create(shape, wf.Normal(), seed=1),
    "eager": lambda shape: f(jax.random.key(1), shape),
    "jit": lambda shape: jax.jit(f, static_argnums=(1, 2))(jax.random.key(1), shape, np.float32),
}
print(peak_growth(make["WAY"]) >> 20)
"""


@pytest.mark.parametrize("way", ["create", "eager", "jit"])
def test_256_mb_need_256_mb_and_at_most_32_more(way):
    grown = int(run_python("-c", PEAK.replace("WAY", way)))
    assert 250 <= grown <= 256 + 32


def test_an_array_for_which_there_is_no_memory_is_named():
    with pytest.raises(MemoryError, match=r"shape \(1099511627776, 128\) and dtype bfloat16"):
        normal(KEY, (2**40, 128), jnp.bfloat16)


@pytest.mark.parametrize("shape", [(0, 2**64), (0, 2**63), (2**63, 1)])
def test_dimensions_beyond_the_address_space_are_a_memory_error(shape):
    with pytest.raises(MemoryError, match="no memory for an array of shape"):
        weightfill.jax.create(shape, wf.Normal(), seed=1)


# Many devices


@pytest.mark.parametrize(
    "check", ["eager", "compiled", "fills", "errors", "memory", "concurrent", "places", "specs", "vmap", "models"]
)
def test_eight_devices_hold_the_parts_of_the_whole(check):
    assert run_python("-m", "tests.frameworks.jax_devices", check) == "done\n"


def run_python(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# What an initializer is


def test_an_initializer_is_hashable_comparable_and_picklable():
    same = weightfill.jax.initializer(wf.Normal(std=0.02), stream="w")
    assert same == normal
    assert hash(same) == hash(normal)
    assert same != weightfill.jax.initializer(wf.Normal(std=0.02))
    assert pickle.loads(pickle.dumps(normal)) == normal
    assert isinstance(normal, jax_initializers.Initializer)
    assert "Normal(mean=0.0, std=0.02)" in repr(normal)


def test_an_initializer_can_be_a_static_argument():
    run = jax.jit(lambda f, key: f(key, (4, 3)), static_argnums=0)
    assert_same_bits(run(normal, jax.random.key(1)), normal(jax.random.key(1), (4, 3)))


def test_jit_takes_an_initializer_itself():
    run = jax.jit(normal, static_argnums=(1, 2))
    assert_same_bits(run(jax.random.key(1), (4, 3), jnp.float16), normal(jax.random.key(1), (4, 3), jnp.float16))


# Errors

KEY = jax.random.key(1)
MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("x",))
TOO_MANY_AXES = jax.sharding.NamedSharding(MESH, jax.sharding.PartitionSpec(None, None, "x"))
ERRORS = {
    "init": (lambda: weightfill.jax.initializer(0.02), TypeError, "init must be an initializer such as"),
    "class": (lambda: weightfill.jax.initializer(wf.Normal), TypeError, r"write Normal\(...\)"),
    "stream": (lambda: weightfill.jax.initializer(wf.Normal(), stream=3), TypeError, "stream must be a string, got 3"),
    "threads": (lambda: weightfill.jax.initializer(wf.Normal(), threads=0), ValueError, "threads must be in"),
    "no key": (lambda: normal(None, (3,)), TypeError, "key must be a JAX key such as .*, got None"),
    "seed for a key": (lambda: normal(42, (3,)), TypeError, "key must be a JAX key such as .*, got 42"),
    "float key": (lambda: normal(jnp.ones(2), (3,)), TypeError, "key must be a JAX key"),
    "keys": (
        lambda: normal(jax.random.split(KEY, 4), (3,)),
        ValueError,
        r"key must be one key, got an array of shape \(4,\)",
    ),
    "raw keys": (lambda: normal(np.zeros((4, 2), np.uint32), (3,)), ValueError, "key must be one key.* jax.vmap"),
    "shape": (lambda: normal(KEY, (3, -1)), ValueError, "shape must have no negative dimension"),
    "shape kind": (lambda: normal(KEY, "3"), TypeError, "shape must be a tuple of integers"),
    "dtype": (lambda: normal(KEY, (3,), jnp.int32), TypeError, "dtype must be one of float32, .*"),
    "complex": (lambda: normal(KEY, (3,), jnp.complex64), TypeError, "dtype must be one of float32, .*"),
    "float64": (lambda: normal(KEY, (3,), jnp.float64), ValueError, "dtype must be at most 32 bits .* jax_enable_x64"),
    "fans": (
        lambda: weightfill.jax.initializer(wf.XavierNormal())(KEY, (3,)),
        ValueError,
        "shape must have at least 2 dimensions to count fans",
    ),
    "fans under jit": (
        lambda: jax.jit(lambda key: weightfill.jax.initializer(wf.XavierNormal())(key, (3,)))(KEY),
        ValueError,
        "shape must have at least 2 dimensions to count fans",
    ),
    "orthogonal vector under jit": (
        lambda: jax.jit(lambda key: weightfill.jax.initializer(wf.Orthogonal())(key, (3,)))(KEY),
        ValueError,
        "shape must have at least 2 dimensions for an orthogonal matrix",
    ),
    "range": (
        lambda: weightfill.jax.initializer(wf.Normal(std=1e5))(KEY, (3,), jnp.float16),
        ValueError,
        "init must stay within",
    ),
    "out_sharding": (lambda: normal(KEY, (3,), None, "x"), TypeError, "out_sharding must be a NamedSharding, a"),
    "no mesh": (
        lambda: normal(KEY, (3,), None, jax.sharding.PartitionSpec("x")),
        ValueError,
        "out_sharding must be a NamedSharding where no mesh is set",
    ),
    "seed": (lambda: weightfill.jax.create(3, wf.Normal()), TypeError, "seed must be given"),
    "seed value": (lambda: weightfill.jax.create(3, wf.Normal(), seed=-1), ValueError, "seed must be in"),
    "create init": (lambda: weightfill.jax.create(3, "norm"), ValueError, "init must be the name of an init"),
    "create stream": (lambda: weightfill.jax.create(3, wf.Normal(), seed=1, stream=1), TypeError, "stream must be"),
    "sharding": (
        lambda: weightfill.jax.create(3, wf.Normal(), seed=1, sharding=jax.devices()[0]),
        TypeError,
        "sharding must be a jax.sharding.Sharding or None",
    ),
    "sharding of more axes": (
        lambda: weightfill.jax.create((3, 4), wf.Normal(), seed=1, sharding=TOO_MANY_AXES),
        ValueError,
        r"sharding must name at most the 2 axes of shape \(3, 4\)",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_would_be_right(case, filled):
    make, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        make()
    assert filled == []


def test_scalars_and_keys_of_jax_as_arguments():
    assert wf.Normal(std=jnp.float32(0.5)) == wf.Normal(std=jnp.asarray(0.5, jnp.bfloat16)) == wf.Normal(std=0.5)
    with pytest.raises(TypeError, match=r"^std must be a number, got "):
        jax.jit(lambda std: wf.Normal(std=std).std)(0.5)
    with pytest.raises(TypeError, match=r"; weightfill\.jax\.initializer\(init\)\(key, shape\) takes keys of JAX$"):
        wf.create(3, wf.Normal(), seed=jax.random.key(0))


def test_arrays_of_jax_are_refused_with_the_way_out():
    array = jnp.zeros((2, 3))
    for call, name in ((wf.fill, "out"), (wf.verify, "target")):
        with pytest.raises(
            TypeError,
            match=rf"{name} must be a NumPy array, got jax.*weightfill\.jax\.create makes one, np\.asarray\({name}\)",
        ):
            call(array, wf.Zeros())
    assert wf.verify(np.asarray(array), wf.Zeros())


def test_jax_makes_an_array_of_a_tensor_by_its_parts():
    tensor = wf.Tensor((6, 4), wf.Normal(std=0.02), seed=42, stream="w", dtype="bfloat16")
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    array = jax.make_array_from_callback(tensor.shape, sharding, tensor.__getitem__)
    assert_same_bits(array, np.asarray(tensor))
