"""Anchors: the boxes that proposals start from, three for each cell of each level.

They lie in the order of the head's answers: level, row, column, ratio. Their middle is
the upper left corner of their cell, and nothing is rounded: all numbers are float32.

Source: Ren et al., Faster R-CNN, https://arxiv.org/abs/1506.01497, section 3.1; Lin et
al., https://arxiv.org/abs/1612.03144, section 4.1; numbers are those of MMDetection.
"""

import numpy as np
import tensorflow as tf

STRIDES = (4, 8, 16, 32, 64)  # of the pyramid's levels
SCALE = 8  # side of a square anchor, in cells
RATIOS = (0.5, 1.0, 2.0)  # height by width


def base_anchors(stride: int) -> np.ndarray:
    """Anchors of the cell in the upper left corner.

    Args:
        stride: of the level, in pixels.

    Returns:
        float32 `(3, 4)`: x1, y1, x2, y2 in pixels, around (0, 0).
    """
    taller = np.sqrt(np.array(RATIOS, np.float32))
    side = np.float32(stride * SCALE)
    half = np.stack([side * (1 / taller), side * taller], axis=-1) / 2
    return np.concatenate([-half, half], axis=-1)


def level_anchors(
    height: int | tf.Tensor, width: int | tf.Tensor, stride: int
) -> tf.Tensor:
    """Anchors of a level.

    Args:
        height: rows of its map.
        width: columns of its map.
        stride: of the level, in pixels.

    Returns:
        float32 `(height * width * 3, 4)`: x1, y1, x2, y2 in pixels, in the order row,
        column, ratio.

    Example:
        ```python
        level_anchors(2, 2, stride=4)[4]  # cell (0, 1), square: [-12, -16, 20, 16]
        ```
    """
    x = tf.cast(tf.range(width) * stride, tf.float32)
    y = tf.cast(tf.range(height) * stride, tf.float32)
    columns, rows = tf.meshgrid(x, y)
    shifts = tf.stack([columns, rows, columns, rows], axis=-1)
    anchors = shifts[:, :, None] + base_anchors(stride)
    return tf.reshape(anchors, (-1, 4))


def valid_anchors(
    height: int | tf.Tensor, width: int | tf.Tensor, stride: int, sizes: tf.Tensor
) -> tf.Tensor:
    """Whether anchors belong to cells of the image, and not of what its batch added.

    Args:
        height: rows of the level's map.
        width: columns of the level's map.
        stride: of the level, in pixels.
        sizes: int `(batch, 2)`: height and width of each image with its own padding.

    Returns:
        bool `(batch, height * width * 3)`.
    """
    cells = -(-tf.cast(sizes, tf.int32) // stride)
    rows = tf.range(height) < cells[:, :1]
    columns = tf.range(width) < cells[:, 1:]
    valid = rows[:, :, None] & columns[:, None]
    valid = tf.repeat(valid[..., None], len(RATIOS), axis=-1)
    return tf.reshape(valid, (tf.shape(sizes)[0], -1))


def inside(anchors: tf.Tensor, sizes: tf.Tensor, border: int) -> tf.Tensor:
    """Whether anchors lie in their images.

    Args:
        anchors: float32 `(n, 4)`.
        sizes: int `(batch, 2)`: height and width of each image without padding.
        border: pixels by which they may reach beyond; negative: as many as they like.

    Returns:
        bool `(batch, n)`.
    """
    if border < 0:
        return tf.ones(tf.stack([tf.shape(sizes)[0], tf.shape(anchors)[0]]), tf.bool)
    limits = tf.cast(sizes, anchors.dtype)[:, None, ::-1]
    begins = tf.reduce_all(anchors[:, :2] >= -border, axis=-1)
    return begins & tf.reduce_all(anchors[:, 2:] < limits + border, axis=-1)
