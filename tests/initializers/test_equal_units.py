import pytest

import weightfill as wf
from weightfill._initializers.equal_units import equal_units


@pytest.mark.parametrize(
    ("init", "shape", "units"),
    [
        (wf.Zeros(), (30, 20), 30),
        (wf.Constant(0.5), (30, 20, 3, 3), 30),
        (wf.Ones(), (30,), 0),
        (wf.Ones(), (1, 30), 0),
        (wf.Normal(), (30, 20), 0),
        (wf.Identity(), (30, 30), 0),
    ],
)
def test_equal_units_are_rows_of_constant_weights(init, shape, units):
    assert equal_units(init.law(shape), shape) == units
