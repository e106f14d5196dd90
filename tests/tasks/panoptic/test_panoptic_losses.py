"""What the network is to answer, and what it loses, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.panoptic.losses import CenterLoss, OffsetLoss, SemanticLoss
from hrnet_tf.tasks.panoptic.segments import CROWD, VOID
from hrnet_tf.tasks.panoptic.targets import (
    areas_of,
    center_heatmap,
    centers_of,
    places_of,
)
from support.gradients import gradient
from support.networks import shallow_networks

CLASSES = 3
SKY, CAT, DOG = 0, 1000, 2000


@pytest.fixture
def segments():
    """Two images; in the second one a thing has a number that the first one has too."""
    found = np.full((2, 40, 50), SKY, np.int32)
    found[0, 3:9, 4:13] = CAT + 1
    found[0, 20:33, 30:50] = CAT + 2  # to the edge
    found[0, 10:14, 10:14] = DOG + 1
    found[0, 35:, :10] = CAT + CROWD
    found[0, :2] = VOID
    found[1, 30:34, 7:8] = CAT + 1
    return found


def things_of(image):
    """Rows and columns of the pixels of each thing."""
    values = [v for v in np.unique(image) if 0 < v % 1000 < CROWD and v < VOID]
    return {value: np.argwhere(image == value) for value in values}


def heatmap_of(image, sigma):
    """Each disc drawn by itself, in its square."""
    rows, columns = np.indices(image.shape)
    found = np.zeros(image.shape)
    for pixels in things_of(image).values():
        row, column = np.floor(pixels.mean(axis=0))
        disc = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
        far = np.maximum(abs(rows - row), abs(columns - column)) > 3 * sigma + 1
        found = np.maximum(found, np.where(far, 0, disc))
    return found


@pytest.mark.parametrize("sigma", [2.0, 8.0])
def test_discs_are_those_that_are_drawn_one_by_one(sigma, segments):
    found = center_heatmap(tf.constant(segments), CLASSES, sigma)
    for image, expected in zip(found, segments, strict=True):
        np.testing.assert_allclose(image, heatmap_of(expected, sigma), atol=1e-6)
    nothing = tf.fill((1, 5, 7), VOID)
    assert float(tf.reduce_sum(center_heatmap(nothing, CLASSES, sigma))) == 0


def test_centres_are_the_means_of_what_a_crop_shows(segments):
    _, found = centers_of(tf.constant(segments), CLASSES)
    for image, centers in zip(segments, found, strict=True):
        expected = np.zeros((*image.shape, 2))
        for pixels in things_of(image).values():
            expected[tuple(pixels.T)] = pixels.mean(axis=0)
        np.testing.assert_allclose(centers, expected, atol=1e-4)
    # Half of a thing has a centre of its own.
    _, half = centers_of(tf.constant(segments[:, :, :40]), CLASSES)
    np.testing.assert_allclose(half[0, 25, 35], [26, 34.5])
    np.testing.assert_allclose(found[0, 25, 35], [26, 39.5])
    areas = areas_of(tf.constant(segments), CLASSES)
    assert areas[0, 5, 5] == 54
    assert areas[1, 31, 7] == 4
    assert areas[0, 37, 2] == areas[0, 15, 0] == areas[0, 0, 0] == 0


def test_large_things_keep_their_centre():
    segments = tf.fill((1, 1500, 2000), CAT + 1)
    centers, _ = centers_of(segments, 2)
    assert centers.numpy().max(axis=0).tolist() == [749.5, 999.5]


@pytest.fixture
def answers(rng):
    """What a network might answer at a quarter of the size."""
    return {
        name: tf.constant(rng.standard_normal((2, 10, 13, channels)), tf.float32)
        for name, channels in (("semantic", CLASSES), ("center", 1), ("offset", 2))
    }


def resized(maps):
    return tf.image.resize(maps, (40, 50)).numpy().astype(np.float64)


def test_classes_are_learnt_from_the_hardest_pixels(segments, answers):
    logits = resized(answers["semantic"])
    logits -= logits.max(axis=-1, keepdims=True)
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    labels = segments // 1000
    known = labels < CLASSES
    chosen = np.take_along_axis(shares, np.where(known, labels, 0)[..., None], -1)
    losses = np.where(known, -np.log(chosen[..., 0]), 0)
    for image, own in zip(losses, segments, strict=True):
        for pixels in things_of(own).values():
            image[tuple(pixels.T)] *= 3 if len(pixels) < 100 else 1
    for share in (0.2, 0.9, 1.0):
        loss = SemanticLoss(hardest=share, small_area=100)
        count = int(share * losses.size)
        expected = np.sort(losses.ravel())[::-1][:count].mean()
        assert float(loss(segments, answers["semantic"])) == pytest.approx(expected)


def test_the_heatmap_is_not_learnt_in_crowds_and_void(segments, answers):
    found = resized(answers["center"])[..., 0]
    expected = np.stack([heatmap_of(image, 8) for image in segments])
    counts = (segments != VOID) & (segments % 1000 != CROWD)
    loss = CenterLoss(CLASSES)(segments, answers["center"])
    assert float(loss) == pytest.approx(np.square(found - expected)[counts].mean())


def test_offsets_are_learnt_from_things_alone_in_pixels(segments, answers):
    found, errors = 4 * resized(answers["offset"]), []
    for image, own in zip(segments, found, strict=True):
        for pixels in things_of(image).values():
            wanted = pixels.mean(axis=0) - pixels
            errors.append(np.abs(own[tuple(pixels.T)] - wanted).ravel())
    expected = np.concatenate(errors).mean()
    loss = OffsetLoss(CLASSES)(segments, answers["offset"])
    assert float(loss) == pytest.approx(expected, rel=1e-5)


LOSSES = {
    "semantic": SemanticLoss(hardest=1.0),
    "center": CenterLoss(CLASSES),
    "offset": OffsetLoss(CLASSES),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_knows_weights_and_is_saved(name, segments, answers):
    loss, y_pred = LOSSES[name], answers[name]
    values = loss.call(tf.constant(segments), y_pred)
    assert values.shape == (2,)
    plain = float(loss(segments, y_pred))
    assert float(tf.reduce_mean(values)) == pytest.approx(plain, rel=1e-6)

    def weighted(y_true, y_pred):
        return loss(y_true, y_pred, sample_weight=np.array([0.0, 2.0]))

    assert float(weighted(segments, y_pred)) == pytest.approx(float(values[1]))
    change = gradient(weighted, segments, y_pred)[1].numpy()
    assert not change[0].any()
    assert change[1].any()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(segments[..., None], y_pred)) == pytest.approx(plain)


@pytest.mark.parametrize("name", LOSSES)
def test_a_compiled_loss_is_the_same(name, segments, answers):
    loss = SemanticLoss(hardest=0.3) if name == "semantic" else LOSSES[name]
    y_pred = answers[name].numpy()
    compiled = tf.function(loss.__call__, jit_compile=True)
    for found, expected in zip(
        gradient(compiled, segments, y_pred),
        gradient(loss, segments, y_pred),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_images_without_things_or_anything_are_learnt_from(name, answers):
    for value in (SKY, VOID):
        nothing = np.full((2, 40, 50), value)
        change = gradient(LOSSES[name], nothing, answers[name])[1].numpy()
        assert np.isfinite(change).all()
        assert change.any() == (value == SKY and name != "offset")


def test_what_cannot_be_is_refused(segments, answers):
    with pytest.raises(InputError, match=r"class \* 1000 \+ number, got \(2, 40, 50,"):
        CenterLoss(CLASSES)(segments[..., None, None], answers["center"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 2"):
        SemanticLoss()(np.full((2, 40, 50), 3000), answers["semantic"])
    with pytest.raises(InputError, match="`hardest` must be more than 0"):
        SemanticLoss(hardest=0)
    assert places_of(tf.constant(segments))[3, 7].numpy().tolist() == [3, 7]


@pytest.fixture
def shallow():
    with shallow_networks():
        yield


TINY = {"modules": (1, 1, 1), "blocks": 1, "stem": ((8, 2), (8, 2)), "features": 8}


def test_the_network_learns_from_one_map_of_segments(segments, rng, shallow):
    keras.utils.set_random_seed(0)
    images = rng.standard_normal((2, 40, 50, 3)).astype(np.float32)
    model = hrnet_tf.HRNetPanoptic(4, CLASSES, **TINY)
    found = model(images)
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "semantic": (2, 10, 13, CLASSES),
        "center": (2, 10, 13, 1),
        "offset": (2, 10, 13, 2),
    }
    model.run_eagerly = True
    history = model.fit(images, segments, epochs=2, batch_size=2, verbose=0).history
    parts = [  # Keras 2.15 calls them by the layers
        next(row[0] for key, row in history.items() if name in key)
        for name in ("semantic", "center", "offset")
    ]
    assert history["loss"][0] == pytest.approx(
        parts[0] + 200 * parts[1] + 0.01 * parts[2], rel=1e-4
    )
    assert history["loss"][1] < history["loss"][0]


def test_the_body_is_that_of_the_others(tmp_path, shallow):
    body = {k: v for k, v in TINY.items() if k != "features"}
    other = hrnet_tf.HRNetV2(4, 2, **body)
    other.save(tmp_path / "body.keras")
    model = hrnet_tf.HRNetPanoptic(4, CLASSES, **TINY)
    hrnet_tf.load_body(model, tmp_path / "body.keras")
    for layer in model.layers:
        if layer.name.startswith(("conv", "layer1", "stage")):
            ours, theirs = (
                layer.get_weights(),
                other.get_layer(layer.name).get_weights(),
            )
            for left, right in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(left, right)
    bare = hrnet_tf.HRNetPanoptic(4, CLASSES, include_top=False, **TINY)
    assert sorted(bare(np.zeros((1, 64, 64, 3), np.float32))) == [
        "P2",
        "P3",
        "P4",
        "P5",
    ]
