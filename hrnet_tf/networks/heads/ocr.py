"""OCR: every pixel looks at the classes' mean representations.

Source: Yuan et al., Object-Contextual Representations for Semantic Segmentation,
https://arxiv.org/abs/1909.11065, section 3.
"""

import keras
import tensorflow as tf
from keras import layers

from hrnet_tf.networks.heads.dense import dense_head
from hrnet_tf.networks.layers import CHANNELS_LAST, Conventions

FEATURES = 512


@keras.saving.register_keras_serializable("hrnet_tf")
class GatherObjects(layers.Layer):
    """One representation a class: the mean of the features, weighted by soft regions.

    Call arguments:
        inputs: features `(batch, h, w, channels)` and logits `(batch, h, w, classes)`.

    Returns:
        `(batch, classes, 1, channels)`, so that convolutions go on working on it.
    """

    def call(self, inputs):
        """Weigh by a softmax over all positions; see the class."""
        features, logits = inputs
        flat = _flatten(tf.cast(logits, tf.float32))
        regions = tf.cast(tf.nn.softmax(flat, axis=1), features.dtype)
        objects = tf.matmul(regions, _flatten(features), transpose_a=True)
        return objects[:, :, None]

    def compute_output_shape(self, input_shape):
        """Classes in place of height, 1 in place of width."""
        features, logits = input_shape
        return (features[0], logits[-1], 1, features[-1])


@keras.saving.register_keras_serializable("hrnet_tf")
class AttendObjects(layers.Layer):
    """Each pixel's mix of the classes' values, by how its query meets their keys.

    Call arguments:
        inputs: queries `(batch, h, w, channels)`, keys and values `(batch, classes, 1,
            channels)`.

    Returns:
        `(batch, h, w, channels)`.
    """

    def call(self, inputs):
        """Scaled dot products, softmax over the classes; see the class."""
        queries, keys, values = inputs
        alike = tf.matmul(_flatten(queries), _flatten(keys), transpose_b=True)
        alike = tf.cast(alike, tf.float32) * queries.shape[-1] ** -0.5
        weights = tf.cast(tf.nn.softmax(alike, axis=-1), values.dtype)
        return tf.reshape(tf.matmul(weights, _flatten(values)), tf.shape(queries))

    def compute_output_shape(self, input_shape):
        """That of the queries."""
        return input_shape[0]


def ocr_head(
    x: tf.Tensor, classes: int, conventions: Conventions, features: int | None = None
) -> dict[str, tf.Tensor]:
    """Object-contextual representations and logits from them.

    Args:
        x: the concatenated representation, `(batch, h, w, channels)`.
        classes: number of classes.
        conventions: what the network's layers have in common.
        features: X

    Returns:
        `{"auxiliary": ..., "logits": ...}`, both `(batch, h, w, classes)`, float32: the
        soft regions' logits, which are trained too, and the result.
    """
    features = features or FEATURES
    conv_bn = conventions.conv_bn
    auxiliary = dense_head(x, classes, conventions, name="aux_head")
    names = ("conv3x3_ocr.0", "conv3x3_ocr.1")
    pixels = conv_bn(x, features, 3, bias=True, names=names)

    half = features // 2
    objects = GatherObjects(name="ocr_gather_head")([pixels, auxiliary])
    block = "ocr_distri_head.object_context_block"
    queries = _twice(pixels, half, conventions, name=f"{block}.f_pixel")
    keys = _twice(objects, half, conventions, name=f"{block}.f_object")
    names = (f"{block}.f_down.0", f"{block}.f_down.1.0")
    values = conv_bn(objects, half, 1, names=names)
    context = AttendObjects(name=f"{block}.attend")([queries, keys, values])
    names = (f"{block}.f_up.0", f"{block}.f_up.1.0")
    context = conv_bn(context, features, 1, names=names)

    name = "ocr_distri_head.conv_bn_dropout"
    y = layers.Concatenate(name=f"{name}.concatenate")([context, pixels])
    y = conv_bn(y, features, 1, names=(f"{name}.0", f"{name}.1.0"))
    y = layers.SpatialDropout2D(0.05, data_format=CHANNELS_LAST, name=f"{name}.2")(y)
    logits = conventions.output_conv(y, classes, name="cls_head")
    return {"auxiliary": auxiliary, "logits": logits}


def _twice(
    x: tf.Tensor, channels: int, conventions: Conventions, *, name: str
) -> tf.Tensor:
    conv_bn = conventions.conv_bn
    x = conv_bn(x, channels, 1, names=(f"{name}.0", f"{name}.1.0"))
    return conv_bn(x, channels, 1, names=(f"{name}.2", f"{name}.3.0"))


def _flatten(x: tf.Tensor) -> tf.Tensor:
    """`(batch, h, w, channels)` to `(batch, h * w, channels)`."""
    return tf.reshape(x, (tf.shape(x)[0], -1, x.shape[-1]))
