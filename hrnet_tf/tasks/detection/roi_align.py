"""RoIAlign: features of regions, from the level of the pyramid that suits their size.

Source: He et al., Mask R-CNN, https://arxiv.org/abs/1703.06870, section 3; levels: Lin
et al., https://arxiv.org/abs/1612.03144, section 4.2. As the published detectors were
trained: half-pixel positions, and as many samples as a region has cells.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from hrnet_tf.tasks.detection.roi_align_gradient import (
    Regions,
    map_gradient,
    numbered,
)

STRIDES = (4, 8, 16, 32)  # of the levels that regions are taken from
FINEST_SIDE = 56  # a square of twice this side goes to the second level


def roi_levels(boxes: tf.Tensor) -> tf.Tensor:
    """Which level regions are taken from.

    Args:
        boxes: float32 `(..., 4)`: x1, y1, x2, y2 in pixels.

    Returns:
        int32 `(...)`: 0 for sides under 112 pixels, then 1, 2, and 3 from 448 on.
    """
    sides = boxes[..., 2:] - boxes[..., :2]
    side = tf.sqrt(sides[..., 0] * sides[..., 1])
    level = tf.floor(tf.math.log(side / FINEST_SIDE + 1e-6) / tf.math.log(2.0))
    return tf.cast(tf.clip_by_value(level, 0, len(STRIDES) - 1), tf.int32)


def roi_align(levels: Sequence[tf.Tensor], boxes: tf.Tensor, side: int) -> tf.Tensor:
    """Features of regions, each averaged over `side * side` bins.

    A bin's value is the mean of bilinear samples, one for each cell that the bin
    covers in each direction, or a part of one. Samples up to one cell beyond the map
    have the value at its border, those farther away are 0. The gradient goes to the
    maps, not to the boxes.

    Args:
        levels: maps of strides 4, 8, 16, 32, float32 `(batch, height, width, c)`.
        boxes: float32 `(batch, n, 4)`: x1, y1, x2, y2 in pixels; n may be 0.
        side: bins in each direction.

    Returns:
        float32 `(batch, n, side, side, c)`; 0 for boxes without area.

    Example:
        ```python
        levels = [tf.random.normal((1, 256 // s, 256 // s, 8)) for s in STRIDES]
        roi_align(levels, tf.constant([[[30.0, 40, 90, 70]]]), side=7)
        ```
    """
    boxes = tf.stop_gradient(boxes)
    batch, count = tf.unstack(tf.shape(boxes)[:2])
    image = tf.repeat(tf.range(batch), count)
    boxes = tf.reshape(boxes, (-1, 4))
    level = roi_levels(boxes)
    pooled, places = [], []
    for number, (values, stride) in enumerate(zip(levels, STRIDES, strict=True)):
        here = tf.cast(tf.where(level == number)[:, 0], tf.int32)
        begin, sides = _in_cells(tf.gather(boxes, here), stride)
        pooled.append(pool(values, tf.gather(image, here), begin, sides, side))
        places.append(here)
    found = tf.concat(pooled, axis=0)
    order = tf.argsort(tf.concat(places, axis=0))
    shape = tf.stack([batch, count, side, side, levels[0].shape[-1]])
    return tf.reshape(tf.gather(found, order), shape)


def _in_cells(boxes: tf.Tensor, stride: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where boxes begin and how long they are, (x, y) in cells of a map."""
    cells = boxes * (1 / stride) - 0.5
    return cells[:, :2], cells[:, 2:] - cells[:, :2]


def pool(
    values: tf.Tensor, image: tf.Tensor, begin: tf.Tensor, sides: tf.Tensor, side: int
) -> tf.Tensor:
    """Bins of some regions of one map; see `roi_align`.

    The first samples of all bins form a grid with the distances of the bins, and so do
    the second ones: each is a crop of `side * side` that TensorFlow takes.

    Args:
        values: `(images, height, width, c)`.
        image: int32 `(n,)`, where each region is.
        begin: float32 `(n, 2)`: x1, y1 in cells, of which the first one's middle is 0.
        sides: float32 `(n, 2)`: width and height in cells.
        side: bins in each direction.

    Returns:
        float32 `(n, side, side, c)`.
    """
    regions = Regions(image, begin, sides / side)
    samples, weights = regions.samples()
    columns, rows = tf.unstack(tf.cast(samples, tf.int32), axis=-1)
    region, number = numbered(rows * columns)
    wide = tf.gather(columns, region)
    place = tf.cast(tf.stack([number // wide, number % wide], axis=-1), begin.dtype)
    # From here on y, x; and one more cell on each side, beyond which all is 0.
    begin, bins, samples = (
        tf.reverse(of, [1]) for of in (begin, regions.bins, samples)
    )
    first = tf.gather(begin + 1, region)
    first += (place + 0.5) * tf.gather(bins / samples, region)
    last = first + (side - 1) * tf.gather(bins, region)
    weights = tf.reduce_prod(weights, axis=-1)

    @tf.custom_gradient
    def pooled(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        around = _widened(values)
        extent = tf.cast(tf.shape(around)[1:3] - 1, begin.dtype)
        crops = tf.image.crop_and_resize(
            around,
            tf.concat([first / extent, last / extent], axis=-1),
            tf.gather(image, region),
            (side, side),
        )
        found = tf.math.segment_sum(crops, region) * weights[:, None, None, None]

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            own = map_gradient(upstream, regions, tf.shape(values), side)
            return tf.cast(own, values.dtype)

        return found, gradient

    return pooled(values)


def _widened(values: tf.Tensor) -> tf.Tensor:
    """A map with its border twice."""
    around = tf.concat([values[:, :1], values, values[:, -1:]], axis=1)
    return tf.concat([around[:, :, :1], around, around[:, :, -1:]], axis=2)
