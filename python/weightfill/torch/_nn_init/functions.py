"""The functions of torch.nn.init, with weightfill's values.

Names, arguments, distributions, results, warnings and errors are torch's. Each call draws one 64-bit key from the
generator, or from that of `torch.manual_seed`. The values are those of `weightfill.fill` with this key as the seed and
the empty stream. These calls go to torch's own function: tensors that weightfill cannot fill (on other devices, of
integers or complex numbers, of subclasses), values that do not fit into the dtype, arguments that are errors, and calls
that torch records or transforms.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from torch import Generator, Tensor, eye, no_grad

from weightfill.torch._drawn import detached, drawn
from weightfill.torch._nn_init.originals import originals
from weightfill.torch._views import array_of, is_dtensor, is_plain

Mode: TypeAlias = Literal["fan_in", "fan_out"]  # torch's: weightfill has more of both
Nonlinearity: TypeAlias = Literal[
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
]

_LARGE = 1 << 22  # elements from which streaming stores beat torch's, which write the same values


def _is_constant(value: object) -> bool:
    """Whether torch and weightfill take a value alike: weightfill has no negative zero, torch no integers so large."""
    if type(value) is int:
        return abs(value) < 2**63
    return type(value) is float and not (value == 0 and math.copysign(1, value) < 0)


def _filled_by_torch(tensor: Tensor, value: float) -> Tensor:
    """Fill a tensor with a value by torch's own code, and return it."""
    alone = detached(tensor)
    if alone is not None:
        alone.fill_(value)
        return tensor
    with no_grad():
        return tensor.fill_(value)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill a tensor of any shape with uniform values on [a, b), as `torch.nn.init.uniform_`, and return it.

    >>> _ = torch.manual_seed(0)
    >>> bool((weightfill.torch.uniform_(torch.empty(3, 5), -1, 1).abs() <= 1).all())
    True

    Raises:
        RuntimeError: `a` is greater than `b`, or they are beyond the dtype.
    """
    return drawn(tensor, "uniform_", (a, b), generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill a tensor of any shape with normal values, as `torch.nn.init.normal_`, and return it.

    >>> generator = torch.Generator().manual_seed(0)
    >>> weight = weightfill.torch.normal_(torch.empty(3, 5), std=0.02, generator=generator)
    >>> again = weightfill.torch.normal_(torch.empty(3, 5), std=0.02, generator=generator.manual_seed(0))
    >>> torch.equal(weight, again)
    True

    Raises:
        RuntimeError: `std` is negative.
    """
    return drawn(tensor, "normal_", (mean, std), generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill a tensor of any shape with normal values within [a, b], as `torch.nn.init.trunc_normal_`, and return it.

    The bounds are values, not standard deviations: with std=0.02 the default bounds cut nothing off. torch's warning
    about means far from the bounds is still shown, although the values are correct there, too.

    >>> weight = weightfill.torch.trunc_normal_(torch.empty(3, 5), std=0.02, a=-0.04, b=0.04)
    >>> float(weight.abs().max()) <= 0.04
    True

    Raises:
        ZeroDivisionError: `std` is 0.
        RuntimeError: `a` is greater than `b`.
    """
    return drawn(tensor, "trunc_normal_", (mean, std, a, b), generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill a tensor of any shape with a value, as `torch.nn.init.constant_`, and return it.

    >>> weightfill.torch.constant_(torch.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    if tensor.numel() >= _LARGE:
        return drawn(tensor, "constant_", (val,)) if _is_constant(val) else originals["constant_"](tensor, val)
    if not is_plain(tensor):
        return originals["constant_"](tensor, val)
    return _filled_by_torch(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill a tensor of any shape with ones, as `torch.nn.init.ones_`, and return it.

    >>> weightfill.torch.ones_(torch.empty(2))
    tensor([1., 1.])
    """
    if tensor.numel() >= _LARGE:
        return drawn(tensor, "ones_", ())
    return _filled_by_torch(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill a tensor of any shape with zeros, as `torch.nn.init.zeros_`, and return it.

    >>> weightfill.torch.zeros_(torch.empty(2))
    tensor([0., 0.])
    """
    if tensor.numel() >= _LARGE:
        return drawn(tensor, "zeros_", ())
    alone = detached(tensor)
    if alone is not None:
        alone.zero_()
        return tensor
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere, as `torch.nn.init.eye_`, and return it.

    >>> weightfill.torch.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])

    Raises:
        ValueError: `tensor` does not have 2 dimensions.
    """
    if tensor.numel() >= _LARGE or is_dtensor(tensor):
        return drawn(tensor, "eye_", ())
    alone = detached(tensor)
    if alone is None or alone.ndim != 2:
        return originals["eye_"](tensor)
    eye(*alone.shape, out=alone)
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a weight (out, in, *kernel) so that a convolution passes its channels through, as `torch.nn.init.dirac_`.

    The 1s are at element k // 2 of each kernel axis of k elements.

    >>> weightfill.torch.dirac_(torch.empty(2, 1, 3), groups=2)
    tensor([[[0., 1., 0.]],
    <BLANKLINE>
            [[0., 1., 0.]]])

    Raises:
        ValueError: `tensor` does not have 3 to 5 dimensions, or `groups` does not divide its outputs.
    """
    return drawn(tensor, "dirac_", (groups,))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill a weight (out, in, *kernel) by XavierUniform(gain), as `torch.nn.init.xavier_uniform_`, and return it.

    >>> weight = weightfill.torch.xavier_uniform_(torch.empty(2, 4))
    >>> float(weight.abs().max()) <= 1
    True

    Raises:
        ValueError: `tensor` has fewer than 2 dimensions.
        ZeroDivisionError: both fans are 0.
    """
    return drawn(tensor, "xavier_uniform_", (gain,), generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill a weight (out, in, *kernel) by XavierNormal(gain), as `torch.nn.init.xavier_normal_`, and return it.

    The distribution is not truncated; in Keras and JAX it is.

    >>> weightfill.torch.xavier_normal_(torch.empty(2, 4)).shape
    torch.Size([2, 4])

    Raises:
        ValueError: `tensor` has fewer than 2 dimensions.
        ZeroDivisionError: both fans are 0.
    """
    return drawn(tensor, "xavier_normal_", (gain,), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill a weight (out, in, *kernel) by KaimingUniform, as `torch.nn.init.kaiming_uniform_`, and return it.

    `a` is the slope of a leaky_relu; the mode is "fan_in" or "fan_out".

    >>> weight = weightfill.torch.kaiming_uniform_(torch.empty(2, 6), nonlinearity="relu")
    >>> float(weight.abs().max()) <= 1
    True

    Raises:
        ValueError: `tensor` has fewer than 2 dimensions, or torch does not know `mode`, `nonlinearity` or `a`.
    """
    return drawn(tensor, "kaiming_uniform_", (a, mode, nonlinearity), generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill a weight (out, in, *kernel) by KaimingNormal, as `torch.nn.init.kaiming_normal_`, and return it.

    The distribution is not truncated; in Keras and JAX it is. `a` is the slope of a leaky_relu.

    >>> weightfill.torch.kaiming_normal_(torch.empty(2, 6), mode="fan_out").shape
    torch.Size([2, 6])

    Raises:
        ValueError: `tensor` has fewer than 2 dimensions, or torch does not know `mode`, `nonlinearity` or `a`.
    """
    return drawn(tensor, "kaiming_normal_", (a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill a tensor, seen as a matrix of size(0) rows, by Orthogonal(gain), as `torch.nn.init.orthogonal_`.

    float16, bfloat16 and float8 are computed in float32 and rounded once; torch refuses them. The last bits depend on
    LAPACK, see `weightfill.Orthogonal`.

    >>> weight = weightfill.torch.orthogonal_(torch.empty(2, 4))
    >>> torch.allclose(weight @ weight.T, torch.eye(2), atol=1e-6)
    True

    Raises:
        ValueError: `tensor` has fewer than 2 dimensions.
    """
    return drawn(tensor, "orthogonal_", (gain,), generator)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix from Normal(0, std) and make ceil(sparsity * rows) of every column zero, and return it.

    As `torch.nn.init.sparse_`, but the generator also decides the positions of the zeros. Every column has the same
    number of zeros. (By default `weightfill.Sparse` counts in rows: the inputs of each output.)

    >>> weight = weightfill.torch.sparse_(torch.empty(10, 3), sparsity=0.75)
    >>> (weight == 0).sum(dim=0)
    tensor([8, 8, 8])

    Raises:
        ValueError: `tensor` does not have 2 dimensions, or `sparsity` is negative, which torch accepts.
    """
    is_number = isinstance(sparsity, float | int)
    if is_number and sparsity < 0 and tensor.ndim == 2 and array_of(tensor) is not None:
        zeros = math.ceil(sparsity * tensor.shape[0])
        if zeros < 0:
            raise ValueError(f"sparsity must be at least 0, got {sparsity}, which is {zeros} zeros in a column")
    return drawn(tensor, "sparse_", (sparsity, std), generator)
