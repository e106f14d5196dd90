"""Masks of objects: what a mask head learns, and its answers in pixels of images.

Source: He et al., Mask R-CNN, https://arxiv.org/abs/1703.06870, section 3; positions
and thresholds are those of MMDetection.
"""

import tensorflow as tf

from hrnet_tf.tasks.detection.roi_align import pool

SIDE = 28  # of a head's answer
INSIDE = 0.5  # least share of a pixel that is an object's


def mask_targets(
    masks: tf.Tensor, boxes: tf.Tensor, owners: tf.Tensor, side: int = SIDE
) -> tf.Tensor:
    """What of an object lies in each bin of a region.

    Args:
        masks: uint8 `(batch, m, height, width)`, 0 or 1: the objects.
        boxes: float32 `(batch, n, 4)`: the regions, in pixels of the masks; what
            reaches beyond is cut off.
        owners: int32 `(batch, n)`: which object each region belongs to.
        side: bins in each direction.

    Returns:
        float32 `(batch, n, side, side)`, 0 or 1; 0 for regions without area, and where
        there is no object at all.
    """
    return tf.cast(soft_targets(masks, boxes, owners, side) >= INSIDE, tf.float32)


def soft_targets(
    masks: tf.Tensor, boxes: tf.Tensor, owners: tf.Tensor, side: int = SIDE
) -> tf.Tensor:
    """The share of each bin that is the object's, 0 to 1; see `mask_targets`."""
    batch, objects, height, width = tf.unstack(tf.shape(masks))
    limits = tf.cast(tf.stack([width, height, width, height]), boxes.dtype)
    boxes = tf.minimum(tf.maximum(tf.stop_gradient(boxes), 0), limits)
    # A batch without any object has one that is nowhere.
    missing = tf.cast(objects == 0, tf.int32)
    masks = tf.pad(masks, [[0, 0], [0, missing], [0, 0], [0, 0]])
    image = owners + tf.range(batch)[:, None] * (objects + missing)
    boxes = tf.reshape(boxes, (-1, 4)) - 0.5  # pixels' middles have whole numbers
    shape = tf.stack([-1, height, width, 1])
    pooled = pool(
        tf.reshape(masks, shape),
        tf.reshape(image, [-1]),
        boxes[:, :2],
        boxes[:, 2:] - boxes[:, :2],
        side,
    )
    return tf.reshape(pooled, tf.stack([batch, tf.shape(owners)[1], side, side]))


def paste(masks: tf.Tensor, boxes: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Answers of a mask head as pixels of the whole image.

    Args:
        masks: float32 `(n, side, side)`, how sure each bin is the object's, 0 to 1.
        boxes: float32 `(n, 4)`: where they belong, in pixels of the image.
        size: height and width of the image.

    Returns:
        bool `(n, height, width)`: whose middles are inside, bilinearly between the
        bins' middles; none of boxes without area.

    Example:
        ```python
        image = paste(tf.ones((1, 28, 28)), tf.constant([[1.0, 1, 3, 3]]), (4, 5))
        tf.reduce_sum(tf.cast(image, tf.int32))  # 4 pixels
        ```
    """
    side = masks.shape[-1]
    size = tf.convert_to_tensor(size)
    middles = [tf.range(of, dtype=tf.float32) + 0.5 for of in tf.unstack(size)]

    def one(of: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        mask, box = of
        rows = _shares(middles[0], box[1], box[3], side)
        columns = _shares(middles[1], box[0], box[2], side)
        return rows @ mask @ tf.transpose(columns) >= INSIDE

    # One at a time: all of a large image in float32 would take gigabytes.
    shape = tf.get_static_value(size)
    signature = tf.TensorSpec((None, None) if shape is None else shape, tf.bool)
    return tf.map_fn(one, (masks, boxes), fn_output_signature=signature)


def _shares(
    middles: tf.Tensor, begin: tf.Tensor, end: tf.Tensor, side: int
) -> tf.Tensor:
    """What bins along a side of a box add to each pixel's value, `(pixels, bins)`."""
    extent = end - begin
    places = (middles - begin) / tf.where(extent > 0, extent, 1) * side - 0.5
    apart = tf.abs(places[:, None] - tf.range(side, dtype=tf.float32))
    return tf.where(extent > 0, tf.maximum(1 - apart, 0), 0)
