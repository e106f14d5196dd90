from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.images.in_graph import CHUNK
from hrnet_tf.tasks.keypoints.heatmaps import flip_back
from hrnet_tf.tasks.pose.predictor import PosePredictor
from support.official import channels_last, read_arrays
from support.served import TINY
from support.spots import spot_image, spot_manifest, spot_network

# Heatmap cells (x, y) of the red, the green and the blue spot, in maps of 12x16.
CELLS = np.array([(6, 6), (5, 9), (8, 10)])


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


def spots_in(box, size=(150, 200)):
    """An image of the size with spots in a box, and their x and y."""
    x, y, width, height = box
    cell = max(width, height * 48 / 64) * 1.25 / 12  # in image pixels
    points = (x + width / 2, y + height / 2) + (CELLS - (6, 8)) * cell
    return spot_image(size, points, radius=cell), points


# From boxes to pixels


@pytest.mark.parametrize(
    "box",
    [
        (60, 40, 60, 80),  # of the network's shape
        (20, 10, 150, 60),  # wider
        (90, 5, 20, 140),  # higher
        (-30, 30, 90, 120),  # beyond the left
        (120.5, 70.25, 110, 95),  # beyond the right and the bottom
        (-20, -20, 240, 190),  # around the image
        (80, 60, 12, 16),  # small
    ],
)
def test_spots_are_found_at_their_pixels(box, predictor):
    image, points = spots_in(box)
    pose = predictor.predict(image, [box])
    np.testing.assert_allclose(pose.keypoints[0], points, atol=1e-3)


def test_several_people_are_found_in_the_order_of_their_boxes(predictor):
    boxes = [(10, 10, 60, 80), (110, 50, 60, 80)]
    images, points = zip(*(spots_in(box) for box in boxes), strict=True)
    pose = predictor.predict(np.maximum(*images), boxes)
    np.testing.assert_allclose(pose.keypoints, points, atol=1e-3)


def test_without_boxes_the_whole_image_is_one_person(predictor):
    image, points = spots_in((0, 0, 200, 150))
    pose = predictor.predict(image)
    np.testing.assert_array_equal(pose.boxes, [[0, 0, 200, 150]])
    np.testing.assert_allclose(pose.keypoints[0], points, atol=1e-3)


def test_an_image_without_people_gives_no_one(predictor):
    pose = predictor.predict(np.zeros((20, 30, 3), np.uint8), boxes=[])
    assert len(pose) == 0
    assert pose.keypoints.shape == (0, 3, 2)
    assert pose.scores.shape == (0, 3)


def test_many_boxes_give_what_each_gives_alone(predictor, rng):
    image = rng.integers(0, 256, (150, 200, 3), np.uint8)
    count = 2 * CHUNK + 3
    boxes = np.column_stack(
        [rng.uniform(-9, 140, (count, 2)), rng.uniform(10, 90, (count, 2))]
    )
    together = predictor.predict(image, boxes)
    alone = [predictor.predict(image, [box]) for box in boxes]
    for name in ("keypoints", "scores", "boxes"):
        single = np.concatenate([getattr(pose, name) for pose in alone])
        np.testing.assert_allclose(getattr(together, name), single, atol=1e-3)


def test_boxes_keep_their_scores(predictor):
    image = np.zeros((150, 200, 3), np.uint8)
    boxes = [(0, 0, 20, 20), (5, 5, 30, 30)]
    assert predictor.predict(image, boxes).box_scores.tolist() == [1, 1]
    pose = predictor.predict(image, boxes, [0.25, 0.5])
    assert pose.box_scores.tolist() == [0.25, 0.5]


# What is refused


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 30, 3), np.float32),
        np.zeros((20, 30), np.uint8),
        np.zeros((20, 30, 4), np.uint8),
        np.zeros((1, 20, 30, 3), np.uint8),
        np.zeros((0, 30, 3), np.uint8),
    ],
    ids=lambda image: f"{image.dtype}{image.shape}",
)
def test_an_image_that_is_not_rgb_bytes_is_refused(image, predictor):
    with pytest.raises(hrnet_tf.InputError, match="must be uint8 RGB of shape"):
        predictor.predict(image)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([1, 2, 3, 4], r"shape \(people, 4\).* got \(4,\)"),
        ([[1, 2, 3]], r"shape \(people, 4\).* got \(1, 3\)"),
        ([[1, 2, 3, 4], [1, 2, 3]], r"numbers of the shape \(people, 4\)"),
        ([["a", "b", "c", "d"]], r"numbers of the shape \(people, 4\)"),
        ([["1", "2", "3", "4"]], r"numbers of the shape \(people, 4\).* got"),
        ([[1, 2, 3, None]], r"numbers of the shape \(people, 4\).* got"),
        ([[True, True, True, True]], r"numbers of the shape \(people, 4\)"),
        ([[1, 2, 3, 10**400]], r"numbers of the shape \(people, 4\)"),
        ([[1, 2, 3, 4], [1, 2, 0, 4]], "Box 1: .*has no area"),
        ([[1, 2, 3, -4]], "Box 0: .*has no area"),
        ([[1, 2, np.nan, 4]], "Box 0: .*four numbers, got .*nan"),
        ([[1, 2, np.inf, 4]], "Box 0: .*four numbers, got .*inf"),
        ([[1, 2, 1e39, 4]], "Box 0: .*four numbers"),
        ([[30, 2, 3, 4]], r"Box 0: .*outside the image of 30x20"),
        ([[1, -9, 3, 9]], r"Box 0: .*outside the image of 30x20"),
        ([[1, 2, 1e7, 4]], "Box 0: .*beyond the image .* more than 10 times"),
        ([[-301, 2, 310, 4]], "Box 0: .*beyond the image .* more than 10 times"),
    ],
)
def test_what_is_no_box_is_refused(boxes, message, predictor):
    with pytest.raises(hrnet_tf.InputError, match=message):
        predictor.predict(np.zeros((20, 30, 3), np.uint8), boxes)


def test_scores_must_be_as_many_as_boxes(predictor):
    with pytest.raises(
        hrnet_tf.InputError, match=r"`box_scores` must be \(1,\), got \(2,\)"
    ):
        predictor.predict(np.zeros((9, 9, 3), np.uint8), [[0, 0, 5, 5]], [0.5, 0.5])


@pytest.mark.parametrize("score", [np.nan, np.inf, None, "high", True])
def test_scores_must_be_finite_numbers(score, predictor):
    with pytest.raises(hrnet_tf.InputError, match="`box_scores` must be"):
        predictor.predict(np.zeros((9, 9, 3), np.uint8), [[0, 0, 5, 5]], [score])


@pytest.mark.parametrize(
    "box", [(5, 5, 1, 1), (5, 5, 1e-30, 1e-30), (29, 19, 1, 1), (29.5, 19.9, 9, 0.1)]
)
def test_boxes_of_a_pixel_or_less_are_looked_at(box, predictor, rng):
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    pose = predictor.predict(image, [box])
    assert np.isfinite(pose.keypoints).all()
    np.testing.assert_allclose(pose.keypoints[0, :, 0], box[0], atol=box[2] + 2)


# Flipping


def test_heatmaps_are_flipped_back_as_the_original_does():
    arrays = read_arrays("protocol", "pose_flip_back")
    mirror = np.arange(17)
    for left, right in arrays["pairs"]:
        mirror[[left, right]] = right, left
    ours = flip_back(channels_last(arrays["heatmaps"]), mirror)
    np.testing.assert_array_equal(ours, channels_last(arrays["flipped_back"]))


def test_the_shift_moves_all_columns_but_the_first():
    heatmaps = tf.reshape([1.0, 2.0, 3.0, 4.0], (1, 1, 4, 1))
    assert flip_back(heatmaps, np.array([0]), shift=True)[
        0, 0, :, 0
    ].numpy().tolist() == [
        4,
        4,
        3,
        2,
    ]


def test_flipping_back_twice_changes_nothing(rng, coco_set):
    heatmaps = rng.standard_normal((2, 4, 3, 17)).astype(np.float32)
    twice = flip_back(flip_back(heatmaps, coco_set.mirror), coco_set.mirror)
    np.testing.assert_array_equal(twice, heatmaps)


def flipping(manifest, shift):
    decoding = replace(manifest.decoding, flip=True, shift=shift, refinement="none")
    return replace(manifest, decoding=decoding)


def test_mirrored_people_have_mirrored_keypoints(tiny_model, tiny_manifest, rng):
    predictor = PosePredictor.from_model(tiny_model, flipping(tiny_manifest, False))
    crops = rng.integers(0, 256, (3, 64, 32, 3), np.uint8)
    cells, scores = predictor.locate(crops)
    mirrored_cells, mirrored_scores = predictor.locate(crops[:, :, ::-1])
    order = tiny_manifest.keypoints.mirror
    np.testing.assert_allclose(mirrored_scores[:, order], scores, rtol=1e-4)
    found = scores > 0  # the others have no place
    assert found.mean() > 0.8
    mirrored = mirrored_cells[:, order][found]
    np.testing.assert_array_equal(mirrored, cells[found] * (-1, 1) + (7, 0))


def test_flipping_averages_the_heatmaps_of_both_views(rng):
    network, crops = spot_network(), rng.integers(0, 256, (1, 64, 48, 3), np.uint8)
    manifest = flipping(spot_manifest(), True)
    _, scores = PosePredictor.from_model(network, manifest).locate(crops)
    straight = crops[:, ::4, ::4] / 255.0
    mirrored = crops[:, ::4, 3::4][..., [0, 2, 1]] / 255.0
    mirrored = np.concatenate([mirrored[:, :, :1], mirrored[:, :, :-1]], axis=2)
    best = ((straight + mirrored) / 2).max(axis=(1, 2))
    np.testing.assert_allclose(scores, best, rtol=1e-4)


# While training


def test_a_predictor_in_training_follows_the_variables(tiny_manifest, tiny_model, rng):
    network = hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY)
    predictor = PosePredictor.from_training(network, tiny_manifest)
    image = rng.integers(0, 256, (64, 32, 3), np.uint8)
    predictor.predict(image)
    network.set_weights(tiny_model.get_weights())
    fixed = PosePredictor.from_model(tiny_model, tiny_manifest)
    expected = fixed.predict(image).scores
    np.testing.assert_allclose(predictor.predict(image).scores, expected, rtol=1e-4)
