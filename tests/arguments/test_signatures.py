"""Arguments that a function does not have: the names of other libraries, and those that are missing or too many."""

import inspect
import pickle

import numpy as np
import pytest

import weightfill as wf

PLAN = wf.Plan({"*": wf.Ones()})

OUT = np.zeros((4, 3), np.float32)

ERRORS = [
    (lambda: wf.Normal(stddev=0.02), "Normal must be given only mean and std, got stddev; did you mean std?"),
    (lambda: wf.Normal(sigma=1), "did you mean std?"),
    (lambda: wf.Normal(loc=0, scale=1), "Normal must be given only mean and std, got loc; did you mean mean?"),
    (lambda: wf.Normal(stdd=1), "did you mean std?"),
    (
        lambda: wf.Layout(in_axes=0, out_axis=1),
        "Layout must be given only in_axis, out_axis, batch_axis and group_axis, got in_axes; did you mean in_axis?",
    ),
    (lambda: PLAN.fill(model={}), "Plan.fill must be given only params, threads and progress, got model"),
    (lambda: PLAN.rule(), "Plan.rule must be given name, got no name"),
    (lambda: wf.Normal(qqq=1), "Normal must be given only mean and std, got qqq"),
    (lambda: wf.Uniform(a=0, b=1), "Uniform must be given only low and high, got a; did you mean low?"),
    (lambda: wf.Uniform(maxval=1), "did you mean high?"),
    (lambda: wf.TruncatedNormal(a=-2, b=2), "mean, std, cutoff, low and high, got a; did you mean low?"),
    (lambda: wf.KaimingNormal(nonlinearity="relu"), "got nonlinearity; did you mean gain?"),
    (lambda: wf.KaimingUniform(a=0.1), 'got a; did you mean gain=gain("leaky_relu", a)?'),
    (lambda: wf.KaimingNormal(in_axis=0), "got in_axis; did you mean layout=Layout(in_axis=..., out_axis=...)?"),
    (lambda: wf.Orthogonal(scale=2), "Orthogonal must be given only gain and axis, got scale; did you mean gain?"),
    (lambda: wf.Constant(val=1), "Constant must be given only value, got val; did you mean value?"),
    (lambda: wf.Sparse(nnz=3), "did you mean connections?"),
    (lambda: wf.Zeros(value=0), "Zeros must be given nothing, got value"),
    (lambda: wf.Zeros(0), "Zeros must be given nothing by position, got 1"),
    (lambda: wf.Constant(), "Constant must be given value, got no value"),
    (lambda: wf.Padded(), "Padded must be given of and padding_idx, got no of or padding_idx"),
    (lambda: wf.DepthScaled(wf.Normal()), "DepthScaled must be given of and layers, got no layers"),
    (lambda: wf.Normal(0, 1, 2), "Normal must be given at most 2 by position, mean and std, got 3"),
    (
        lambda: wf.TruncatedNormal(0, 1, 2, -1),
        "TruncatedNormal must be given at most 3 by position, mean, std and cutoff, got 4; name the others: low ",
    ),
    (lambda: wf.Normal(0.0, mean=1.0, std=1), "Normal must be given mean once, got it by position and by name"),
    (lambda: wf.fill(OUT, wf.Normal(), rng=3), "progress, got rng; did you mean seed?"),
    (lambda: wf.fill(OUT, wf.Normal(), generator=3), "got generator; did you mean seed?"),
    (lambda: wf.fill(OUT, wf.Normal(), seed=1, name="w"), "got name; did you mean stream?"),
    (lambda: wf.fill(tensor=OUT, init=wf.Normal()), "got tensor; did you mean out?"),
    (lambda: wf.fill(OUT, wf.Normal(), 1), "fill must be given at most 2 by position, out and init, got 3; name the "),
    (lambda: wf.fill(OUT), "fill must be given out and init, got no init"),
    (lambda: wf.create((3,), wf.Normal(), key=1), "got key; did you mean seed?"),
    (lambda: wf.create(size=3, init=wf.Ones()), "got size; did you mean shape?"),
    (lambda: wf.fill_rows(OUT, wf.Normal(), [0], seed=1), "fill_rows must be given out, init, ids and shape, got no "),
    (lambda: wf.verify(out=OUT, init=wf.Normal()), "got out; did you mean target?"),
    (lambda: wf.gain("leaky_relu", negative_slope=1), "gain must be given only nonlinearity and slope, got negative_"),
    (lambda: wf.fans((3, 3), group=2), "got group; did you mean groups?"),
    (lambda: wf.create_csr((3, 3), wf.Sparse(), rng=1), "got rng; did you mean seed?"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[message[-60:] for _, message in ERRORS])
def test_the_argument_that_is_meant_is_named(call, message):
    with pytest.raises(TypeError) as caught:
        call()
    assert message in str(caught.value)
    assert len(str(caught.value)) < 250


ALONE = [
    (
        lambda: wf.Normal(0.02),
        "mean and std must be named unless both are given, got Normal(0.02); write Normal(std=0.02)",
    ),
    (lambda: wf.Uniform(0.1), "got Uniform(0.1); write Uniform(high=0.1) or Uniform(low=0.1)"),
    (lambda: wf.TruncatedNormal(0.02), "got TruncatedNormal(0.02); write TruncatedNormal(std=0.02) or "),
    (lambda: wf.TruncatedNormal(0.02, low=-1), "got TruncatedNormal(0.02); write"),
    (lambda: wf.create(3, "normal(0.02)", seed=1), "got Normal(0.02); write Normal(std=0.02)"),
]


@pytest.mark.parametrize(("call", "message"), ALONE, ids=[message[-40:] for _, message in ALONE])
def test_a_number_that_other_libraries_read_otherwise_must_be_named(call, message):
    with pytest.raises(TypeError) as caught:
        call()
    assert message in str(caught.value)


def test_both_numbers_may_be_given_by_position():
    assert wf.Normal(0, 0.02) == wf.Normal(0, std=0.02) == wf.Normal(std=0.02)
    assert wf.Uniform(-1, 1) == wf.Uniform(-1, high=1)


def test_an_error_within_a_call_is_handed_on_as_it_is():
    def progress(done, total):
        raise TypeError("from within")

    with pytest.raises(TypeError, match="^from within$"):
        wf.fill(OUT, wf.Zeros(), progress=progress)


def test_signatures_and_pickles_are_those_of_the_functions_and_classes():
    assert list(inspect.signature(wf.Normal).parameters) == ["mean", "std"]
    assert list(inspect.signature(wf.fill).parameters)[:3] == ["out", "init", "seed"]
    for thing in (wf.fill, wf.create, wf.gain, wf.Normal, wf.Normal(std=2.0), wf.KaimingNormal(layout="keras")):
        assert pickle.loads(pickle.dumps(thing)) == thing
