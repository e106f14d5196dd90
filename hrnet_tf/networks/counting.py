"""How large a network is: its parameters, and its multiply-adds for one image."""

from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.compat import variable_leaf

# Statistics, which are not learnt: papers do not count them.
STATISTICS = ("moving_mean", "moving_variance")
SCALES = ("gamma", "beta")  # of batch norm
CONVOLUTION, DEPTHWISE = "Conv2D", "DepthwiseConv2dNative"
TRANSPOSED, DENSE = "Conv2DBackpropInput", "MatMul"
# Operations that hold others, in which nothing could be counted.
CALLS = ("PartitionedCall", "StatefulPartitionedCall", "XlaLaunch")


@dataclass(frozen=True)
class Counts:
    """How large a network is.

    Attributes:
        parameters: numbers that are learnt, frozen ones too; the statistics of batch
            norm are none.
        multiply_adds: of convolutions and dense layers, for one image. Batch norm,
            activations, resizing and products of two maps (OCR has some) do not count,
            as in the papers. A detector looks at as many boxes as it proposes at most.
        transposed: of these, those of transposed convolutions.
        transposed_by_outputs: what they are where every output counts as if the whole
            kernel met it, as some papers have it: 4 times as many at stride 2.
        scales: of the parameters, those of batch norm.
    """

    parameters: int
    multiply_adds: int
    transposed: int = 0
    transposed_by_outputs: int = 0
    scales: int = 0

    @property
    def kernels(self) -> int:
        """Parameters without those of batch norm, as some papers count them."""
        return self.parameters - self.scales

    @property
    def multiply_adds_by_outputs(self) -> int:
        """All of them, with transposed convolutions by their outputs."""
        return self.multiply_adds - self.transposed + self.transposed_by_outputs


def count(model: keras.Model, size: tuple[int, int] | None = None) -> Counts:
    """Count a network's parameters, and its multiply-adds for one image.

    It is done on the graph that the network becomes, which is not run.

    Args:
        model: functional or sequential; takes images, `(batch, height, width,
            channels)`, alone or by name.
        size: height and width in pixels; None: those that the network was built for.

    Returns:
        See `Counts`. Papers print multiply-adds in units of 10^9 or, those of HRNet, of
        2^30.

    Raises:
        ValueError: if the size is not known or is none of the network's, or if a part
            of the network is compiled by itself, so that its graph is not seen.

    Example:
        ```python
        network = hrnet_tf.HRNetV1(width=32)        # for 256 x 192 pixels
        found = hrnet_tf.count(network)
        found.parameters, found.multiply_adds       # 28536113, 7645003776
        ```
    """
    learnt = [w for w in model.weights if variable_leaf(w) not in STATISTICS]
    given, *more = model.inputs
    given = model.input if more else given
    signature = tf.nest.map_structure(lambda x: _one_image(x, size), given)
    answer = tf.function(lambda given: model(given, training=False), autograph=False)
    operations = answer.get_concrete_function(signature).graph.get_operations()
    for operation in operations:
        if operation.type in CALLS:
            raise ValueError(
                f"The network's operation {operation.name} is compiled by itself; what "
                "it does cannot be counted."
            )
    transposed = [x for x in operations if x.type == TRANSPOSED]
    scales = [w for w in learnt if variable_leaf(w) in SCALES]
    return Counts(
        sum(prod(weight.shape) for weight in learnt),
        sum(map(_multiply_adds, operations)),
        sum(map(_multiply_adds, transposed)),
        sum(map(_by_outputs, transposed)),
        sum(prod(weight.shape) for weight in scales),
    )


def _one_image(given: Any, size: tuple[int, int] | None) -> tf.TensorSpec:
    """What an input is for one image of a size."""
    shape = [1, *given.shape[1:]]
    if len(shape) == 4:
        own, asked = tuple(shape[1:3]), size or (None, None)
        sides = [mine or other for mine, other in zip(own, asked, strict=True)]
        if None in sides:
            raise ValueError(
                "The network takes images of any size: give `size`, height and width."
            )
        if size and tuple(sides) != tuple(size):
            raise ValueError(
                f"The network takes images of {own[0]}x{own[1]}, `size` is "
                f"{size[0]}x{size[1]}."
            )
        shape[1:3] = sides
    return tf.TensorSpec(shape, given.dtype)


def _multiply_adds(operation: tf.Operation) -> int:
    """Those of an operation of a graph; 0 for what does not count."""
    if operation.type in (CONVOLUTION, DEPTHWISE):
        kernel = operation.inputs[1].shape
        each = kernel[:3] if operation.type == CONVOLUTION else kernel[:2]
        return prod(_outputs(operation)) * prod(each)
    if operation.type == TRANSPOSED:
        kernel, given = operation.inputs[1].shape, operation.inputs[2].shape
        return prod(given) * prod(kernel[:3])
    if operation.type == DENSE:
        axis = 0 if operation.get_attr("transpose_a") else 1
        return prod(operation.outputs[0].shape) * operation.inputs[0].shape[axis]
    return 0


def _by_outputs(transposed: tf.Operation) -> int:
    """The multiply-adds as if the whole kernel met each output."""
    height, width, _, channels = transposed.inputs[1].shape
    return prod(transposed.outputs[0].shape) * height * width * channels


def _outputs(convolution: tf.Operation) -> tf.TensorShape:
    """The shape of what a convolution gives.

    TensorFlow takes a dilated one apart into several side by side, which may reach
    beyond the map's border, and puts their answers together.
    """
    (given,) = convolution.outputs
    together = [x for x in given.consumers() if x.type == "BatchToSpaceND"]
    return together[0].outputs[0].shape if together else given.shape
