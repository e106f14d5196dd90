"""What surrounds a detector's convolutions: RoIAlign, and all of it together.

RoIAlign: 512 regions on four levels of an image of 800x1088 pixels, 256 channels,
forwards and backwards. The peer is TensorFlow's: it takes crops of as many samples in
all, those of a level all of one size, and neither averages them nor knows of levels.

All together: Faster R-CNN W18 on an image of that size, beside proposals, RoIAlign and
suppression alone, and masks of all that is found pasted into the image.

Training steps: see `detector_steps`.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from benchmarks import detector_steps
from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency
from hrnet_tf.tasks.detection.anchors import STRIDES as LEVELS
from hrnet_tf.tasks.detection.boxes import BOX_STDS
from hrnet_tf.tasks.detection.heads import BOX_SIDE, CHANNELS
from hrnet_tf.tasks.detection.masks import SIDE as MASK_SIDE
from hrnet_tf.tasks.detection.masks import paste
from hrnet_tf.tasks.detection.proposals import Proposals, Proposing, propose
from hrnet_tf.tasks.detection.roi_align import STRIDES, roi_align
from hrnet_tf.tasks.detection.suppression import (
    Answers,
    Detecting,
    Detections,
    detect,
)

SIZE = (800, 1088)
WIDTH, CLASSES = 18, 80
REGIONS = 128  # of each level
SIDES = ((16, 112), (112, 224), (224, 448), (448, 700))  # of regions, in pixels
TARGET = 0.34  # RoIAlign takes at most three times the peer's time
WHOLE_TARGET = 4.0  # at most a quarter of the whole is no layer with weights
ROUNDS, WHOLE_ROUNDS = 10, 5


def run() -> list[Result]:
    """Median times, and the memory of a training step."""
    return [regions(), whole(), *detector_steps.run()]


def regions() -> Result:
    """RoIAlign beside crops, with gradients."""
    rng = np.random.default_rng(0)
    maps = [
        tf.random.stateless_normal((1, *_cells(s), CHANNELS), (0, s)) for s in STRIDES
    ]
    boxes = [_boxes_of(level, rng) for level in range(len(STRIDES))]
    sides = [crop_side(own, s) for own, s in zip(boxes, STRIDES, strict=True)]
    together = tf.constant(np.concatenate(boxes)[None])

    def ours(maps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return [roi_align(maps, together, BOX_SIDE)]

    def peer(maps: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        shares = [own[:, [1, 0, 3, 2]] / np.tile(SIZE, 2) for own in boxes]
        image = tf.zeros(REGIONS, tf.int32)
        return [
            tf.image.crop_and_resize(values, tf.constant(own, tf.float32), image, side)
            for values, own, side in zip(maps, shares, sides, strict=True)
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
    return Result(title, times, "ms", ratio, TARGET)


def crop_side(boxes: np.ndarray, stride: int) -> tuple[int, int]:
    """Sides of crops that have as many samples as RoIAlign takes of these regions."""
    samples = np.ceil((boxes[:, 2:] - boxes[:, :2]) / stride / BOX_SIDE)
    side = round(BOX_SIDE * float(np.sqrt(np.mean(np.prod(samples, axis=1)))))
    return side, side


def _boxes_of(level: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes that belong to a level, `(regions, 4)`: x1, y1, x2, y2 in pixels."""
    sides = rng.uniform(*SIDES[level], (REGIONS, 2))
    begin = rng.uniform(0, 1, (REGIONS, 2)) * (np.array(SIZE[::-1]) - sides)
    return np.concatenate([begin, begin + sides], axis=-1).astype(np.float32)


def _both_ways(
    function: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]],
    maps: Sequence[tf.Tensor],
) -> Callable[[], object]:
    """A call that computes answers, and the gradient of maps with them."""
    given = [tf.random.stateless_normal(x.shape, (1, 1)) for x in function(maps)]

    @tf.function(autograph=False)
    def step(maps: Sequence[tf.Tensor], given: Sequence[tf.Tensor]) -> object:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            found = function(maps)
        # The answers are asked for too: else nobody would compute them.
        return found, tape.gradient(found, maps, output_gradients=given)

    return lambda: step(maps, given)


def make_detector() -> keras.Model:
    """The detector that is measured, with weights of a new network."""
    keras.utils.set_random_seed(0)
    return hrnet_tf.HRNetDetector(WIDTH, CLASSES)


def whole() -> Result:
    """A detector beside all of it that has no weights."""
    model = make_detector()
    image = tf.random.stateless_normal((1, *SIZE, 3), (0, 1))
    # As spread as a trained one's answers are, so that all steps have work to do.
    maps = [
        [
            share * tf.random.stateless_normal((1, *_cells(s), count), (count, s))
            for s in LEVELS
        ]
        for count, share in ((3, 1.0), (12, 0.5), (CHANNELS, 1.0))
    ]
    objectness, deltas, levels = maps
    sizes = tf.constant([SIZE])

    def cut() -> tuple[Proposals, tf.Tensor]:
        proposals = propose(objectness, deltas, sizes)
        return proposals, roi_align(levels[:-1], proposals.boxes, BOX_SIDE)

    def find(proposals: Proposals) -> Detections:
        real = tf.sequence_mask(proposals.counts, proposals.boxes.shape[1])
        answers = Answers(proposals.boxes, real, *given)
        return detect(answers, BOX_STDS, sizes)

    given = [
        2 * tf.random.stateless_normal((1, Proposing.most, count), (0, count))
        for count in (CLASSES + 1, CLASSES * 4)
    ]
    most = Detecting.most
    masks = tf.random.stateless_uniform((most, MASK_SIDE, MASK_SIDE), (0, 2))

    @tf.function(autograph=False)
    def detector(image: tf.Tensor) -> object:
        return model(image, training=False)

    @tf.function(autograph=False)
    def without_layers() -> object:
        proposals, crops = cut()
        found = find(proposals)
        return crops, found, paste(masks, found.boxes[0], SIZE)

    if int(cut()[0].counts[0]) < Proposing.most:
        raise RuntimeError("There are fewer proposals than a detector looks at.")
    times = median_latency(
        {"detector": lambda: detector(image), "without layers": without_layers},
        WHOLE_ROUNDS,
    )
    title = f"Faster R-CNN W{WIDTH}, {SIZE[0]}x{SIZE[1]}, one image"
    ratio = times["detector"] / times["without layers"]
    return Result(title, times, "ms", ratio, WHOLE_TARGET)


def _cells(stride: int) -> tuple[int, int]:
    return SIZE[0] // stride, SIZE[1] // stride
