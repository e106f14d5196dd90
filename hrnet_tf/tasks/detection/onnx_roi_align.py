"""RoIAlign by the operation that ONNX has for it; numbers are those of `roi_align`."""

from collections.abc import Sequence

import tensorflow as tf

from hrnet_tf.networks.regions import as_onnx_does
from hrnet_tf.tasks.detection.roi_align import STRIDES, roi_levels


def onnx_roi_align(
    levels: Sequence[tf.Tensor], boxes: tf.Tensor, side: int
) -> tf.Tensor:
    """`roi_align` as it stands in a graph that becomes an ONNX file.

    Each region is pooled on its own level alone.

    Args:
        levels: maps of strides 4, 8, 16, 32, float32 `(batch, height, width, c)`.
        boxes: float32 `(batch, n, 4)`: x1, y1, x2, y2 in pixels.
        side: bins in each direction.

    Returns:
        float32 `(batch, n, side, side, c)`.
    """
    batch, count = tf.unstack(tf.shape(boxes)[:2])
    images = tf.repeat(tf.range(batch), count)
    flat = tf.reshape(boxes, (-1, 4))
    level = roi_levels(flat)
    pooled, places = [], []
    for number, (values, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        here = tf.cast(tf.where(level == number)[:, 0], tf.int32)
        regions = tf.gather(flat, here) * (1 / stride)
        pooled.append(as_onnx_does(values, regions, tf.gather(images, here), side))
        places.append(here)
    order = tf.argsort(tf.concat(places, axis=0))
    found = tf.gather(tf.concat(pooled, axis=0), order)
    return tf.reshape(found, tf.stack([batch, count, side, side, levels[0].shape[-1]]))
