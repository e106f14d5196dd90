"""A detector as one graph of constants, for TensorFlow and for other runtimes."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.networks.fold import Constant, Emitter, Runtime, dense, emitter, fold
from hrnet_tf.tasks.detection.detector import Parts, answer
from hrnet_tf.tasks.detection.heads import DenseOnMap
from hrnet_tf.tasks.detection.layers import crop
from hrnet_tf.tasks.detection.onnx_roi_align import onnx_roi_align
from hrnet_tf.tasks.detection.padding import sizes_without_padding
from hrnet_tf.tasks.detection.portable_roi_align import portable_roi_align
from hrnet_tf.tasks.detection.roi_align import roi_align

# How regions are pooled: TFLite has no operation that crops, ONNX has one for it all.
POOLING: dict[Runtime, Callable[..., tf.Tensor]] = {
    "tensorflow": roi_align,
    "tflite": portable_roi_align,
    "onnx": onnx_roi_align,
}


def fold_detector(
    parts: Parts,
    constant: Constant,
    more_rules: Mapping[type, Callable[..., Emitter]],
    runtime: Runtime,
) -> Callable[[Any], dict[str, tf.Tensor]]:
    """What `hrnet_tf.networks.fold.fold` gives for a detector.

    Args:
        parts: of the detector.
        constant: what puts weights into the graph.
        more_rules: for classes of layers, what makes an emitter of a layer.
        runtime: what the graph is for.

    Returns:
        A function of `{"image": ..., "sizes": ...}`, or of images alone: zeros at their
        right and at their bottom are padding then, see `sizes_without_padding`. It
        gives what the model gives.
    """
    pyramid = fold(parts.pyramid, constant, more_rules)
    heads = _mapped(parts.heads, partial(_emitter, constant=_once(constant)))

    def crops(side: int, name: str) -> Callable[[Any], tf.Tensor]:
        pool = POOLING[runtime]
        return lambda given: crop(given["levels"], given["boxes"], side, pool)

    def network(given: Any) -> dict[str, tf.Tensor]:
        if isinstance(given, Mapping):
            images, sizes = given["image"], given["sizes"]
        else:
            images, sizes = given, sizes_without_padding(given)
        return answer(pyramid(images), sizes, heads, parts.choosing, crops)

    return network


def _once(constant: Constant) -> Constant:
    """Put each weight into a graph once: five levels share the proposal head."""
    there: dict[tuple[int, Any], tf.Tensor] = {}

    def put(weight: np.ndarray) -> tf.Tensor:
        eager = tf.executing_eagerly()
        key = id(weight), None if eager else tf.compat.v1.get_default_graph()
        if key not in there:
            there[key] = constant(weight)
        return there[key]

    return put


def _mapped(value: Any, change: Callable[[layers.Layer], Emitter]) -> Any:
    """A head, or several, with what does the work of a layer in place of each."""
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **{k: _mapped(v, change) for k, v in own.items()})
    if isinstance(value, tuple):
        return tuple(_mapped(each, change) for each in value)
    return change(value)


def _emitter(layer: layers.Layer, constant: Constant) -> Emitter:
    if isinstance(layer, DenseOnMap):
        return _dense_on_map(layer, constant)
    if isinstance(layer, layers.Conv2DTranspose):
        return _enlarging(layer, constant)
    return emitter(layer, None, constant)


def _dense_on_map(layer: DenseOnMap, constant: Constant) -> Emitter:
    emit = dense(layer, constant)
    return lambda x: emit(tf.reshape(x, (-1, int(np.prod(x.shape[1:])))))


def _enlarging(layer: layers.Conv2DTranspose, constant: Constant) -> Emitter:
    """A transposed convolution whose kernel is as large as its stride.

    Each cell becomes cells that no other one changes: a product, in another order.
    """
    side = layer.strides[0]
    kernel = np.asarray(layer.kernel, np.float32).transpose(3, 0, 1, 2)
    kernel = kernel.reshape(1, 1, len(kernel), -1)
    bias = np.tile(np.asarray(layer.bias, np.float32), side * side)

    def emit(x: tf.Tensor) -> tf.Tensor:
        y = tf.nn.conv2d(x, constant(kernel), 1, "VALID")
        y = tf.nn.depth_to_space(tf.nn.bias_add(y, constant(bias)), side)
        return layer.activation(y)

    return emit
