"""Keypoints of many people to what a network shall answer: heatmaps, places of tags.

Everything is TensorFlow, so that targets are drawn inside the compiled training step.
"""

import tensorflow as tf


def draw_heatmaps(
    people: tf.Tensor, size: tuple[int, int], sigma: float = 2.0, widest: float = 0.0
) -> tf.Tensor:
    """Draw one Gaussian a visible keypoint, with peak 1; where they meet the highest.

    Args:
        people: float32 `(batch, people, keypoints, 3)`: x, y in cells of the heatmaps,
            and visibility (0: not annotated); rows of zeros are nobody. A fourth number
            is the standard deviation of this one's Gaussian, in cells.
        size: height and width of the heatmaps.
        sigma: standard deviation of all of them, in cells.
        widest: with a fourth number, the largest that it can be.

    Returns:
        float32 `(batch, height, width, keypoints)`, 0 to 1.

    Source: Cheng et al., https://arxiv.org/abs/1908.10357, section 3.3, and the
    official program: a keypoint lies in the cell that its numbers are cut off to, and a
    Gaussian of fractional sigma is not centred on it.
    """
    batch, count = tf.shape(people)[0], people.shape[2]
    if people.shape[-1] == 4:
        own = tf.maximum(people[..., 3], 0.01)  # nobody's may be 0
    else:
        own = tf.fill(tf.shape(people)[:3], tf.constant(sigma, tf.float32))
    side = int(6 * max(sigma, widest) + 3) + 1
    cells, inside = keypoint_cells(people, size)
    bumps, places = [], []
    for axis, length in ((1, size[0]), (0, size[1])):
        center = tf.cast(cells[..., axis], tf.float32)
        begin = tf.round(center - 3 * own - 1)[..., None]
        end = tf.round(center + 3 * own + 2)[..., None]
        steps = tf.range(side, dtype=tf.float32)
        place = begin + steps
        wide = own[..., None]
        bump = tf.exp(-tf.square(steps - (3 * wide + 1)) / (2 * tf.square(wide)))
        drawn = (steps < 6 * wide + 3) & (place < end)
        drawn &= (place >= 0) & (place < length)
        bumps.append(tf.where(drawn, bump, 0.0))
        limited = tf.clip_by_value(place, 0, length - 1)
        places.append(tf.cast(limited, tf.int32))
    rows = bumps[0] * tf.cast(inside, tf.float32)[..., None]
    values = rows[..., :, None] * bumps[1][..., None, :]
    # A cell's number in the batch; where nothing is drawn the value is 0.
    numbers = tf.range(batch)[:, None, None] * size[0]
    lines = (numbers[..., None] + places[0])[..., :, None] * size[1]
    index = (lines + places[1][..., None, :]) * count
    index += tf.range(count)[:, None, None]
    total = tf.zeros((batch * size[0] * size[1] * count,))
    drawn = tf.tensor_scatter_nd_max(
        total, tf.reshape(index, (-1, 1)), tf.reshape(values, (-1,))
    )
    return tf.reshape(drawn, (batch, *size, count))


def keypoint_cells(
    people: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The cell that each keypoint lies in.

    Args:
        people: as for `draw_heatmaps`.
        size: height and width of the map.

    Returns:
        int32 `(batch, people, keypoints, 2)`, column and row; and whether it is
        annotated and inside the map, bool `(batch, people, keypoints)`.
    """
    cells = tf.cast(people[..., :2], tf.int32)  # cut off towards zero
    limits = tf.constant([size[1], size[0]])
    inside = tf.reduce_all((cells >= 0) & (cells < limits), axis=-1)
    return cells, inside & (people[..., 2] > 0)


def tags_of_people(tags: tf.Tensor, people: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What a network says at the places of keypoints.

    Args:
        tags: float `(batch, height, width, keypoints)`.
        people: as for `draw_heatmaps`, in cells of the tags.

    Returns:
        float `(batch, people, keypoints)`, 0 where nothing is annotated; and bool of
        the same shape, where something is.
    """
    height, width = tags.shape[1:3]
    cells, visible = keypoint_cells(people, (height, width))
    # Each keypoint's own map, in rows of its cells.
    flat = tf.reshape(
        tf.transpose(tags, (0, 3, 1, 2)), (-1, tags.shape[-1], height * width)
    )
    places = tf.where(visible, cells[..., 1] * width + cells[..., 0], 0)
    found = tf.gather(flat, tf.transpose(places, (0, 2, 1)), batch_dims=2)
    found = tf.transpose(found, (0, 2, 1))
    return tf.where(visible, found, tf.zeros_like(found)), visible
