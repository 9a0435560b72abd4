import numpy as np
import pytest

import weightfill as wf
from weightfill.signals import Conv
from weightfill.signals._activations import as_activation
from weightfill.signals._networks import backward, forward, stack_of


@pytest.mark.parametrize(
    ("sizes", "shapes", "text"),
    [
        ([784, 500, 10], [(500, 784), (10, 500)], "784,500,10"),
        ("784, 500x2 ,10", [(500, 784), (500, 500), (10, 500)], "784,500x2,10"),
        ("5x3", [(5, 5), (5, 5)], "5,5x2"),
        ("3@8x9,4c3x2,7", [(4, 3, 3, 3), (4, 4, 3, 3), (7, 288)], "3@8x9,4c3x2,7"),
        ([(3, 8, 9), Conv(4, 5)], [(4, 3, 5, 5)], "3@8x9,4c5"),
        (np.array([4, 2]), [(2, 4)], "4,2"),
    ],
)
def test_sizes_describe_layers(sizes, shapes, text):
    stack = stack_of(sizes)
    assert [layer.weight_shape for layer in stack.layers] == shapes
    assert stack.text == text


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ([784], ValueError, "sizes must have an input and at least one layer, got"),
        ("", ValueError, "sizes must be sizes between commas, such as '784,500x10,10' .* got ''"),
        ("784,-3", ValueError, "got '-3' in '784,-3'"),
        ("784,0", ValueError, "sizes must be at least 1, got '784,0'; a layer without units"),
        ([784, 0, 10], ValueError, r"sizes must be at least 1, got \[784, 0, 10\]; a layer without units passes"),
        ("784,5x0", ValueError, "sizes must repeat a layer 1 to 10,000 times, got '5x0'"),
        ("784,5x99999999", ValueError, "sizes must repeat a layer 1 to 10,000 times"),
        ("784,5c3", ValueError, "sizes must have convolutions only where there is an image"),
        ("8c3,5", ValueError, "sizes must begin with an input"),
        ("8,3@4x4", ValueError, "sizes must have an image only at the beginning"),
        ("3@4x4,8c5", ValueError, "sizes must have kernels no larger than the image"),
        ("3@4x4,8c2", ValueError, "kernel must be odd and at least 1, got 2"),
        ([(3, 4), 5], ValueError, r"sizes must have images as \(channels, height, width\), got \(3, 4\)"),
        ([3.5, 4], TypeError, "sizes must be an integer, got 3.5"),
        (b"784,10", TypeError, "sizes must be a sequence such as .* or text, got b'784,10'"),
        (784, TypeError, "sizes must be a sequence such as .* or text, got 784"),
    ],
)
def test_sizes_refuse(sizes, error, message):
    with pytest.raises(error, match=message):
        stack_of(sizes)


@pytest.mark.parametrize("sizes", ["6,5", "2@5x6,3c3", "2@5x4,3c1"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "linear"])
def test_backward_is_the_derivative_of_forward(sizes, activation):
    layer, kind = stack_of(sizes).layers[0], as_activation(activation)

    def made(shape, stream):
        return wf.create(shape, wf.Normal(), seed=1, stream=stream, dtype="float64")

    given, weight = made((3, *layer.input_shape), "x"), made(layer.weight_shape, "w")
    bias, gradient = made(layer.weight_shape[:1], "b"), made((3, *layer.output_shape), "g")

    def loss(given, weight, bias):
        return float((forward(layer, given, weight, bias, kind).after * gradient).sum())

    found = backward(layer, forward(layer, given, weight, bias, kind), gradient, kind)
    for place, derivative in enumerate(found):
        arguments = [given, weight, bias]
        towards = wf.create(derivative.shape, wf.Normal(), seed=2, stream="d", dtype="float64")
        step = 1e-6
        high, low = (
            [*arguments[:place], arguments[place] + s * towards, *arguments[place + 1 :]] for s in (step, -step)
        )
        assert (derivative * towards).sum() == pytest.approx((loss(*high) - loss(*low)) / (2 * step), rel=1e-6)
