from dataclasses import replace

import cv2
import numpy as np
import pytest

from hrnet_tf.images.preprocess import crop_of_box, transform, warp
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.augment import (
    CropGeometry,
    half_bodies,
    plain_crops,
    random_crops,
)
from hrnet_tf.tasks.pose.config import AugmentationSection
from support.faces import FACE

SIZE = (64, 48)  # of a crop: height and width
GEOMETRY = CropGeometry(SIZE, 1.25)
IMAGE = (120, 160)  # height and width
STILL = AugmentationSection(
    scale=0,
    rotation=0,
    rotation_probability=0,
    flip_probability=0,
    half_body_probability=0,
)


def make_people(boxes, keypoints):
    count = len(boxes)
    return People(
        files=np.array(["image.png"] * count),
        image_ids=np.ones(count, np.int64),
        sources=np.array(["someone"] * count),
        image_sizes=np.tile(IMAGE, (count, 1)),
        boxes=np.array(boxes, np.float64),
        scores=np.ones(count),
        keypoints=np.array(keypoints, np.float64),
    )


@pytest.fixture
def crowd():
    """The same person with three visible keypoints, 400 times."""
    keypoints = [[80, 40, 1], [95, 60, 1], [65, 70, 1]]
    return make_people([[50, 30, 60, 64]] * 400, [keypoints] * 400)


def widths_of(matrices):
    """Widths of crops in image pixels."""
    return SIZE[1] / np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2])))


def angles_of(matrices):
    """By how many degrees crops turn the image anticlockwise."""
    return -np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))


def test_nothing_random_is_the_plain_crop(crowd, rng):
    matrices, keypoints = random_crops(crowd, FACE, STILL, GEOMETRY, rng)
    plain = plain_crops(crowd, GEOMETRY)
    np.testing.assert_allclose(matrices, plain, atol=1e-9)
    expected = transform(crowd.keypoints[..., :2], plain)
    np.testing.assert_allclose(keypoints[..., :2], expected)
    np.testing.assert_array_equal(keypoints[..., 2], crowd.keypoints[..., 2])


def test_the_same_seed_draws_the_same_crops(crowd):
    settings = AugmentationSection()
    first, again, other = (
        random_crops(crowd, FACE, settings, GEOMETRY, np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.allclose(first[0], other[0])


def test_sizes_stay_within_the_scale(crowd, rng):
    matrices, _ = random_crops(crowd, FACE, replace(STILL, scale=0.3), GEOMETRY, rng)
    _, widths = crop_of_box(crowd.boxes, SIZE[1] / SIZE[0], 1.25)
    ratios = widths_of(matrices) / widths
    assert ratios.min() == pytest.approx(0.7, abs=1e-4)
    assert ratios.max() == pytest.approx(1.3, abs=1e-4)
    # A normal number beyond one standard deviation is clipped: 32 % of them.
    clipped = np.abs(np.abs(ratios - 1) - 0.3) < 1e-4
    assert clipped.mean() == pytest.approx(0.32, abs=0.1)


def test_rotations_stay_within_two_deviations(crowd, rng):
    settings = replace(STILL, rotation=20, rotation_probability=1)
    matrices, _ = random_crops(crowd, FACE, settings, GEOMETRY, rng)
    angles = angles_of(matrices)
    assert angles.max() == pytest.approx(40, abs=1e-3)
    assert angles.min() == pytest.approx(-40, abs=1e-3)
    assert np.median(np.abs(angles)) == pytest.approx(0.674 * 20, rel=0.2)


def test_so_many_crops_are_rotated(crowd, rng):
    settings = replace(STILL, rotation=20, rotation_probability=0.6)
    matrices, _ = random_crops(crowd, FACE, settings, GEOMETRY, rng)
    assert (np.abs(angles_of(matrices)) > 1e-6).mean() == pytest.approx(0.6, abs=0.1)


def test_so_many_crops_are_mirrored(crowd, rng):
    settings = replace(STILL, flip_probability=0.25)
    matrices, _ = random_crops(crowd, FACE, settings, GEOMETRY, rng)
    flipped = np.linalg.det(matrices[:, :, :2]) < 0
    assert flipped.mean() == pytest.approx(0.25, abs=0.1)


def test_a_mirrored_crop_of_the_mirrored_image_is_the_plain_crop(rng):
    boxes = [[50, 30, 60, 64], [10, 20, 31, 77]]
    people = make_people(boxes, rng.uniform(20, 100, (2, 3, 3)))
    mirrored = mirror_people(people)
    matrices, keypoints = random_crops(
        mirrored, FACE, replace(STILL, flip_probability=1), GEOMETRY, rng
    )
    mirror = np.array([[-1, 0, IMAGE[1] - 1], [0, 1, 0], [0, 0, 1.0]])
    plain = plain_crops(people, GEOMETRY)
    np.testing.assert_allclose(matrices @ mirror, plain, atol=1e-4)
    expected = transform(people.keypoints[..., :2], plain)
    np.testing.assert_allclose(keypoints[..., :2], expected, atol=1e-3)
    np.testing.assert_array_equal(keypoints[..., 2], people.keypoints[..., 2])


def mirror_people(people):
    boxes, keypoints = people.boxes.copy(), people.keypoints[:, FACE.mirror]
    boxes[:, 0] = IMAGE[1] - 1 - boxes[:, 0] - boxes[:, 2]
    keypoints[..., 0] = IMAGE[1] - 1 - keypoints[..., 0]
    return replace(people, boxes=boxes, keypoints=keypoints)


def test_keypoints_follow_the_pixels(crowd):
    """Each keypoint is a dot in a channel of its own; crops show it where they say."""
    image = np.zeros((*IMAGE, 3), np.uint8)
    for channel, (x, y, _) in enumerate(crowd.keypoints[0]):
        rows, columns = np.mgrid[: IMAGE[0], : IMAGE[1]]
        squared = (columns - x) ** 2 + (rows - y) ** 2
        image[..., channel] = 255 * np.exp(-squared / (2 * 2.0**2))
    settings = AugmentationSection(half_body_probability=0)
    rng = np.random.default_rng(1)
    matrices, keypoints = random_crops(crowd, FACE, settings, GEOMETRY, rng)
    looked_at = np.zeros(2, int)
    for matrix, points in zip(matrices, keypoints, strict=True):
        crop = warp(image, matrix, SIZE)
        flipped = np.linalg.det(matrix[:, :2]) < 0
        for index, (x, y, _) in enumerate(points):
            channel = FACE.mirror[index] if flipped else index
            if 8 < x < SIZE[1] - 8 and 8 < y < SIZE[0] - 8:
                assert middle(crop[..., channel]) == pytest.approx((x, y), abs=0.2)
                looked_at[int(flipped)] += 1
    assert looked_at.min() > 200


def middle(dot):
    """The centre of brightness, as x, y."""
    moments = cv2.moments(dot)
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


@pytest.fixture
def always():
    return replace(STILL, half_body_probability=1.0, half_body_keypoints=3)


def body(above, below):
    """One person with so many visible keypoints of five above and five below."""
    keypoints = np.zeros((1, 10, 3))
    keypoints[0, :5, :2] = [[10, 10], [30, 10], [20, 20], [12, 14], [28, 16]]
    keypoints[0, 5:, :2] = keypoints[0, :5, :2] * [1, 2] + [0, 50]
    keypoints[0, :above, 2] = 1
    keypoints[0, 5 : 5 + below, 2] = 1
    return keypoints


UPPER = np.arange(10) < 5


def test_half_bodies_by_hand(always, rng):
    # The upper body alone can be taken: 20 by 10 pixels around the mean of five.
    center, width, chosen = half_bodies(body(5, 2), UPPER, 0.75, always, rng)
    np.testing.assert_allclose(center, [[20, 14]])
    np.testing.assert_allclose(width, [1.5 * 20])
    assert chosen.tolist() == [True]


def test_a_high_half_grows_sideways(always, rng):
    # Below: 20 by 20 pixels; at twice as wide as high that is 40.
    _, width, _ = half_bodies(body(2, 5), UPPER, 2.0, always, rng)
    np.testing.assert_allclose(width, [1.5 * 40])


def test_the_upper_half_is_preferred(always, rng):
    keypoints = np.repeat(body(5, 5), 400, axis=0)
    centers, _, _ = half_bodies(keypoints, UPPER, 0.75, always, rng)
    # The official code compares a normal number with 0.5.
    assert (centers[:, 1] < 50).mean() == pytest.approx(0.69, abs=0.08)


@pytest.mark.parametrize(
    ("above", "below", "chosen"),
    [
        (5, 5, True),
        (2, 2, True),  # too few for a choice: the upper half
        (3, 0, False),  # not more than three visible keypoints
        (1, 2, False),
        (1, 3, True),  # the lower half
        (0, 0, False),
        (5, 0, True),
    ],
)
def test_who_is_halved(above, below, chosen, always, rng):
    people = np.repeat(body(above, below), 50, axis=0)
    assert half_bodies(people, UPPER, 0.75, always, rng)[2].tolist() == [chosen] * 50


def test_a_half_of_one_keypoint_is_not_taken(always, rng):
    few = replace(always, half_body_keypoints=1)
    _, _, chosen = half_bodies(body(1, 2), UPPER, 0.75, few, rng)
    assert chosen.tolist() == [False]


def test_so_many_people_are_halved(always, rng):
    settings = replace(always, half_body_probability=0.3)
    people = np.repeat(body(5, 5), 400, axis=0)
    _, _, chosen = half_bodies(people, UPPER, 0.75, settings, rng)
    assert chosen.mean() == pytest.approx(0.3, abs=0.08)


def test_a_crop_of_a_half_body_has_its_middle_in_the_middle(always, rng):
    people = make_people([[0, 0, 50, 80]], body(5, 2))
    keypoint_set = unpaired(10)
    matrices, _ = random_crops(people, keypoint_set, always, GEOMETRY, rng)
    np.testing.assert_allclose(
        transform(np.array([[[20.0, 14.0]]]), matrices), [[[24, 32]]], atol=1e-4
    )


def unpaired(count):
    names = tuple(f"point {number}" for number in range(count))
    return replace(
        FACE,
        names=names,
        flip_pairs=(),
        sigmas=(0.1,) * count,
        upper_body=names[: count // 2],
    )
