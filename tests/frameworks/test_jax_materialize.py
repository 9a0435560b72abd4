"""weightfill.jax.materialize: models of NNX and Linen, and pytrees, of which JAX knows the shapes alone."""

import re

import pytest

jax = pytest.importorskip("jax", reason="jax is not installed")
pytest.importorskip("flax", reason="flax is not installed")

import numpy as np  # noqa: E402
from flax import linen, nnx  # noqa: E402
from jax import numpy as jnp  # noqa: E402
from jax.sharding import AxisType, NamedSharding, PartitionSpec  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.jax as wj  # noqa: E402
from tests.bits import assert_same_bits  # noqa: E402

KERNEL = wf.LecunNormal(truncated=True, layout="jax")
RULES = {"*bias": wf.Zeros(), "*scale": wf.Ones(), "*kernel": KERNEL}
PLAN = wf.Plan(RULES, seed=42)
LINEAR = wf.Plan({"*bias": wf.Zeros(), "*kernel": KERNEL}, seed=42)  # of models without norms
KEY = jax.random.key(7)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(4, 4, rngs=rngs, param_dtype=jnp.bfloat16) for _ in range(2)])
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(4, 4, rngs=rngs)
        self.tied = self.head.kernel

    def __call__(self, x):
        for layer in self.layers:
            x = self.norm(layer(x))
        return self.head(self.dropout(x))


class Counting(nnx.Module):
    def __init__(self, rngs):
        self.layer = nnx.Linear(4, 4, rngs=rngs)
        self.steps = nnx.Variable(jnp.zeros((), jnp.int32))
        self.cache = nnx.Cache(jnp.zeros((2, 4)))


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        kernel_init = linen.with_partitioning(linen.initializers.lecun_normal(), (None, "model"))
        x = linen.Dense(8, kernel_init=kernel_init)(x)
        return linen.Dense(2)(linen.BatchNorm(use_running_average=False)(x))


def abstract_net():
    return nnx.eval_shape(lambda: Net(nnx.Rngs(0)))


def abstract_linen():
    return jax.eval_shape(LinenNet().init, KEY, jnp.ones((1, 4)))


def mesh_of(*names, kind=AxisType.Auto):
    return jax.make_mesh((1,) * len(names), names, axis_types=(kind,) * len(names))


# Values


def test_a_module_of_nnx_has_the_values_that_the_plan_gives_its_names():
    net = wj.materialize(abstract_net(), PLAN, key=KEY)
    assert type(net) is Net
    shapes = wj.parameters(abstract_net())
    assert list(shapes) == [
        "head.bias",
        "head.kernel",
        "layers.0.bias",
        "layers.0.kernel",
        "layers.1.bias",
        "layers.1.kernel",
        "norm.bias",
        "norm.scale",
    ]
    filled = PLAN.fill({name: np.empty(leaf.shape, leaf.dtype) for name, leaf in shapes.items()})
    params = nnx.to_flat_state(nnx.state(net, nnx.Param))
    assert len(params) == len(filled)
    for path, param in params:
        assert_same_bits(param[...], filled[".".join(map(str, path))])
    for name, tensor in PLAN.tensors(shapes).items():
        assert_same_bits(np.asarray(tensor), filled[name])


def test_a_checkpoint_of_the_same_plan_has_the_same_values(tmp_path):
    path, *_ = PLAN.write(tmp_path / "init.safetensors", wj.parameters(abstract_net()))
    assert wf.verify_checkpoint(path, PLAN, wj.parameters(abstract_net()))


def test_statistics_of_norms_begin_with_mean_0_and_var_1():
    net = wj.materialize(abstract_net(), PLAN, key=KEY)
    assert_same_bits(net.norm.mean[...], np.zeros(4, np.float32))
    assert_same_bits(net.norm.var[...], np.ones(4, np.float32))
    variables = wj.materialize(abstract_linen(), PLAN, shardings=PartitionSpec(), mesh=mesh_of("model"))
    assert_same_bits(variables["batch_stats"]["BatchNorm_0"]["var"], np.ones(8, np.float32))


def test_a_rule_for_all_parameters_is_none_for_statistics_but_one_of_their_own_is():
    net = wj.materialize(abstract_net(), wf.Plan({"*": wf.Normal()}, seed=1), key=KEY)
    assert_same_bits(net.norm.var[...], np.ones(4, np.float32))
    net = wj.materialize(abstract_net(), wf.Plan({**RULES, "norm.var": wf.Constant(2)}, seed=1), key=KEY)
    assert_same_bits(net.norm.var[...], np.full(4, 2, np.float32))


def test_what_is_shared_stays_shared_and_has_the_first_of_its_names():
    net = wj.materialize(abstract_net(), PLAN, key=KEY)
    assert net.tied is net.head.kernel
    assert_same_bits(net.tied[...], wf.create((4, 4), KERNEL, seed=42, stream="head.kernel"))


def test_a_filled_module_computes_and_its_dropout_draws():
    net = wj.materialize(abstract_net(), PLAN, key=KEY)
    once, twice = (np.asarray(net(jnp.arange(256.0).reshape(64, 4) ** 2)) for _ in range(2))
    assert once.shape == (64, 4)
    assert (once != twice).any()


def test_generators_get_keys_of_their_own_by_their_names():
    class Two(nnx.Module):
        def __init__(self, rngs):
            self.first, self.second = nnx.Dropout(0.5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
            self.layer = nnx.Linear(2, 2, rngs=rngs)

    def keys(key):
        net = wj.materialize(nnx.eval_shape(lambda: Two(nnx.Rngs(0))), wf.Plan({"*": "zeros"}), key=key)
        assert int(net.first.rngs.count[...]) == 0
        return [jax.random.key_data(one.rngs.key[...]).tolist() for one in (net.first, net.second)]

    assert keys(KEY) == keys(KEY)
    assert len({str(one) for one in (*keys(KEY), *keys(jax.random.key(8)))}) == 4


def test_keys_of_stacked_layers_differ():
    @nnx.split_rngs(splits=3)
    @nnx.vmap(in_axes=(0,), out_axes=0)
    def stacked(rngs):
        return nnx.Dropout(0.5, rngs=rngs.fork())

    abstract = nnx.eval_shape(lambda: {"drop": stacked(nnx.Rngs(0)), "w": nnx.Param(jnp.zeros(2))})
    filled = wj.materialize(abstract, wf.Plan({"w": "ones"}), key=KEY)
    keys = jax.random.key_data(filled["drop"].rngs.key[...])
    assert len({str(key) for key in keys.tolist()}) == 3


def test_the_state_of_nnx_split_comes_back_as_a_state():
    graph, state = nnx.split(abstract_net())
    net = nnx.merge(graph, wj.materialize(state, PLAN, key=KEY))
    assert_same_bits(net.head.kernel[...], wj.materialize(abstract_net(), PLAN, key=KEY).head.kernel[...])
    _, params, _ = nnx.split(abstract_net(), nnx.Param, ...)
    filled = wj.materialize(params, PLAN)
    assert_same_bits(filled["head"]["kernel"][...], net.head.kernel[...])


def test_variables_of_linen_have_names_without_their_collection_of_parameters():
    variables = wj.materialize(abstract_linen(), PLAN, mesh=mesh_of("model"))
    assert isinstance(variables["params"]["Dense_0"]["kernel"], linen.Partitioned)
    assert variables["params"]["Dense_0"]["kernel"].value.sharding.spec == PartitionSpec(None, "model")
    expected = wf.create((4, 8), KERNEL, seed=42, stream="Dense_0.kernel")
    assert_same_bits(variables["params"]["Dense_0"]["kernel"].value, expected)
    alone = wj.materialize(abstract_linen()["params"], PLAN, mesh=mesh_of("model"))
    assert_same_bits(alone["Dense_0"]["kernel"].value, expected)
    unboxed = wj.materialize(linen.unbox(abstract_linen()), PLAN)
    assert_same_bits(unboxed["params"]["Dense_0"]["kernel"], expected)
    out, _ = LinenNet().apply(unboxed, jnp.ones((3, 4)), mutable=["batch_stats"])
    assert out.shape == (3, 2)


def test_any_pytree_is_a_model_whose_leaves_are_parameters():
    def make():
        return {"layers": [(jnp.zeros((3, 4)), jnp.zeros(4)) for _ in range(2)]}

    filled = wj.materialize(jax.eval_shape(make), wf.Plan({"*.1": "zeros", "*": "normal"}, seed=3))
    assert_same_bits(filled["layers"][1][0], wf.create((3, 4), wf.Normal(), seed=3, stream="layers.1.0"))
    assert_same_bits(filled["layers"][1][1], np.zeros(4, np.float32))


def test_a_train_state_has_rules_for_what_is_no_parameter():
    abstract = {
        "params": {"kernel": jax.ShapeDtypeStruct((3, 4), np.float32)},
        "opt_state": {
            "mu": jax.ShapeDtypeStruct((3, 4), np.float32),
            "count": jax.ShapeDtypeStruct((), np.int32),
            "done": jax.ShapeDtypeStruct((2,), np.bool_),
        },
    }
    filled = wj.materialize(abstract, wf.Plan({"opt_state.*": "zeros", "*": "normal"}, seed=3))
    assert filled["opt_state"]["count"].dtype == np.int32
    assert int(filled["opt_state"]["count"]) == 0
    assert filled["opt_state"]["done"].tolist() == [False, False]
    assert_same_bits(filled["opt_state"]["mu"], np.zeros((3, 4), np.float32))
    assert_same_bits(filled["params"]["kernel"], wf.create((3, 4), wf.Normal(), seed=3, stream="kernel"))


def test_leaves_that_are_arrays_stay_as_they_are():
    state = nnx.state(nnx.eval_shape(lambda: Counting(nnx.Rngs(0))))
    steps, cache = jnp.full((), 5, jnp.int32), np.ones((2, 4), np.float32)
    state["steps"].set_value(steps)
    state["cache"].set_value(cache)
    filled = wj.materialize(state, wf.Plan({"layer.*": "ones", "steps": "zeros"}))
    assert filled["steps"].get_value() is steps
    assert filled["cache"].get_value() is cache
    assert_same_bits(filled["layer"]["bias"][...], np.ones(4, np.float32))


def test_under_jit_the_bits_are_the_same():
    abstract = linen.unbox(abstract_linen())["params"]
    filled, staged = wj.materialize(abstract, PLAN), jax.jit(lambda: wj.materialize(abstract, PLAN))()
    jax.tree.map(assert_same_bits, staged, filled)


def test_memory_that_was_filled_is_the_arrays_own(filled):
    made = wj.materialize({"w": jax.ShapeDtypeStruct((300, 50), np.float32)}, wf.Plan({"*": "normal"}, seed=1))
    assert filled == [made["w"].unsafe_buffer_pointer()]


# Places


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_metadata_of_nnx_place_a_module_on_the_mesh_that_is_set(kind):
    kernel_init = nnx.with_partitioning(nnx.initializers.lecun_normal(), (None, "model"))
    with jax.set_mesh(mesh_of("model", kind=kind)):
        abstract = nnx.eval_shape(lambda: nnx.Linear(4, 8, kernel_init=kernel_init, rngs=nnx.Rngs(0)))
        kernel = wj.materialize(abstract, LINEAR).kernel[...]
        plain = nnx.Linear(4, 8, kernel_init=kernel_init, rngs=nnx.Rngs(0)).kernel[...]
    assert kernel.sharding == plain.sharding
    assert_same_bits(kernel, wf.create((4, 8), KERNEL, seed=42, stream="kernel"))


def test_shardings_are_those_of_flax_s_functions():
    mesh, (_, state) = mesh_of("model"), nnx.split(abstract_net())
    filled = wj.materialize(state, PLAN, key=KEY, shardings=nnx.get_named_sharding(state, mesh))
    assert filled["head"]["kernel"].get_value().sharding == NamedSharding(mesh, PartitionSpec())

    class Logical(linen.Module):
        @linen.compact
        def __call__(self, x):
            kernel_init = linen.with_logical_partitioning(linen.initializers.lecun_normal(), ("in", "out"))
            return linen.Dense(8, kernel_init=kernel_init)(x)

    abstract = jax.eval_shape(Logical().init, KEY, jnp.ones((1, 4)))
    specs = linen.get_partition_spec(abstract)
    shardings = linen.logical_to_mesh_sharding(specs, mesh, [("in", None), ("out", "model")])
    kernel = wj.materialize(abstract, LINEAR, shardings=shardings)["params"]["Dense_0"]["kernel"].value
    assert kernel.sharding == NamedSharding(mesh, PartitionSpec(None, "model"))
    with pytest.raises(
        ValueError, match=r"partition spec of 'Dense_0.kernel' must name axes of the mesh, .*logical_to"
    ):
        wj.materialize(abstract, LINEAR, mesh=mesh)


def test_a_sharding_may_be_for_a_part_of_the_tree_or_its_leaf_s_own():
    mesh = mesh_of("x")
    own = NamedSharding(mesh, PartitionSpec("x"))
    shape = jax.ShapeDtypeStruct((4, 2), np.float32)
    abstract = {"a": {"b": shape, "c": shape}, "d": jax.ShapeDtypeStruct((4, 2), np.float32, sharding=own), "e": shape}
    wish = NamedSharding(mesh, PartitionSpec(None, "x"))
    plan = wf.Plan({"*": "normal"}, seed=1)
    filled = wj.materialize(abstract, plan, shardings={"a": wish, "d": None, "e": PartitionSpec("x", None)}, mesh=mesh)
    assert filled["a"]["c"].sharding == wish
    assert filled["d"].sharding == own
    assert filled["e"].sharding == NamedSharding(mesh, PartitionSpec("x", None))


# Errors


def refusal(abstract=None, plan=PLAN, kind=ValueError, **arguments):
    with pytest.raises(kind) as caught:
        wj.materialize(abstract_net() if abstract is None else abstract, plan, **arguments)
    return str(caught.value)


def test_wrong_arguments_are_refused():
    assert re.search("^plan must be a weightfill.Plan, got dict", refusal(plan={}, kind=TypeError))
    for whole in (lambda: nnx.eval_shape(lambda: Counting(nnx.Rngs(0))), linen.Dense(3)):
        assert re.search(
            "^abstract must be a module of NNX or a pytree with jax.Sh.*nnx.eval_shape", refusal(whole, kind=TypeError)
        )
    assert re.search("^mesh must be a jax.sharding.Mesh, got 3", refusal(mesh=3, kind=TypeError))
    assert re.search("^threads must be", refusal(threads=0))
    assert re.search(
        "^shardings must have Shardings, PartitionSpecs or None in it, got 3",
        refusal(shardings=3, key=KEY, kind=TypeError),
    )
    assert re.search("^shardings must be a pytree of abstract's structure", refusal(shardings={"x": None}, key=KEY))


def test_generators_need_a_key():
    assert re.search(
        r"^key must be given for the state of generators, got None for 'dropout.rngs.count', .*; pass key=", refusal()
    )


def test_what_no_rule_says_is_refused_by_name():
    abstract = nnx.eval_shape(lambda: Counting(nnx.Rngs(0)))
    plan = wf.Plan({"*": wf.Normal()}, seed=1)
    assert re.search(
        "^abstract must have no leaves but parameters.* got 'cache', 'steps'; draw them by rules",
        refusal(abstract, plan),
    )
    rules = {"cache": "zeros", "steps": "zeros", "*": "normal"}
    assert int(wj.materialize(abstract, wf.Plan(rules, seed=1)).steps[...]) == 0
    assert re.search(
        "^'steps', Normal.*: init must be a constant that int32 holds; put the array itself",
        refusal(abstract, wf.Plan({**rules, "steps": "normal"}, seed=1)),
    )
    assert re.search(
        "^'steps', Constant.*: init must be a constant that int32 holds",
        refusal(abstract, wf.Plan({**rules, "steps": wf.Constant(0.5)}, seed=1)),
    )


def test_rules_and_parameters_must_meet():
    assert re.search(
        "^params must all match a rule, got 'head.bias'", refusal(plan=wf.Plan({"*kernel": "zeros"}), key=KEY)
    )
    assert re.search(
        "^rules must all match a parameter, got 'no'", refusal(plan=wf.Plan({"no": "zeros", "*": "zeros"}), key=KEY)
    )
    assert re.search(
        "^'head.bias', XavierNormal.*: shape must have at least 2",
        refusal(plan=wf.Plan({"*": "xavier_normal"}, seed=1), key=KEY),
    )


def test_a_mesh_must_be_there_for_partition_specs():
    assert re.search(
        r"^mesh must be given for partition specs, got None for 'Dense_0.kernel', .*pass mesh=",
        refusal(abstract_linen()),
    )
    assert re.search("^mesh must be given for partition specs", refusal(shardings=PartitionSpec("x"), key=KEY))


def test_a_sharding_must_have_at_most_the_axes_of_its_leaf():
    wish = NamedSharding(mesh_of("x"), PartitionSpec(None, None, "x"))
    assert re.search(
        r"^'w': sharding must name at most the 2 axes",
        refusal({"w": jax.ShapeDtypeStruct((4, 2), np.float32)}, wf.Plan({"*": "normal"}, seed=1), shardings=wish),
    )


def test_names_must_be_distinct_and_variables_stand_once():
    leaf = jax.ShapeDtypeStruct((2,), np.float32)
    assert re.search("^abstract must have every name once, got 'w' twice", refusal({"params": {"w": leaf}, "w": leaf}))
    net = abstract_net()
    assert re.search(
        "^abstract must have every Variable once, got 'head.kernel', which is 'tied' too",
        refusal({"net": net}["net"].__dict__),
    )
