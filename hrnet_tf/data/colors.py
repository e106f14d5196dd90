"""Random changes of the colours of whole batches."""

from collections.abc import Callable

import tensorflow as tf

from hrnet_tf.common.config import ColorSection


def recolor_batch(
    settings: ColorSection,
) -> Callable[..., tf.Tensor]:
    """The step that changes the colours of a batch.

    It is a function of a key, uint8 images, and the place of the first one in the batch
    of that key, which is 0 unless they are a later part of it.
    """
    if not settings.changes_colors:
        return lambda key, images, first=0: images
    change = _recolored(settings)
    return lambda key, images, first=0: one_by_one(change, key, images, first)


def batch_key(seed: int, epoch: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """The key of a batch: of the epoch and of its first sample's place in it."""
    key = tf.random.fold_in(tf.constant([seed, 0], tf.int64), epoch)
    return tf.random.fold_in(key, position)


def one_by_one(
    change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    key: tf.Tensor,
    images: tf.Tensor,
    first: tf.Tensor | int = 0,
) -> tf.Tensor:
    """Apply `change`, of a key and float32 0..1, to each of some uint8 images.

    The `first` of them has this place in the batch that the key belongs to.
    """

    def one(pair):
        image, number = pair
        image = tf.image.convert_image_dtype(image, tf.float32)
        image = change(tf.random.fold_in(key, number), image)
        return tf.image.convert_image_dtype(image, tf.uint8, saturate=True)

    numbers = tf.range(tf.shape(images)[0]) + tf.cast(first, tf.int32)
    pairs = (images, numbers)
    # Batches already run in parallel.
    changed = tf.map_fn(one, pairs, fn_output_signature=tf.uint8, parallel_iterations=1)
    return tf.ensure_shape(changed, images.shape)


def _recolored(settings: ColorSection) -> Callable:
    def change(key, image):
        keys = [tf.random.fold_in(key, number) for number in range(4)]
        if settings.brightness:
            image = tf.image.stateless_random_brightness(
                image, settings.brightness, keys[0]
            )
        if settings.contrast:
            low, high = 1 - settings.contrast, 1 + settings.contrast
            image = tf.image.stateless_random_contrast(image, low, high, keys[1])
        if settings.saturation:
            low, high = 1 - settings.saturation, 1 + settings.saturation
            image = tf.image.stateless_random_saturation(image, low, high, keys[2])
        if settings.hue:
            image = tf.image.stateless_random_hue(image, settings.hue, keys[3])
        return image

    return change
