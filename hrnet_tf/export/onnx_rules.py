"""OCR's matrix products with channels first, as ONNX's convolutions give their maps.

Written as in `hrnet_tf.networks.heads.ocr`, with channels last, each product would
need its maps transposed. This way the transposes written here and those that come with
ONNX's convolutions undo each other; what is left are two small ones, of the regions and
of the keys: ONNX's products cannot take an operand transposed.
"""

from collections.abc import Callable

import tensorflow as tf

from hrnet_tf.networks.fold import Emitter
from hrnet_tf.networks.heads.ocr import AttendObjects, GatherObjects


def gather_objects(layer: GatherObjects) -> Emitter:
    """See the layer."""

    def emit(inputs):
        features, logits = inputs
        regions = tf.nn.softmax(_rows(logits))
        objects = tf.matmul(_rows(features), regions, transpose_b=True)
        return tf.transpose(tf.expand_dims(objects, -1), (0, 2, 3, 1))

    return emit


def attend_objects(layer: AttendObjects) -> Emitter:
    """See the layer."""

    def emit(inputs):
        queries, keys, values = inputs
        alike = tf.matmul(_rows(keys), _rows(queries), transpose_a=True)
        weights = tf.nn.softmax(alike * queries.shape[-1] ** -0.5, axis=1)
        mixed = tf.matmul(_rows(values), weights)
        shape = tf.shape(tf.transpose(queries, (0, 3, 1, 2)))
        return tf.transpose(tf.reshape(mixed, shape), (0, 2, 3, 1))

    return emit


CHANNELS_FIRST_RULES: dict[type, Callable[..., Emitter]] = {
    GatherObjects: gather_objects,
    AttendObjects: attend_objects,
}


def _rows(x: tf.Tensor) -> tf.Tensor:
    """`(n, h, w, channels)` to `(n, channels, h * w)`."""
    rows = tf.transpose(x, (0, 3, 1, 2))
    return tf.reshape(rows, (tf.shape(rows)[0], x.shape[-1], -1))
