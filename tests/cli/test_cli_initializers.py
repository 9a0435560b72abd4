"""--init, and an option for every parameter of an initializer."""

import inspect

import numpy as np
import pytest

import weightfill as wf
from weightfill import _cli as cli
from weightfill._cli.initializers import _PARAMETERS
from weightfill._initializers.tables import Table

WRITTEN = {
    "kaiming-normal --nonlinearity relu --mode fan_out": wf.KaimingNormal("relu", "fan_out"),
    "kaiming-normal --gain 2 --truncated": wf.KaimingNormal(2.0, truncated=True),
    "xavier_uniform --gain tanh --layout keras": wf.XavierUniform("tanh", layout="keras"),
    "VarianceScaling --scale 2 --distribution uniform --groups 2": wf.VarianceScaling(
        2, distribution="uniform", groups=2
    ),
    "sparse --connections 3 --axis 0 --std 0.5": wf.Sparse(3, 0.5, 0),
    "sparse --sparsity 0.9 --axis -1": wf.Sparse(sparsity=0.9),
    "orthogonal --gain 1.5 --axis -1": wf.Orthogonal(1.5, -1),
    "laplace --mean 1 --scale 0.5": wf.Laplace(1.0, 0.5),
    "log-uniform --low 1e-3 --high 0.1 --then inverse_softplus": wf.LogUniform(1e-3, 0.1, then="inverse_softplus"),
    "identity --gain 3": wf.Identity(3.0),
    "wf.Normal --std 0.5": wf.Normal(std=0.5),
}


@pytest.mark.parametrize("options", WRITTEN)
def test_a_table_is_of_the_initializer_that_the_options_describe(tmp_path, options):
    path = tmp_path / "t.npy"
    how = ["--init", *options.split(), "--seed", "42", "--stream", "w"]
    assert cli.run(["table", "--rows", "20", "--dim", "30", "--out", str(path), *how]) == 0
    expected = wf.create((20, 30), WRITTEN[options], seed=42, stream="w")
    assert np.load(path).tobytes() == expected.tobytes()
    assert cli.run(["verify", str(path), *how]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("normal --gain 3", "--gain must be left out with --init normal, got 3.0; it takes --mean and --std"),
        (
            "sparse --mean 3",
            "--mean must be left out with --init sparse, got 3.0; it takes --connections and --std and",
        ),
        ("kaiming-normal --nonlinearity relux", "gain must be one of 'linear',"),
        ("kaiming-normal --mode fan", "mode must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fan'"),
        ("sparse --axis x", "--axis must be a whole number such as 0 or -1, got 'x'"),
        ("constant", "--value must be given with --init constant"),
        ("log-uniform --low 1", "--low and --high must be given with --init log-uniform"),
        (
            "depth-scaled",
            "--init must give of and layers within, got depth-scaled; write it as --init 'depth-scaled(of=..., layers=",
        ),
        ("Normal(std=2) --mean 1", "--mean must be left out with --init 'Normal(std=2)', got 1.0; write it within"),
        ("zeros --mean 1", "--mean must be left out with --init zeros, got 1.0; it takes none of these options"),
    ],
)
def test_options_that_do_not_fit_are_errors(tmp_path, capsys, options, words):
    arguments = ["table", "--rows", "20", "--dim", "30", "--out", str(tmp_path / "t.npy"), "--seed", "1"]
    assert cli.run([*arguments, "--init", *options.split()]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_every_parameter_that_is_no_initializer_has_an_option():
    public = [getattr(wf, name) for name in wf.__all__]
    kinds = [kind for kind in public if isinstance(kind, type) and issubclass(kind, wf.Initializer)]
    around = (
        wf.Blocks,
        wf.DepthScaled,
        wf.LayerScaled,
        wf.MuP,
        wf.Padded,
        wf.Repeat,
        wf.Scaled,
    )  # others, which options do not describe
    kinds = [kind for kind in kinds if kind not in (wf.Initializer, wf.WholeTensor, *around)]
    kinds = [kind for kind in kinds if not issubclass(kind, Table)]  # no tables of embeddings; written as calls
    assert {name for kind in kinds for name in inspect.signature(kind).parameters} == set(_PARAMETERS)
