"""RoIAlign beside TensorFlow's crops.

512 regions on four levels of an image of 800x1088 pixels, 256 channels, forwards and
backwards. The peer takes crops of as many samples in all, each region's as many as the
others' of its level, and neither averages them nor knows of four levels.
"""

import numpy as np
import tensorflow as tf

from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency
from hrnet_tf.tasks.detection.roi_align import STRIDES, roi_align

SIZE, CHANNELS = (800, 1088), 256
REGIONS, SIDE = 128, 7  # of each level
SIDES = ((16, 112), (112, 224), (224, 448), (448, 700))  # of regions, in pixels
TARGET = 0.34  # at most three times the peer's time
ROUNDS = 10


def regions_of(level: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes that belong to a level, `(regions, 4)`: x1, y1, x2, y2 in pixels."""
    sides = rng.uniform(*SIDES[level], (REGIONS, 2))
    begin = rng.uniform(0, 1, (REGIONS, 2)) * (np.array(SIZE[::-1]) - sides)
    return np.concatenate([begin, begin + sides], axis=-1).astype(np.float32)


def run() -> list[Result]:
    """Median times of both."""
    rng = np.random.default_rng(0)
    maps = [
        tf.random.stateless_normal((1, SIZE[0] // s, SIZE[1] // s, CHANNELS), (0, s))
        for s in STRIDES
    ]
    boxes = [regions_of(level, rng) for level in range(len(STRIDES))]
    crops = [_crop_side(own, s) for own, s in zip(boxes, STRIDES, strict=True)]
    together = tf.constant(np.concatenate(boxes)[None])

    def ours(maps):
        return [roi_align(maps, together, SIDE)]

    def peer(maps):
        shares = [own[:, [1, 0, 3, 2]] / np.tile(SIZE, 2) for own in boxes]
        image = tf.zeros(REGIONS, tf.int32)
        return [
            tf.image.crop_and_resize(values, tf.constant(own, tf.float32), image, side)
            for values, own, side in zip(maps, shares, crops, strict=True)
        ]

    times = median_latency(
        {
            "roi_align": _both_ways(ours, maps),
            "crop_and_resize": _both_ways(peer, maps),
        },
        ROUNDS,
    )
    title = f"{len(STRIDES) * REGIONS} regions, forwards and backwards"
    ratio = times["crop_and_resize"] / times["roi_align"]
    return [Result(title, times, "ms", ratio, TARGET)]


def _crop_side(boxes: np.ndarray, stride: int) -> tuple[int, int]:
    """Sides of crops that have as many samples as RoIAlign takes of these regions."""
    samples = np.ceil((boxes[:, 2:] - boxes[:, :2]) / stride / SIDE)
    side = round(SIDE * float(np.sqrt(np.mean(np.prod(samples, axis=1)))))
    return side, side


def _both_ways(function, maps):
    """A call that computes answers, and the gradient of maps with one of them."""
    given = [tf.random.stateless_normal(x.shape, (1, 1)) for x in function(maps)]

    @tf.function(autograph=False)
    def step(maps, given):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            found = function(maps)
        # The answers are asked for too: else nobody would compute them.
        return found, tape.gradient(found, maps, output_gradients=given)

    return lambda: step(maps, given)
