"""Sparse connections: positions by their definition, values of the normal law, dense and compressed alike."""

import numpy as np
import pytest
import scipy.stats

import weightfill as wf
from tests.bits import assert_same_bits
from tests.definition import connections
from tests.repository import DATA

SEED, STREAM = 42, "mlp.0.weight"
HOW = {"seed": SEED, "stream": STREAM}

# Shapes and axes with units of few and many elements: short lists, bit sets and hash tables of drawn positions.
SHAPES = [
    ((5,), 0),
    ((7, 20), -1),
    ((7, 20), 0),
    ((3, 4, 50), 1),
    ((3, 5, 7, 9), 2),
    ((64, 300), -1),
    ((1000, 3), 0),
    ((2, 200_000), -1),
    ((130, 700), -1),
    ((130, 700), 0),
    ((3, 70, 150), 1),
    ((200_000, 2), 0),
]
CASES = [
    pytest.param(shape, axis, kept, id=f"{kept} of {shape[axis]} along {axis} of {shape}")
    for shape, axis in SHAPES
    for kept in sorted({1, 2, 3, 40, 70, 400, shape[axis] // 2, shape[axis] // 2 + 1, shape[axis] - 1, shape[axis]})
    if 1 <= kept <= shape[axis]
]


def by_definition(shape, init):
    """Normal(std) of the full tensor where there is a connection, by the definition."""
    mask = init.law(shape).mask
    drawn = np.moveaxis(wf.create(shape, wf.Normal(std=init.std), **HOW), mask.axis, -1)
    result = np.zeros_like(drawn)
    for unit, index in enumerate(np.ndindex(drawn.shape[:-1])):
        chosen = list(connections(SEED, STREAM, unit, mask.inputs, mask.kept))
        result[index][chosen] = drawn[index][chosen]
    return np.moveaxis(result, -1, mask.axis)


@pytest.mark.parametrize(("shape", "axis", "kept"), CASES)
def test_sparse_is_normal_at_the_positions_of_the_definition(shape, axis, kept):
    init = wf.Sparse(kept, axis=axis)
    table = wf.create(shape, init, threads=3, **HOW)
    assert_same_bits(table, by_definition(shape, init))
    assert (np.count_nonzero(table, axis=axis) == kept).all()
    assert wf.verify(table, init, **HOW)
    if table.ndim == 2:
        matrix = wf.create_csr(shape, init, **HOW)
        matrix.check_format()
        assert_same_bits(matrix.toarray(), table)


@pytest.mark.parametrize("axis", [-1, 0])
def test_sparse_has_the_same_values_in_every_dtype(dtype, axis):
    shape = (400, 67) if axis == 0 else (67, 400)
    for kept in (1, 5, 30):
        init = wf.Sparse(kept, std=0.5, axis=axis)
        table = wf.create(shape, init, dtype=dtype, **HOW)
        drawn = wf.create(shape, wf.Normal(std=0.5), dtype=dtype, **HOW)
        connected = wf.create(shape, init, **HOW) != 0
        assert_same_bits(table, np.where(connected, drawn, dtype.type(0)), kept)


@pytest.mark.parametrize(
    "init", [wf.Sparse(10), wf.Sparse(900), wf.Sparse(100, axis=0), wf.Sparse(280, axis=0)], ids=str
)
def test_sparse_is_the_same_on_every_isa_with_any_number_of_threads(each_isa, init, dtype):
    expected = wf.create((300, 2000), init, dtype=dtype, **HOW)
    for isa in each_isa():
        for threads in (1, 3):
            assert_same_bits(
                wf.create((300, 2000), init, dtype=dtype, threads=threads, **HOW), expected, (isa, threads)
            )


@pytest.mark.parametrize("kept", [3, 150, 299])
@pytest.mark.parametrize("axis", [-1, 0])
def test_windows_and_rows_of_sparse_tensors_are_parts_of_the_whole(axis, kept):
    init = wf.Sparse(kept, axis=axis)
    whole = wf.create((300, 300), init, **HOW)
    part = wf.fill(np.empty((70, 33), np.float32), init, shape=whole.shape, start=(201, 255), **HOW)
    assert_same_bits(part, whole[201:271, 255:288])
    ids = [3, 299, 0, 0, 17]
    rows = np.empty((5, 300), np.float32)
    assert_same_bits(wf.fill_rows(rows, init, ids, shape=(300, 300), **HOW), whole[ids])
    assert wf.verify(np.asfortranarray(part), init, shape=whole.shape, start=(201, 255), **HOW)


@pytest.mark.parametrize("init", [wf.Sparse(4), wf.Sparse(30), wf.Sparse(20, axis=0), wf.Sparse(49, axis=0)], ids=str)
def test_sparse_fills_strided_and_misaligned_targets(init):
    whole = wf.create((50, 64), init, **HOW)
    for out in (
        np.empty((50, 128), np.float32)[:, ::2],
        np.empty((64, 50), np.float32).T,
        np.empty((50, 64), np.float32)[::-1, ::-1],
        np.empty(4 * 50 * 64 + 1, np.uint8)[1:].view(np.float32).reshape(50, 64),
    ):
        assert_same_bits(wf.fill(out, init, **HOW), whole)


@pytest.mark.parametrize("init", [wf.Sparse(10), wf.Sparse(300), wf.Sparse(700)], ids=str)
def test_large_sparse_targets_are_the_same_past_the_cache(init):
    whole = wf.create((1500, 1000), init, **HOW)  # 6 MB
    assert_same_bits(
        whole[700:705], wf.fill(np.empty((5, 1000), np.float32), init, shape=whole.shape, start=(700, 0), **HOW)
    )
    memory = np.empty(1500 * 1000 + 3, np.float32)
    for offset in (1, 3):
        out = memory[offset : offset + 1500 * 1000].reshape(1500, 1000)
        assert_same_bits(wf.fill(out, init, **HOW), whole)
    assert (np.count_nonzero(whole, axis=1) == init.connections).all()


@pytest.mark.parametrize("init", [wf.Sparse(1), wf.Sparse(90), wf.Sparse(13, axis=0)], ids=str)
def test_verify_finds_a_changed_zero_and_a_changed_connection(init):
    table = wf.create((30, 200), init, **HOW)
    zero, drawn = np.argwhere(table == 0)[1000], np.argwhere(table != 0)[20]
    for place in (tuple(zero), tuple(drawn)):
        changed = table.copy()
        changed[place] = 7
        result = wf.verify(changed, init, **HOW)
        assert (result.differing, result.index, result.expected) == (1, place, table[place])


def test_sparsity_leaves_the_share_that_it_says():
    table = wf.create((20, 1000), wf.Sparse(sparsity=0.9), **HOW)
    assert (np.count_nonzero(table, axis=1) == 100).all()
    assert (wf.create((20, 7), wf.Sparse(sparsity=0), **HOW) != 0).all()
    assert (wf.create((20, 7), wf.Sparse(sparsity=1), **HOW) == 0).all()


@pytest.mark.parametrize("inputs", [1, 2, 5, 7])
def test_sparsity_below_1_leaves_every_unit_a_connection(inputs):
    table = wf.create((20, inputs), wf.Sparse(sparsity=0.9), **HOW)  # ceil(0.9 * inputs) is all of them
    assert_same_bits(table, wf.create((20, inputs), wf.Sparse(connections=1), **HOW))
    assert (wf.create((20, inputs), wf.Sparse(sparsity=1), **HOW) == 0).all()
    assert wf.create((20, 0), wf.Sparse(sparsity=0.9), **HOW).size == 0


@pytest.mark.parametrize("inputs", [2**53 - 1, 2**62 - 1, 2**63 - 1])
def test_sparsity_of_more_inputs_than_floats_can_count_is_never_more_than_all(inputs):
    assert wf.Sparse(sparsity=1.0).law((1, inputs)).mask.kept == 0
    assert wf.Sparse(sparsity=1 - 2**-53).law((1, inputs)).mask.kept >= 1
    out = np.ones((1, 3), np.float32)
    assert not wf.fill(out, wf.Sparse(sparsity=1.0), shape=(1, inputs), start=(0, inputs - 3), **HOW).any()


def test_columns_of_a_sparse_tensor_have_their_own_positions():
    table = wf.create((1000, 40), wf.Sparse(5, axis=0), **HOW)
    assert (np.count_nonzero(table, axis=0) == 5).all()
    assert len({tuple(np.flatnonzero(column)) for column in table.T}) == 40


@pytest.mark.parametrize("kept", [1, 2, 5, 8, 11])
def test_all_sets_of_positions_are_alike(kept):
    inputs = 12
    counts = np.zeros(inputs)
    together = np.zeros((inputs, inputs))
    rows = 100_000
    mask = wf.create((rows, inputs), wf.Sparse(kept), **HOW) != 0
    counts = mask.sum(axis=0)
    p = kept / inputs
    spread = np.sqrt(rows * p * (1 - p))
    assert np.abs(counts - rows * p).max() < 5 * spread
    together = mask.T.astype(float) @ mask
    pair = p * (kept - 1) / (inputs - 1)
    off = together[~np.eye(inputs, dtype=bool)]
    assert np.abs(off - rows * pair).max() <= 5 * np.sqrt(rows * pair * (1 - pair))
    codes = mask @ (1 << np.arange(inputs))
    _, seen = np.unique(codes, return_counts=True)
    assert len(seen) == scipy.special.comb(inputs, kept)
    assert scipy.stats.chisquare(seen).pvalue > 1e-6


def test_neighbouring_units_have_independent_positions():
    mask = wf.create((50_000, 20), wf.Sparse(4), **HOW) != 0
    shared = (mask[1:] & mask[:-1]).sum(axis=1)
    expected = scipy.stats.hypergeom(20, 4, 4)
    counts = np.bincount(shared, minlength=5)
    assert scipy.stats.chisquare(counts, expected.pmf(range(5)) * len(shared)).pvalue > 1e-6


def test_drawn_weights_are_normal():
    table = wf.create((4000, 1000), wf.Sparse(50, std=0.3), **HOW)
    drawn = table[table != 0]
    assert drawn.size == 200_000
    assert scipy.stats.kstest(drawn / 0.3, "norm").pvalue > 1e-6


def test_csr_needs_no_dense_matrix_and_no_32_bit_columns():
    matrix = wf.create_csr((1000, 2**40), wf.Sparse(10), **HOW)
    assert matrix.shape == (1000, 2**40)
    assert matrix.indices.dtype == np.int64
    assert (np.diff(matrix.indices.reshape(1000, 10)) > 0).all()
    assert 0.45 < (matrix.indices / 2**40).mean() < 0.55
    row, column = 700, int(matrix.indices.reshape(1000, 10)[700, 3])
    element = wf.fill(np.empty((1, 1), np.float32), wf.Sparse(10), shape=matrix.shape, start=(row, column), **HOW)
    assert element[0, 0] == matrix.data.reshape(1000, 10)[700, 3] != 0


def test_csr_of_columns_equals_the_dense_fill():
    init = wf.Sparse(4, axis=0)
    matrix = wf.create_csr((300, 50), init, dtype=np.float64, threads=3, **HOW)
    assert_same_bits(matrix.toarray(), wf.create((300, 50), init, dtype=np.float64, **HOW))


def test_csr_tells_its_progress():
    seen = []
    wf.create_csr((200_000, 1000), wf.Sparse(10), progress=lambda done, total: seen.append((done, total)), **HOW)
    assert seen[-1] == (2_000_000, 2_000_000)
    assert seen == sorted(seen)


def test_empty_matrices_have_no_connections():
    assert wf.create_csr((0, 50), wf.Sparse(10), **HOW).nnz == 0
    assert wf.create((0, 5), wf.Sparse(5), **HOW).shape == (0, 5)


def golden():
    for line in (DATA / "connections_v1.txt").read_text().splitlines():
        if not line.startswith("#"):
            place, _, positions = line.partition(" -> ")
            seed, name, unit, inputs, kept = place.split()
            yield int(seed), "" if name == "-" else name, int(unit), int(inputs), int(kept), positions


@pytest.mark.parametrize(("seed", "name", "unit", "inputs", "kept", "positions"), list(golden()))
def test_positions_of_version_1_never_change(seed, name, unit, inputs, kept, positions):
    wanted = [int(position) for position in positions.split()]
    assert sorted(connections(seed, name, unit, inputs, kept)) == wanted
    for position in wanted:
        element = np.empty((1, 1), np.float32)
        wf.fill(element, wf.Sparse(kept), seed=seed, stream=name, shape=(unit + 1, inputs), start=(unit, position))
        assert element[0, 0] != 0
    if inputs <= 1000:
        row = np.empty((1, inputs), np.float32)
        wf.fill(row, wf.Sparse(kept), seed=seed, stream=name, shape=(unit + 1, inputs), start=(unit, 0))
        assert np.flatnonzero(row).tolist() == wanted


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"connections": 0}, ValueError, "connections must be at least 1, got 0"),
        ({"connections": 2.5}, TypeError, "connections must be an integer, got 2.5"),
        ({"connections": 3, "sparsity": 0.5}, TypeError, "sparsity must be left out where connections is given"),
        ({"sparsity": 1.5}, ValueError, "sparsity must be in [0, 1], got 1.5"),
        ({"std": -1}, ValueError, "std must be at least 0, got -1.0"),
        ({"axis": "rows"}, TypeError, "axis must be an integer, got 'rows'"),
    ],
)
def test_wrong_parameters_are_refused(arguments, error, message):
    with pytest.raises(error) as raised:
        wf.Sparse(**arguments)
    assert message in str(raised.value)


def test_more_connections_than_inputs_are_refused():
    out = np.ones((4, 8), np.float32)
    with pytest.raises(ValueError, match="connections must be at most 8, the elements along axis 1"):
        wf.fill(out, wf.Sparse(9), seed=1)
    with pytest.raises(ValueError, match="axis must be one of the 2"):
        wf.fill(out, wf.Sparse(2, axis=2), seed=1)
    with pytest.raises(ValueError, match="shape must have a known size"):
        wf.fill_rows(out, wf.Sparse(2, axis=0), [1, 2, 3, 4], seed=1, shape=(None, 8))
    assert (out == 1).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"shape": (3,)}, ValueError, "shape must have 2 dimensions"),
        ({"init": wf.Normal()}, TypeError, "init must be Sparse(...), got Normal"),
        ({"seed": -1}, ValueError, "seed must be in [0, 2**64), got -1"),
        ({"dtype": "bfloat16"}, TypeError, "dtype must be float32 or float64, as sparse matrices of SciPy are"),
    ],
)
def test_wrong_arguments_of_create_csr_are_refused(change, error, message):
    arguments = {"shape": (3, 20), "init": wf.Sparse(), "seed": 1, **change}
    with pytest.raises(error) as raised:
        wf.create_csr(arguments.pop("shape"), arguments.pop("init"), **arguments)
    assert message in str(raised.value)
