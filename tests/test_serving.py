import cv2
import numpy as np
import pytest
import tensorflow as tf
from spots import spot_image, spot_manifest, spot_network

from hrnet_tf.predictors.pose import PosePredictor
from hrnet_tf.preprocess import crop_matrix, crop_of_box, warp
from hrnet_tf.serving import crop_people, serve_keypoints

# OpenCV 4 rounds positions to 1/32 pixel, version 5 does not.
EXACT_OPENCV = int(cv2.__version__.split(".")[0]) >= 5

POINTS = [(60, 40), (48, 72), (82, 80)]  # red, green, blue
BOXES = [(20, 10, 90, 100), (30, 20, 60, 80), (-20, -15, 150, 160)]


@pytest.fixture(scope="module")
def served():
    network = spot_network()
    signature = [tf.TensorSpec((), tf.string), tf.TensorSpec((None, 4), tf.float32)]
    serve = serve_keypoints(lambda x: network(x, training=False), spot_manifest())
    return tf.function(serve, input_signature=signature, autograph=False)


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture(scope="module")
def image():
    return spot_image((120, 140), POINTS, radius=6)


def encoded(image, ending):
    return cv2.imencode(ending, image[..., ::-1])[1].tobytes()


def test_crops_are_those_of_opencv(rng):
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    places, sizes = rng.uniform(-20, 120, (50, 2)), rng.uniform(5, 120, (50, 2))
    centers, widths = crop_of_box(np.hstack([places, sizes]), 48 / 64)
    ours = crop_people(
        tf.constant(image),
        tf.constant(centers, tf.float32),
        tf.constant(widths, tf.float32),
        (64, 48),
    )
    matrices = crop_matrix(centers, widths, 0.0, (64, 48))
    right = np.stack([warp(image, matrix, (64, 48)) for matrix in matrices])
    # Two neighbours differ by up to 255: half of 1/32 pixel in x and in y is 8.
    limit = 1 if EXACT_OPENCV else 8
    assert np.abs(ours.numpy() - right).max() <= limit


def test_a_crop_of_whole_pixels_is_a_part_of_the_image(rng):
    image = rng.integers(0, 256, (20, 20, 3), np.uint8)
    crop = crop_people(
        tf.constant(image), tf.constant([[9.0, 10.0]]), tf.constant([6.0]), (8, 6)
    )
    np.testing.assert_array_equal(crop[0], image[6:14, 6:12])


def test_crops_are_black_outside_the_image():
    image = tf.fill((8, 8, 3), tf.constant(200, tf.uint8))
    crop = crop_people(image, tf.constant([[0.0, 0.0]]), tf.constant([8.0]), (8, 8))
    np.testing.assert_array_equal(crop[0, :4, :4], np.zeros((4, 4, 3)))
    np.testing.assert_array_equal(crop[0, 4:, 4:], np.full((4, 4, 3), 200))


def test_a_png_gives_what_the_predictor_finds(served, predictor, image):
    answer = served(encoded(image, ".png"), BOXES)
    pose = predictor.predict(image, BOXES)
    np.testing.assert_allclose(answer["keypoints"], pose.keypoints, atol=1e-3)
    np.testing.assert_allclose(answer["scores"], pose.scores, atol=0.02)


def test_a_jpeg_gives_what_the_predictor_finds(served, predictor, image):
    answer = served(encoded(image, ".jpg"), BOXES)
    pose = predictor.predict(image, BOXES)
    np.testing.assert_allclose(answer["keypoints"], pose.keypoints, atol=1e-3)
    np.testing.assert_allclose(answer["scores"], pose.scores, atol=0.1)


def test_a_grey_image_serves_as_three_equal_colors(served, image):
    grey = image.max(axis=2)
    alone = served(cv2.imencode(".png", grey)[1].tobytes(), BOXES)
    three = served(encoded(np.stack([grey] * 3, axis=-1), ".png"), BOXES)
    np.testing.assert_array_equal(alone["scores"], three["scores"])


def test_no_boxes_give_no_people(served, image):
    answer = served(encoded(image, ".png"), np.zeros((0, 4), np.float32))
    assert answer["keypoints"].shape == (0, 3, 2)
    assert answer["scores"].shape == (0, 3)


@pytest.mark.parametrize("box", [(5, 5, 0, 10), (5, 5, 10, -1), (5, 5, np.nan, 10)])
def test_a_box_without_area_is_refused(box, served, image):
    with pytest.raises(tf.errors.InvalidArgumentError, match="positive width and"):
        served(encoded(image, ".png"), [BOXES[0], box])


def test_bytes_that_are_no_image_are_refused(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unknown image"):
        served(b"no image", BOXES)
