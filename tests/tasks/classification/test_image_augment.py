from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import InputError
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.tasks.classification.augment import (
    OPERATIONS,
    ImageAugmentation,
    augment_batch,
)

CLASSES = 3
PLAIN = ImageAugmentation()
COLORS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
MIXES = {"mixup": 0.4, "cutmix": 1.0}
OF_KERAS_3 = {**MIXES, "randaugment": 2}

needs_keras_3 = pytest.mark.skipif(not KERAS_3, reason="layers of Keras 3")


@pytest.fixture
def batch(rng):
    """Images of one colour each, labels, weights."""
    colors = rng.integers(40, 216, (8, 1, 1, 3))
    images = np.broadcast_to(colors, (8, 16, 12, 3)).astype(np.uint8)
    labels = (np.arange(8) % CLASSES).astype(np.int32)
    return images, labels, np.ones(8, np.float32)


@pytest.fixture
def ramps(batch):
    """Images that are all one colour ramp."""
    ramp = np.arange(16 * 12 * 3).reshape(16, 12, 3) % 256
    return np.broadcast_to(ramp, batch[0].shape).astype(np.uint8), *batch[1:]


@pytest.fixture
def noise(batch, rng):
    """Images of every colour."""
    return rng.integers(0, 256, batch[0].shape).astype(np.uint8), *batch[1:]


def augmented(settings, batch, key=(0, 1)):
    augment = augment_batch(settings, CLASSES)
    key = tf.constant(key, tf.int64)
    return [np.asarray(part) for part in augment(key, *map(tf.constant, batch))]


def settings_of(names, table):
    return replace(PLAIN, **{name: table[name] for name in names})


def everything():
    return [*COLORS, *(OF_KERAS_3 if KERAS_3 else ())]


def test_by_default_nothing_changes(batch):
    for changed, given in zip(augmented(PLAIN, batch), batch, strict=True):
        np.testing.assert_array_equal(changed, given)


@pytest.mark.parametrize("name", everything())
def test_each_change_keeps_bytes_and_shape(name, noise):
    settings = settings_of([name], COLORS | OF_KERAS_3)
    images, _, weights = augmented(settings, noise)
    assert (images.dtype, images.shape) == (np.uint8, noise[0].shape)
    assert not np.array_equal(images, noise[0])
    np.testing.assert_array_equal(weights, np.ones(8))


@pytest.mark.parametrize("name", everything())
def test_a_graph_changes_what_eager_mode_changes(name, noise):
    settings = settings_of([name], COLORS | OF_KERAS_3)
    augment = augment_batch(settings, CLASSES)
    data = tf.data.Dataset.from_tensors((tf.constant([0, 1], tf.int64), *noise))
    (mapped,) = data.map(augment)
    for part, expected in zip(mapped, augmented(settings, noise), strict=True):
        # A compiled graph may round the last bit otherwise.
        np.testing.assert_allclose(part, expected, atol=1)


@pytest.mark.parametrize("name", everything())
def test_the_same_key_gives_the_same_batch_and_another_one_another(name, noise):
    settings = settings_of([name], COLORS | OF_KERAS_3)
    augment = tf.function(augment_batch(settings, CLASSES), autograph=False)
    given = tuple(map(tf.constant, noise))
    keys = [tf.constant(pair, tf.int64) for pair in ([3, 1], [3, 2], [3, 1])]
    first, other, again = (augment(key, *given)[0].numpy() for key in keys)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_image_gets_colors_of_its_own(ramps):
    changed, _, _ = augmented(ImageAugmentation(brightness=0.4), ramps)
    assert len({image.tobytes() for image in changed}) == 8


def test_brightness_moves_all_channels_at_most_so_far(batch):
    images, _, _ = augmented(ImageAugmentation(brightness=0.1), batch)
    moved = images.astype(int) - batch[0]
    assert np.ptp(moved, axis=-1).max() <= 1
    assert 5 < np.abs(moved).max() <= 26


@needs_keras_3
def test_mixup_blends_labels_as_it_blends_images(batch):
    images, shares, _ = augmented(ImageAugmentation(mixup=0.4), batch)
    assert (shares.dtype, shares.shape) == (np.float32, (8, CLASSES))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert ((shares > 0.01) & (shares < 0.99)).any()
    # Each image is its share of one colour and the rest of one other.
    for image, row, own, label in zip(images, shares, batch[0], batch[1], strict=True):
        blends = [
            row[label] * own + (1 - row[label]) * other
            for other, its in zip(batch[0], batch[1], strict=True)
            if its != label
        ]
        near = [np.abs(image - blend).max() <= 1 for blend in blends]
        assert any(near) or row[label] == pytest.approx(1, abs=1e-5)


@needs_keras_3
def test_cutmix_gives_each_class_its_share_of_the_area(batch):
    images, shares, _ = augmented(ImageAugmentation(cutmix=1.0), batch)
    own = np.all(images == batch[0], axis=-1).mean(axis=(1, 2))
    mine = shares[np.arange(8), batch[1]]
    mixed = mine < 0.999
    assert mixed.any()
    # Boxes end between pixels: up to one row and one column of 16 x 12 too many.
    np.testing.assert_allclose(own[mixed], mine[mixed], atol=1 / 16 + 1 / 12)


@needs_keras_3
@pytest.mark.parametrize("name", MIXES)
def test_a_mixture_with_a_broken_image_weighs_nothing(name, batch):
    images, _, weights = batch
    weights = np.where(np.arange(8) == 2, 0, weights).astype(np.float32)
    labels = np.where(np.arange(8) == 2, 1, 0).astype(np.int32)
    settings = settings_of([name], MIXES)
    _, shares, mixed = augmented(settings, (images, labels, weights))
    np.testing.assert_array_equal(mixed, shares[:, 1] < 1e-4)
    assert 1 <= (mixed == 0).sum() <= 2


@needs_keras_3
def test_mixup_and_cutmix_take_turns(batch):
    settings = settings_of(MIXES, MIXES)
    single = [settings_of([name], MIXES) for name in MIXES]
    makes = [tf.function(augment_batch(s, CLASSES)) for s in (settings, *single)]
    given = tuple(map(tf.constant, batch))
    kinds = set()
    for number in range(8):
        key = tf.constant([0, number], tf.int64)
        both, *alone = (make(key, *given)[0].numpy() for make in makes)
        kinds.add(tuple(np.array_equal(both, other) for other in alone))
    assert kinds == {(True, False), (False, True)}


@needs_keras_3
def test_the_operations_are_those_of_keras():
    assert tuple(keras.layers.RandAugment._AUGMENT_LAYERS) == OPERATIONS


@needs_keras_3
def test_randaugment_draws_for_each_image(ramps):
    changed, _, _ = augmented(ImageAugmentation(randaugment=1), ramps)
    assert len({image.tobytes() for image in changed}) > 3


@pytest.mark.skipif(KERAS_3, reason="Keras 3 has the layers")
@pytest.mark.parametrize("name", OF_KERAS_3)
def test_what_keras_lacks_is_an_error_that_says_so(name):
    with pytest.raises(InputError, match=rf"`data\.augmentation\.{name}` needs keras"):
        augment_batch(settings_of([name], OF_KERAS_3), CLASSES)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scale": (0.0, 1.0)}, "scale` must be two shares"),
        ({"scale": (0.5, 0.2)}, "scale` must be two shares"),
        ({"ratio": (2.0, 1.0)}, "ratio` must be two positive numbers"),
        ({"flip_probability": 1.5}, "flip_probability` must lie between 0 and 1, got"),
        ({"hue": 0.6}, r"hue` must lie between 0 and 0\.5, got 0\.6"),
        ({"mixup": -0.1}, "mixup` must lie between 0 and 1"),
        ({"cutmix": float("nan")}, "cutmix` must lie between 0 and 1"),
        ({"randaugment": -1}, "randaugment` must lie between 0 and 11"),
    ],
)
def test_settings_out_of_range_are_errors(wrong, said):
    with pytest.raises(InputError, match=said):
        ImageAugmentation(**wrong)
