"""Run by test_jax.py in a process of its own: fills over 8 host devices, and prints what went wrong.

The number of host devices must be set before JAX starts.
"""

import itertools
import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

import weightfill as wf
import weightfill.jax

SHAPE, SEED, STREAM = (16, 24), 2**63 + 5, "table"
WORDS = np.array([SEED >> 32, SEED & 0xFFFFFFFF], np.uint32)  # a key of this seed
SPECS = [P("x"), P(None, "y"), P("x", "y"), P("y", "x"), P(("x", "y")), P(None, ("y", "x")), P()]
INITS = [
    wf.XavierUniform(layout="jax"),
    wf.Constant(0.1),
    wf.Orthogonal(axis=-1),
    wf.Normal(std=0.02),
    wf.Sparse(connections=3),
]
FEW_SPECS, FEW_INITS = [P("x"), P(None, ("y", "x"))], INITS[:3]  # for what has to be compiled


def peak_growth(make):
    """Return the bytes by which the peak of this process's memory grows."""
    make((1000, 1000))
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = _status("VmRSS")
    array = jax.block_until_ready(make((1 << 16, 1 << 10)))
    del array
    return _status("VmHWM") - before


def _status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))


def eager_ways(init, sharding):
    """Yield the name of every way that fills at once, and a function that goes it."""
    yield "create", lambda: weightfill.jax.create(SHAPE, init, seed=SEED, stream=STREAM, sharding=sharding)
    init_fn = weightfill.jax.initializer(init, stream=STREAM)
    yield "initializer", lambda: init_fn(WORDS, SHAPE, np.float32, sharding)
    with jax.set_mesh(sharding.mesh):
        yield "initializer in a mesh", lambda: init_fn(WORDS, SHAPE, np.float32, sharding.spec)


def compiled_ways(init, sharding):
    """Yield the name of every way through jit, and a function that goes it."""
    init_fn = weightfill.jax.initializer(init, stream=STREAM)

    def create():
        return weightfill.jax.create(SHAPE, init, seed=SEED, stream=STREAM, sharding=sharding)

    def sharded(key):
        return init_fn(key, SHAPE, np.float32, sharding)

    yield "create", jax.jit(create)
    yield "initializer", lambda: jax.jit(sharded)(WORDS)
    yield "vmap", lambda: jax.jit(jax.vmap(sharded))(np.stack([WORDS, WORDS + 1]))[0]
    yield "out_shardings", lambda: jax.jit(lambda key: init_fn(key, SHAPE), out_shardings=sharding)(WORDS)
    with jax.set_mesh(sharding.mesh):
        yield "a spec in a mesh", lambda: jax.jit(lambda key: init_fn(key, SHAPE, np.float32, sharding.spec))(WORDS)
        yield "no sharding in a mesh", lambda: jax.jit(lambda key: init_fn(key, SHAPE))(WORDS)


def check_bits(ways, inits, specs):
    for kind, init, spec in itertools.product((AxisType.Auto, AxisType.Explicit), inits, specs):
        sharding = NamedSharding(jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2), spec)
        expected = wf.create(SHAPE, init, seed=SEED, stream=STREAM)
        for way, make in ways(init, sharding):
            array = make()
            for shard in array.addressable_shards:
                if np.asarray(shard.data).tobytes() != expected[shard.index].tobytes():
                    print(f"{kind}, {init}, {spec}, {way}: other bits in {shard.index}")
            if np.asarray(array).tobytes() != expected.tobytes():
                print(f"{kind}, {init}, {spec}, {way}: other bits")
            if not (way.startswith(("vmap", "no sharding")) or array.sharding.is_equivalent_to(sharding, 2)):
                print(f"{kind}, {init}, {spec}, {way}: {array.sharding}")


def check_fills():
    """Devices with the same part share its memory, and every part is filled once."""
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    for spec, count in ((P("x", "y"), 8), (P("x"), 4), (P(None, "y"), 2), (P(), 1)):
        sharding = NamedSharding(mesh, spec)
        array = weightfill.jax.create(SHAPE, wf.Normal(), seed=1, sharding=sharding)
        memory = {shard.data.unsafe_buffer_pointer() for shard in array.addressable_shards}
        if len(memory) != count:
            print(f"{spec}: {len(memory)} parts in memory instead of {count}")
    device = jax.devices()[5]
    array = weightfill.jax.create(SHAPE, wf.Normal(), seed=1, sharding=SingleDeviceSharding(device))
    if array.devices() != {device}:
        print(f"on {array.devices()}")


def check_errors():
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    message = "sharding must divide shape (10, 6) into equal parts, got NamedSharding("
    init_fn = weightfill.jax.initializer(wf.Normal())
    sharding = NamedSharding(mesh, P("x"))
    print_unless_refused(lambda: weightfill.jax.create((10, 6), wf.Normal(), seed=1, sharding=sharding), message)
    print_unless_refused(lambda: jax.jit(lambda key: init_fn(key, (10, 6), None, sharding))(WORDS), message)


def print_unless_refused(make, message):
    try:
        make()
    except ValueError as error:
        if not str(error).startswith(message):
            print(error)
    else:
        print("no error where a sharding does not divide the shape")


def check_memory():
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    for spec in (P("x"), P("x", "y"), P()):
        sharding = NamedSharding(mesh, spec)
        grown = peak_growth(
            lambda shape, sharding=sharding: weightfill.jax.create(shape, wf.Normal(), seed=1, sharding=sharding)
        )
        if grown > (256 + 32) << 20:
            print(f"{spec}: the peak of memory grew by {grown >> 20} MB")


def check_concurrent_callbacks():
    """Many callbacks in one program, on all devices at once: none waits for another."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,))
    init_fn = weightfill.jax.initializer(wf.Normal())

    @jax.jit
    def model(key):
        keys = jax.random.split(key, 8)
        return [init_fn(k, (8, 100_000), np.float32, NamedSharding(mesh, P("x"))) for k in keys]

    keys = jax.random.split(jax.random.key(1), 8)
    for key, array in zip(keys, model(jax.random.key(1)), strict=True):
        if np.asarray(array).tobytes() != np.asarray(init_fn(key, (8, 100_000))).tobytes():
            print("other bits where callbacks are concurrent")


def check_places():
    """Without a sharding an array is where JAX's initializers put theirs."""
    init_fn, theirs = weightfill.jax.initializer(wf.Normal(std=0.02)), jax.nn.initializers.normal(0.02)
    key, bits = jax.random.key(7), wf.create(SHAPE, wf.Normal(std=0.02), seed=7).tobytes()
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2)
        on_mesh = jax.device_put(key, NamedSharding(mesh, P()))
        for k in (key, jax.device_put(key, jax.devices()[5]), on_mesh):
            print_unless_alike(init_fn(k, SHAPE), theirs(k, SHAPE), bits)
            raw = jax.random.key_data(k)
            print_unless_alike(init_fn(raw, SHAPE), theirs(raw, SHAPE), bits)
        with jax.default_device(jax.devices()[3]):
            print_unless_alike(init_fn(key, SHAPE), theirs(key, SHAPE), bits)
        with jax.set_mesh(mesh):
            print_unless_alike(init_fn(key, SHAPE), theirs(key, SHAPE), bits)
            print_unless_alike(init_fn(on_mesh, SHAPE), theirs(on_mesh, SHAPE), bits)
            created = weightfill.jax.create(SHAPE, wf.Normal(std=0.02), seed=7)
            print_unless_alike(created, theirs(key, SHAPE), bits)


def print_unless_alike(array, theirs, bits):
    if not array.sharding.is_equivalent_to(theirs.sharding, array.ndim) or array.committed != theirs.committed:
        print(f"{array.sharding}, committed: {array.committed}, instead of {theirs.sharding}, {theirs.committed}")
    if np.asarray(array).tobytes() != bits:
        print(f"other bits on {array.sharding}")


def check_specs():
    """What is not traced, within transformations too, has a sharding equal to that of JAX's array."""
    ways = {
        "eager": lambda f: f(1.0),
        "vmap": lambda f: jax.vmap(f)(np.ones(3)),
        "grad": lambda f: jax.grad(f)(1.0),
        "jvp": lambda f: jax.jvp(f, (1.0,), (1.0,)),
    }
    pairs = [(wf.Zeros(), jax.nn.initializers.zeros), (wf.Normal(), jax.nn.initializers.normal(1.0))]
    auto, explicit = AxisType.Auto, AxisType.Explicit
    key, bits = jax.random.key(7), {init: wf.create(SHAPE, init, seed=7).tobytes() for init, _ in pairs}
    for kinds in ((auto, auto), (explicit, explicit), (explicit, auto)):
        mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=kinds)
        specs = [None, P()] if kinds[0] == auto else [None, P(), P("x")]  # JAX's refuse Auto axes
        with jax.set_mesh(mesh):
            for (init, theirs), spec, (way, run) in itertools.product(pairs, specs, ways.items()):
                made = []

                def both(x, made=made, init=init, theirs=theirs, spec=spec, kinds=kinds):
                    for init_fn in (weightfill.jax.initializer(init), theirs):
                        made.append(init_fn(key, SHAPE, np.float32, out_sharding=spec))
                    if set(kinds) == {AxisType.Auto}:  # what a layer does next with its array
                        jax.lax.with_sharding_constraint(made[0], P("x"))
                    return x * 1.0

                run(both)
                if not same_sharding(*made):
                    print(f"{kinds}, {init}, {spec}, {way}: {made[0].sharding} instead of {made[1].sharding}")
                if np.asarray(made[0]).tobytes() != bits[init]:
                    print(f"{kinds}, {init}, {spec}, {way}: other bits")
            created, array = weightfill.jax.create(SHAPE, wf.Normal(), seed=7), jax.random.normal(key, SHAPE)
            if not same_sharding(created, array):
                print(f"{kinds}, create: {created.sharding} instead of {array.sharding}")


def same_sharding(array, theirs):
    """Whether they are equal; in a mesh of both kinds of axes equivalent, as specs there vary with JAX's version."""
    if len(set(theirs.sharding.mesh.axis_types)) == 1:
        return array.sharding == theirs.sharding
    return array.sharding.is_equivalent_to(theirs.sharding, array.ndim)


def check_vmap():
    """Of keys that are sharded over Explicit axes every device makes the tensors of its own keys."""
    init_fn, raw = weightfill.jax.initializer(wf.Normal()), jax.random.key_data(jax.random.split(jax.random.key(7), 8))
    raw, large = np.asarray(raw).reshape(4, 2, 2), (1200, 1000)
    explicit, mixed = ((AxisType.Explicit, kind) for kind in (AxisType.Explicit, AxisType.Auto))
    cases = [
        (explicit, P("x", "y"), None, SHAPE),
        (explicit, P("x"), P("y"), SHAPE),
        (explicit, P(None, "y"), P(None, "x"), SHAPE),
        (explicit, P("x", "y"), None, large),
        (mixed, P("x"), P(), SHAPE),
    ]
    for kinds, keys_spec, spec, shape in cases:
        mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=kinds)
        twice = jax.vmap(jax.vmap(lambda key, shape=shape, spec=spec: init_fn(key, shape, out_sharding=spec)))
        with jax.set_mesh(mesh):
            keys = jax.device_put(raw, NamedSharding(mesh, keys_spec))
            for way in (twice, jax.jit(twice)):
                array = way(keys)
                wanted = NamedSharding(mesh, P(*keys_spec, *[None] * (2 - len(keys_spec)), *(spec or ())))
                if not array.sharding.is_equivalent_to(wanted, 4):
                    print(f"{kinds}, {keys_spec}, {spec}: {array.sharding}")
                for place in np.ndindex(4, 2):
                    if np.asarray(array)[place].tobytes() != np.asarray(init_fn(raw[place], shape)).tobytes():
                        print(f"{kinds}, {keys_spec}, {spec}, {shape}: other bits for key {place}")
    mesh = jax.make_mesh((4,), ("x",), axis_types=(AxisType.Explicit,))  # not set, but the keys have it
    keys = jax.device_put(raw[:, 0], NamedSharding(mesh, P("x")))
    array = jax.vmap(lambda key: init_fn(key, SHAPE))(keys)
    if not array.sharding.is_equivalent_to(NamedSharding(mesh, P("x")), 3):
        print(f"outside of a mesh: {array.sharding}")


def check_models():
    """A model has the same bits on every mesh, and each part of it is filled once."""
    leaf = jax.ShapeDtypeStruct
    abstract = {
        "emb": leaf(SHAPE, np.float32),
        "fc": {"kernel": leaf((24, 8), "bfloat16"), "bias": leaf((8,), np.float32)},
    }
    specs = {"emb": P("x", "y"), "fc": {"kernel": P(None, ("y", "x")), "bias": P()}}
    plan = wf.Plan({"*bias": wf.Uniform(0, 1), "emb": wf.Orthogonal(axis=-1), "*": wf.Normal()}, seed=SEED)
    expected = {name: np.asarray(t) for name, t in plan.tensors(weightfill.jax.parameters(abstract)).items()}
    for sides, kind in itertools.product(((1, 1), (2, 1), (2, 2), (4, 2)), (AxisType.Auto, AxisType.Explicit)):
        devices = jax.devices()[: sides[0] * sides[1]]
        mesh = jax.make_mesh(sides, ("x", "y"), axis_types=(kind,) * 2, devices=devices)
        made = [weightfill.jax.materialize(abstract, plan, shardings=specs, mesh=mesh)]
        with jax.set_mesh(mesh):
            made.append(weightfill.jax.materialize(abstract, plan, shardings=specs))
            made.append(jax.jit(lambda: weightfill.jax.materialize(abstract, plan, shardings=specs))())
        own = jax.tree.map(
            lambda leaf, spec, mesh=mesh: leaf.update(sharding=NamedSharding(mesh, spec)), abstract, specs
        )
        made.append(weightfill.jax.materialize(own, plan))
        for number, model in enumerate(made):
            arrays = {"emb": model["emb"], "fc.kernel": model["fc"]["kernel"], "fc.bias": model["fc"]["bias"]}
            for name, array in arrays.items():
                spec = specs["emb"] if name == "emb" else specs["fc"][name[3:]]
                if not array.sharding.is_equivalent_to(NamedSharding(mesh, spec), array.ndim):
                    print(f"{sides}, {kind}, {number}, {name}: {array.sharding}")
                if np.asarray(array).tobytes() != expected[name].tobytes():
                    print(f"{sides}, {kind}, {number}, {name}: other bits")
                for shard in array.addressable_shards:
                    if np.asarray(shard.data).tobytes() != expected[name][shard.index].tobytes():
                        print(f"{sides}, {kind}, {number}, {name}: other bits in {shard.index}")
        bias = made[0]["fc"]["bias"]
        if len({shard.data.unsafe_buffer_pointer() for shard in bias.addressable_shards}) != 1:
            print(f"{sides}, {kind}: devices with the same part do not share its memory")
    large = {"w": leaf((1 << 16, 1 << 10), np.float32)}
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    normal = wf.Plan({"w": wf.Normal()}, seed=1)
    grown = peak_growth(
        lambda shape: weightfill.jax.materialize(
            {"w": large["w"].update(shape=shape)}, normal, shardings=P("x", "y"), mesh=mesh
        )
    )
    if grown > (256 + 32) << 20:
        print(f"the peak of memory grew by {grown >> 20} MB")


if __name__ == "__main__":
    {
        "eager": lambda: check_bits(eager_ways, INITS, SPECS),
        "compiled": lambda: check_bits(compiled_ways, FEW_INITS, FEW_SPECS),
        "fills": check_fills,
        "errors": check_errors,
        "memory": check_memory,
        "concurrent": check_concurrent_callbacks,
        "places": check_places,
        "specs": check_specs,
        "vmap": check_vmap,
        "models": check_models,
    }[sys.argv[1]]()
    print("done")
