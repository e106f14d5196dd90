"""A trained network as one graph: constant weights, batch norm folded in.

Constants are what makes TensorFlow fast on a CPU (it packs them once for its kernels)
and what makes exports quick to write. The graph is read off the Keras model itself, so
that no network is described twice.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.common.compat import freeze
from hrnet_tf.networks.batch_norm import BatchNormalization
from hrnet_tf.networks.calls import Call, calls_of, check_connected
from hrnet_tf.networks.heads.pyramid_pooling import AdaptiveMean, means_by_slices
from hrnet_tf.networks.layers import Upsample, resize_bilinear
from hrnet_tf.networks.lite_layers import DepthwiseConvolution

Emitter = Callable[[Any], tf.Tensor]

# Puts a weight into the graph that is being traced.
Constant = Callable[[np.ndarray], tf.Tensor]

# What a graph is for, where that makes a difference.
Runtime = Literal["tensorflow", "tflite", "onnx"]


def fold(
    model: keras.Model,
    constant: Constant = tf.constant,
    more_rules: Mapping[type, Callable[..., Emitter]] = {},
    runtime: Runtime = "tensorflow",
    divided: Mapping[str, Mapping[str, slice]] = {},
) -> Callable[[tf.Tensor], Any]:
    """A function that computes what `model(x, training=False)` does, on constants.

    Args:
        model: a functional model in which every layer is called once; or one whose
            method `folded` takes the other arguments, and does what is done here.
        constant: what puts weights into the graph; see `StandIns`.
        more_rules: for classes of layers, what makes an emitter of a layer.
        runtime: what the graph is for; only models with a method `folded` look at it.
        divided: names of outputs that are to be several, and these by name, as channels
            of them: each gets a convolution of its own, and so a range of its own when
            it is quantised. What is no convolution's output stays as it is.

    Returns:
        A function of an image batch, for use inside `tf.function`; it returns float32
        in the structure that the model returns. A layer it has no rule for is called as
        it is, with its variables; `constant_graph` turns those into constants.

    Raises:
        ValueError: if the model is not functional, takes more than one input, or
            shares a layer between two places.

    Example:
        ```python
        network = tf.function(fold(model))
        heatmaps = network(tf.zeros((1, 256, 192, 3)))
        ```
    """
    if own := getattr(model, "folded", None):
        return own(constant, more_rules, runtime)
    called = calls_of(model)
    check_connected(model, called)
    norms = _foldable_norms(model, called)
    folded = {id(norm.layer) for norm in norms.values()}
    steps = []
    for call in called:
        if id(call.layer) not in folded:
            norm = norms.get(id(call.layer))
            output = (norm or call).output
            if rule := more_rules.get(type(call.layer)):
                emit = rule(call.layer)
            else:
                emit = emitter(call.layer, norm and norm.layer, constant)
            steps.append((emit, call.inputs, id(output)))
    parts = _parts(model, called, constant, divided)

    def network(images: tf.Tensor) -> Any:
        values = {id(model.inputs[0]): images}
        for emit, inputs, output in steps:
            values[output] = emit(
                tf.nest.map_structure(lambda tensor: values[id(tensor)], inputs)
            )
        answers = tf.nest.map_structure(lambda tensor: values[id(tensor)], model.output)
        for whole, own in parts.items():
            del answers[whole]
            answers |= {name: emit(values[id(x)]) for name, (emit, x) in own.items()}
        return answers

    return network


def _parts(
    model: keras.Model,
    called: list[Call],
    constant: Constant,
    divided: Mapping[str, Mapping[str, slice]],
) -> dict[str, dict[str, tuple[Emitter, Any]]]:
    """Convolutions for parts of outputs, with what they take."""
    found = {}
    for whole, parts in divided.items():
        output = id(model.output[whole])
        call = next(call for call in called if id(call.output) == output)
        if type(call.layer) is layers.Conv2D:
            found[whole] = {
                name: (convolution(call.layer, None, constant, part), call.inputs)
                for name, part in parts.items()
            }
    return found


def constant_graph(function: Callable, *signature: tf.TensorSpec) -> Any:
    """Trace a function for a signature, with all weights as constants.

    Returns:
        A concrete function: call it, save it, or convert it.
    """
    traced = tf.function(function, input_signature=signature, autograph=False)
    concrete = traced.get_concrete_function()
    return freeze(concrete) if concrete.variables else concrete


def emitter(
    layer: layers.Layer,
    norm: layers.Layer | None = None,
    constant: Constant = tf.constant,
) -> Emitter:
    """The function that does a layer's work without its variables."""
    rule = None if _sized_otherwise(layer) else RULES.get(type(layer))
    if rule in CONVOLUTIONS:
        return rule(layer, norm, constant)
    if rule is dense:
        return rule(layer, constant)
    found = rule(layer) if rule else None
    return found or partial(call_layer, layer)


def call_layer(layer: layers.Layer, x: Any) -> tf.Tensor:
    """The layer itself, for all that has no rule."""
    return tf.cast(layer(x), tf.float32)


def convolution(
    layer: layers.Conv2D,
    norm: layers.BatchNormalization | None,
    constant: Constant,
    channels: slice = slice(None),
) -> Emitter:
    """A convolution with its batch norm folded into kernel and bias, in float64.

    Args:
        layer: the convolution.
        norm: that follows it, if one does.
        constant: what puts weights into the graph.
        channels: which of its answers.
    """
    kernel = np.asarray(layer.kernel, np.float64)
    bias = (
        np.asarray(layer.bias, np.float64)
        if layer.use_bias
        else np.zeros(layer.filters)
    )
    if norm is not None:
        scale, shift = _scale_and_shift(norm)
        kernel, bias = kernel * scale, bias * scale + shift
    weights = kernel[..., channels].astype(np.float32)
    bias = bias[channels]
    offset = bias.astype(np.float32) if bias.any() else None
    strides, padding = list(layer.strides), layer.padding.upper()
    activation = None if _is_linear(layer.activation) else layer.activation

    def emit(x):
        y = tf.nn.conv2d(
            x, constant(weights), strides, padding, dilations=layer.dilation_rate
        )
        y = y if offset is None else tf.nn.bias_add(y, constant(offset))
        return activation(y) if activation else y

    return emit


def depthwise(
    layer: layers.DepthwiseConv2D,
    norm: layers.BatchNormalization | None,
    constant: Constant,
) -> Emitter:
    """A depthwise convolution with its batch norm folded in, in float64."""
    kernel, bias = layer.get_weights()[0].astype(np.float64), None
    if layer.use_bias:
        bias = np.asarray(layer.bias, np.float64)
    if norm is not None:
        scale, shift = _scale_and_shift(norm)
        kernel = kernel * scale.reshape(kernel.shape[2:])
        bias = shift if bias is None else bias * scale + shift
    weights = kernel.astype(np.float32)
    offset = None if bias is None else bias.astype(np.float32)
    strides = [1, *layer.strides, 1]

    def emit(x):
        y = tf.nn.depthwise_conv2d(
            x,
            constant(weights),
            strides,
            layer.padding.upper(),
            dilations=layer.dilation_rate,
        )
        y = y if offset is None else tf.nn.bias_add(y, constant(offset))
        return layer.activation(y)

    return emit


def transposed(
    layer: layers.Conv2DTranspose,
    norm: layers.BatchNormalization | None,
    constant: Constant,
) -> Emitter:
    """A transposed convolution, to a multiple of the size, with its batch norm."""
    kernel = np.asarray(layer.kernel, np.float64)  # (height, width, out, in)
    bias = np.zeros(layer.filters)
    if layer.use_bias:
        bias = np.asarray(layer.bias, np.float64)
    if norm is not None:
        scale, shift = _scale_and_shift(norm)
        kernel, bias = kernel * scale[:, None], bias * scale + shift
    weights, offset = kernel.astype(np.float32), bias.astype(np.float32)
    strides = list(layer.strides)

    def emit(x):
        shape = tf.shape(x)
        sides = (x.shape[i] or shape[i] for i in (1, 2))
        size = [shape[0], *(side * by for side, by in zip(sides, strides, strict=True))]
        y = tf.nn.conv2d_transpose(
            x, constant(weights), tf.stack([*size, layer.filters]), strides, "SAME"
        )
        y = tf.nn.bias_add(y, constant(offset)) if offset.any() else y
        return layer.activation(y)

    return emit


def dense(layer: layers.Dense, constant: Constant) -> Emitter:
    """A fully connected layer."""
    kernel = np.asarray(layer.kernel, np.float32)
    bias = np.asarray(layer.bias, np.float32) if layer.use_bias else None

    def emit(x):
        y = tf.matmul(x, constant(kernel))
        y = y if bias is None else tf.nn.bias_add(y, constant(bias))
        return layer.activation(y)

    return emit


def normalization(layer: layers.BatchNormalization) -> Emitter:
    """A batch norm that no convolution could take in."""
    scale, shift = (values.astype(np.float32) for values in _scale_and_shift(layer))
    return lambda x: x * scale + shift


def upsampling(layer: Upsample) -> Emitter:
    """Resizing by TensorFlow's own operations, which every format knows."""

    def emit(inputs):
        x, like = inputs
        static = like.shape[1:3]
        size = tf.shape(like)[1:3] if None in static else tf.constant(list(static))
        if layer.rule == "nearest":
            return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)
        return resize_bilinear(x, size, layer.rule == "bilinear_align_corners")

    return emit


def padding(layer: layers.ZeroPadding2D) -> Emitter:
    """Zeros around the image."""
    paddings = np.array([(0, 0), *layer.padding, (0, 0)], np.int32)
    return lambda x: tf.pad(x, paddings)


def relu(layer: layers.ReLU) -> Emitter | None:
    """Plain ReLU; none for its variants."""
    plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    return tf.nn.relu if plain else None


def activation(layer: layers.Activation) -> Emitter | None:
    """The linear activation."""
    return tf.identity if _is_linear(layer.activation) else None


# Rules that take in a batch norm too.
CONVOLUTIONS = (convolution, depthwise, transposed)

RULES: dict[type, Callable[..., Emitter | None]] = {
    layers.Conv2D: convolution,
    layers.DepthwiseConv2D: depthwise,
    DepthwiseConvolution: depthwise,
    layers.Conv2DTranspose: transposed,
    layers.Dense: dense,
    layers.BatchNormalization: normalization,
    BatchNormalization: normalization,
    layers.ZeroPadding2D: padding,
    layers.ReLU: relu,
    layers.Activation: activation,
    layers.Add: lambda layer: partial(reduce, tf.add),
    layers.Concatenate: lambda layer: partial(tf.concat, axis=layer.axis),
    Upsample: upsampling,
    AdaptiveMean: lambda layer: partial(means_by_slices, bins=layer.bins),
}


def _foldable_norms(model: keras.Model, called: list[Call]) -> dict[int, Call]:
    """The batch norm that each convolution can take in, as its only reader."""
    readers = Counter(
        id(tensor) for call in called for tensor in tf.nest.flatten(call.inputs)
    )
    readers.update(map(id, model.outputs))
    producers = {id(call.output): call.layer for call in called}
    found = {}
    for call in called:
        if (
            RULES.get(type(call.layer)) is normalization
            and readers[id(call.inputs)] == 1
        ):
            producer = producers.get(id(call.inputs))
            if _takes_in_norm(producer):
                found[id(producer)] = call
    return found


def _takes_in_norm(layer: layers.Layer | None) -> bool:
    convolves = RULES.get(type(layer)) in CONVOLUTIONS
    if layer is None or not convolves or _sized_otherwise(layer):
        return False
    return _is_linear(layer.activation)


def _sized_otherwise(layer: layers.Layer) -> bool:
    """Whether this is a transposed convolution that `transposed` is not for."""
    if type(layer) is not layers.Conv2DTranspose:
        return False
    spread = max(layer.dilation_rate) > 1 or layer.output_padding is not None
    return layer.padding != "same" or spread


def _is_linear(function: Callable) -> bool:
    return function is keras.activations.linear


def _scale_and_shift(norm: layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(norm.moving_mean, np.float64)
    scale = 1.0 / np.sqrt(np.asarray(norm.moving_variance, np.float64) + norm.epsilon)
    if norm.scale:
        scale *= np.asarray(norm.gamma, np.float64)
    shift = -mean * scale
    if norm.center:
        shift += np.asarray(norm.beta, np.float64)
    return scale, shift
