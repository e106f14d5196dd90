"""Random changes of whole batches: colours, RandAugment, MixUp, CutMix.

Each is drawn from a key, two integers: the same key changes a batch in the same way, on
whichever thread and however often.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.data.colors import one_by_one, recolor_batch
from hrnet_tf.tasks.classification.config import ImageAugmentation

# (key, images, labels, weights, first=0) -> (images, labels, weights)
Augment = Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]

# The parts of Keras's RandAugment. Called as a whole it runs all of them on a batch and
# keeps one, the same for every image: here each image gets its own, ten times faster.
OPERATIONS = (
    "random_shear",
    "random_translation",
    "random_rotation",
    "random_brightness",
    "random_color_degeneration",
    "random_contrast",
    "random_sharpness",
    "random_posterization",
    "solarization",
    "auto_contrast",
    "equalization",
)


def augment_batch(settings: ImageAugmentation, classes: int) -> Augment:
    """The step of a pipeline that changes a batch at random, in eager mode or a graph.

    Args:
        settings: what to change.
        classes: how many there are.

    Returns:
        A function of an integer key `(2,)`, uint8 images `(batch, height, width, 3)`,
        int32 labels `(batch,)`, float32 weights `(batch,)` and, of a later part of a
        batch, the place of its first image. It returns images alike;
        labels, as shares of each class, float32 `(batch, classes)`, where images are
        mixed, else as they came; and weights: 0 also where an image of weight 0 is
        mixed in.

    Raises:
        InputError: if Keras lacks the layers that the settings ask for.

    Source: RandAugment, https://arxiv.org/abs/1909.13719; MixUp,
    https://arxiv.org/abs/1710.09412; CutMix, https://arxiv.org/abs/1905.04899.

    Example:
        ```python
        augment = augment_batch(ImageAugmentation(brightness=0.4), classes=10)
        images, labels, weights = augment([0, 1], images, labels, weights)
        ```
    """
    _check_layers(settings)
    # In this order, as colours of a mixed image belong to two.
    recolor = recolor_batch(settings)
    each = [_randomly_augmented(settings)] if settings.randaugment else []
    mix = _mixed(settings) if settings.mixes else None

    def augment(key, images, labels, weights, first=0):
        images = recolor(tf.random.fold_in(key, 0), images, first)
        for number, change in enumerate(each, start=1):
            images = one_by_one(change, tf.random.fold_in(key, number), images, first)
        if mix is None:
            return images, labels, weights
        shares = tf.one_hot(labels, classes)
        # The layers mix rows of labels; weights take part as one more class.
        rows = tf.concat([shares, weights[:, None]], axis=1)
        images, rows = mix(tf.random.fold_in(key, 1 + len(each)), images, rows)
        weights = tf.where(rows[:, -1] > 1 - 1e-4, 1.0, 0.0)
        return images, rows[:, :-1], weights

    return augment


def _check_layers(settings: ImageAugmentation) -> None:
    layers = {"mixup": "MixUp", "cutmix": "CutMix", "randaugment": "RandAugment"}
    for name, layer in layers.items():
        if getattr(settings, name) and not hasattr(keras.layers, layer):
            raise InputError(
                f"`data.augmentation.{name}` needs keras.layers.{layer}, which Keras "
                f"{keras.__version__} does not have; set it to 0, or install Keras 3.9 "
                "or newer with TensorFlow 2.16 or newer."
            )


def _randomly_augmented(settings: ImageAugmentation) -> Callable:
    layer = keras.layers.RandAugment(
        (0.0, 1.0), factor=settings.randaugment_magnitude, seed=0
    )
    operations = [_keyed(getattr(layer, name)) for name in OPERATIONS]

    def change(key, image):
        for number in range(settings.randaugment):
            part = tf.random.fold_in(key, number)
            image = _one_of(operations, part, image[None])[0]
        return image

    return change


def _mixed(settings: ImageAugmentation) -> Callable:
    layers = []
    if settings.mixup:
        layers.append(keras.layers.MixUp(settings.mixup, seed=0))
    if settings.cutmix:
        # A single number would be the upper limit of a random alpha.
        alpha = (settings.cutmix, settings.cutmix)
        layers.append(keras.layers.CutMix(alpha, seed=0))
    mixers = [_keyed(layer) for layer in layers]

    def mix(key, images, rows):
        given = {"images": tf.cast(images, tf.float32), "labels": rows}
        mixed = _one_of(mixers, key, given)
        pixels = tf.cast(tf.round(mixed["images"]), tf.uint8)
        return tf.ensure_shape(pixels, images.shape), mixed["labels"]

    return mix


def _one_of(functions: list[Callable], key: tf.Tensor, given: Any) -> Any:
    """What one of these functions, drawn by a key, makes of that key and an input."""
    which = tf.random.stateless_uniform((), key, 0, len(functions), tf.int32)
    return tf.switch_case(
        which, [lambda make=make: make(key, given) for make in functions]
    )


def _keyed(layer: Any) -> Callable[[tf.Tensor, Any], Any]:
    """Make one of Keras's random layers a function of a key and its input.

    By themselves they count their calls: in a pipeline, what an image gets would depend
    on which thread came first, and on whether training was interrupted.
    """

    class Seeds(keras.random.SeedGenerator):
        def use(self, key: tf.Tensor) -> None:
            self.key, self.drawn = key, 0

        def next(self, ordered: bool = True) -> tf.Tensor:
            self.drawn += 1
            return tf.cast(tf.random.fold_in(self.key, self.drawn), tf.int32)

    seeds = Seeds(0)
    if hasattr(layer, "generator"):
        layer.generator = seeds

    def call(key, given):
        seeds.use(key)
        # A copy: the layers write their results into a dict that they are given.
        return layer(dict(given) if isinstance(given, dict) else given)

    return call
