from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.export.requests import request_of
from hrnet_tf.export.signatures import serving_function, signature_of
from hrnet_tf.images.in_graph import CHUNK
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.dense.manifest import Views
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from support.spots import spot_image, spot_manifest, spot_network

POINTS = [(60, 40), (48, 72), (82, 80)]  # red, green, blue
BOXES = [(20, 10, 90, 100), (30, 20, 60, 80), (-20, -15, 150, 160)]
LIMITS = Limits(side=200, pixels=20000, images=5, people=80)


def in_graph(network, manifest):
    serve = serving_function(network, manifest)
    inputs = signature_of(manifest).inputs
    return tf.function(serve, input_signature=inputs, autograph=False)


@pytest.fixture(scope="module")
def served():
    network = spot_network()
    manifest = replace(spot_manifest(), limits=LIMITS)
    return in_graph(lambda x: network(x, training=False), manifest)


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture(scope="module")
def image():
    return spot_image((120, 140), POINTS, radius=6)


def encoded(image, ending=".png"):
    return cv2.imencode(ending, image[..., ::-1])[1].tobytes()


def ask(served, contents, boxes):
    """Boxes a list an image, padded with what must not be looked at."""
    most = max([1, *map(len, boxes)])
    rows = [[*own, *[(np.nan, 0, -1, 0)] * (most - len(own))] for own in boxes]
    padded = np.array(rows, np.float32).reshape(len(contents), most, 4)
    people = np.array([len(own) for own in boxes], np.int32)
    answer = served(np.array(contents, object), padded, people)
    return {name: value.numpy() for name, value in answer.items()}


def refused(match):
    return pytest.raises(tf.errors.InvalidArgumentError, match=match)


# Keypoints


@pytest.mark.parametrize(("ending", "tolerance"), [(".png", 0.02), (".jpg", 0.1)])
def test_a_file_gives_what_the_predictor_finds(
    ending, tolerance, served, predictor, image
):
    answer = ask(served, [encoded(image, ending)], [BOXES])
    pose = predictor.predict(image, BOXES)
    np.testing.assert_allclose(answer["keypoints"][0], pose.keypoints, atol=1e-3)
    np.testing.assert_allclose(answer["scores"][0], pose.scores, atol=tolerance)


def test_every_image_of_a_batch_has_its_own_people(served, predictor, image):
    other = spot_image((90, 150), [(30, 20), (60, 50), (90, 40)], radius=5)
    images = [image, other, image, other]
    boxes = [BOXES[:1], BOXES, [], BOXES[1:]]
    answer = ask(served, [encoded(x) for x in images], boxes)
    assert answer["keypoints"].shape == (4, 3, 3, 2)
    for number, (x, own) in enumerate(zip(images, boxes, strict=True)):
        pose, count = predictor.predict(x, own), len(own)
        found = {name: values[number] for name, values in answer.items()}
        np.testing.assert_allclose(found["keypoints"][:count], pose.keypoints, atol=0.1)
        np.testing.assert_allclose(found["scores"][:count], pose.scores, atol=0.02)
        assert not found["keypoints"][count:].any()
        assert not found["scores"][count:].any()


def test_more_people_than_the_network_sees_at_once_are_all_found(
    served, predictor, image
):
    boxes = [(20 + i % 7, 10, 90, 100) for i in range(2 * CHUNK + 5)]
    answer = ask(served, [encoded(image)], [boxes])
    pose = predictor.predict(image, boxes)
    np.testing.assert_allclose(answer["keypoints"][0], pose.keypoints, atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_people_and_no_images_give_empty_answers(count, served, image):
    answer = ask(served, [encoded(image)] * count, [[]] * count)
    assert answer["keypoints"].shape == (count, 1, 3, 2)
    assert answer["scores"].shape == (count, 1, 3)
    assert not answer["scores"].any()


def test_no_rows_of_boxes_give_no_rows(served, image):
    boxes, people = np.zeros((1, 0, 4), np.float32), np.zeros(1, np.int32)
    answer = served(np.array([encoded(image)], object), boxes, people)
    assert answer["keypoints"].shape == (1, 0, 3, 2)


# Kinds of images


def test_a_grey_image_serves_as_three_equal_colors(served, image):
    grey = image.max(axis=2)
    files = [cv2.imencode(".png", grey)[1].tobytes(), encoded(np.stack([grey] * 3, -1))]
    answer = ask(served, files, [BOXES, BOXES])
    np.testing.assert_array_equal(answer["scores"][0], answer["scores"][1])


def test_transparency_is_dropped_and_of_16_bits_the_upper_8_are_kept(served, image):
    clear = np.dstack([image[..., ::-1], np.full(image.shape[:2], 7, np.uint8)])
    deep = image[..., ::-1].astype(np.uint16) * 256 + 99
    files = [cv2.imencode(".png", x)[1].tobytes() for x in (clear, deep)]
    answer = ask(served, [*files, encoded(image)], [BOXES] * 3)
    np.testing.assert_array_equal(answer["scores"][0], answer["scores"][2])
    np.testing.assert_array_equal(answer["scores"][1], answer["scores"][2])


# What is refused


LARGEST = float(np.finfo(np.float32).max)
# Boxes that no image of 140x120 pixels has, by what the answer says.
WRONG_BOXES = {
    "positive width and height, got": [
        *[(5, 5, 0, 10), (5, 5, 10, -1), (5, 5, np.nan, 10), (np.inf, 5, 10, 10)],
        *[(-np.inf, 5, np.inf, 10), (5, -np.inf, 10, 10)],
    ],
    "cover some of their image and may reach beyond it by 10 times": [
        *[(LARGEST, LARGEST, LARGEST, LARGEST), (-LARGEST, 0, LARGEST, 10)],
        *[(0, 0, 3e38, 3e38), (0, 0, 10, 1e7), (-1e7, 0, 2e7, 10)],
        *[(140, 5, 10, 10), (5, 120, 10, 10), (-10, 5, 10, 10), (5, -10, 9, 10)],
        *[(0, 0, 1541, 10), (-1401, 0, 1500, 10), (0, 0, 10, 1521)],
    ],
}


@pytest.mark.parametrize("sentence", WRONG_BOXES)
def test_a_box_that_is_not_in_its_image_is_refused(sentence, served, image, predictor):
    for box in WRONG_BOXES[sentence]:
        with refused(f"{sentence}.*"):
            ask(served, [encoded(image)], [[BOXES[0], box]])
        with pytest.raises(hrnet_tf.InputError, match="Box 1: "):
            predictor.predict(image, [BOXES[0], box])
        # What is not real may be anything.
        answer = ask(served, [encoded(image)] * 2, [BOXES[:1], BOXES[:1] * 2])
        assert np.isfinite(answer["keypoints"]).all()


def test_boxes_at_the_limits_are_those_of_the_predictor(served, image, predictor):
    boxes = [
        *[(0, 0, 1540, 10), (-1400, 0, 1541, 10), (0, 0, 10, 1520)],  # as far as may be
        *[(139, 119, 50, 50), (139.5, 119.5, 1, 1), (-9, -9, 10, 10)],  # at the corners
        *[(60, 40, 1, 1), (60.5, 40, 0.25, 0.5), (60, 40, 1e-6, 1e-6)],  # a pixel, less
    ]
    answer = ask(served, [encoded(image)], [boxes])
    pose = predictor.predict(image, boxes)
    np.testing.assert_allclose(answer["scores"][0], pose.scores, atol=0.02)
    far = np.abs(answer["keypoints"][0] - pose.keypoints)
    assert far.max() <= 1e-3


GIF = b"GIF89a\x02\x00\x02\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,"


@pytest.mark.parametrize(
    "content", [b"no image", b"", b"\x89PNG\r\n\x1a\n", GIF, b"BM" + bytes(60)]
)
def test_bytes_that_are_no_jpeg_or_png_are_refused(content, served, image):
    with refused("Image 1 of the batch is neither a JPEG nor a PNG"):
        ask(served, [encoded(image), content], [BOXES, BOXES])


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_files_that_end_too_early_are_refused(ending, share, served, image):
    whole = encoded(image, ending)
    broken = whole[: max(30, int(share * len(whole)))]
    with refused(r"Invalid|invalid|Corrupt|PNG|JPEG"):
        ask(served, [broken], [BOXES])


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("size", [(10, 201), (201, 10), (150, 150)])
def test_images_beyond_the_limits_are_refused(ending, size, served):
    large = encoded(np.zeros((*size, 3), np.uint8), ending)
    sentence = f"Image 0 of the batch has {size[1]}x{size[0]} pixels .* up to 200 a"
    with refused(sentence):
        ask(served, [large], [[]])


def test_the_size_is_looked_at_before_pixels_are_decoded(served):
    header = encoded(np.zeros((2, 2, 3), np.uint8))[:16]
    vast = header + (20000).to_bytes(4, "big") + (20000).to_bytes(4, "big") + b"..."
    with refused("Image 0 of the batch has 20000x20000 pixels"):
        ask(served, [vast], [[]])


def test_too_many_images_or_people_are_refused(served, image):
    with refused("may hold 5 images, got 6"):
        ask(served, [encoded(image)] * 6, [[]] * 6)
    with refused("may hold 80 people, got 81"):
        ask(served, [encoded(image)], [BOXES * 27])


@pytest.mark.parametrize("people", [[2], [-1]])
def test_people_that_do_not_fit_the_boxes_are_refused(people, served, image):
    boxes = np.array([BOXES[:1]], np.float32)
    with refused("`people` must say how many of the 1 rows .* real, got"):
        served(np.array([encoded(image)], object), boxes, np.array(people, np.int32))


def test_inputs_for_other_numbers_of_images_are_refused(served, image):
    boxes, people = np.array([BOXES] * 2, np.float32), np.array([3, 3], np.int32)
    with refused("one entry an image each, got 1, 2 and 2"):
        served(np.array([encoded(image)], object), boxes, people)


# Classes and labels


CLASSES = ("dark", "bright")


@pytest.fixture(scope="module")
def classifying():
    def network(images):
        bright = tf.reduce_mean(images, axis=(1, 2, 3))
        return tf.stack([-bright, bright], axis=-1)

    return in_graph(network, ClassificationManifest("m", ImageInput(8, 8), CLASSES))


def test_a_batch_is_classified(classifying):
    values = np.random.default_rng(0).permutation(CHUNK + 3) * 7
    files = [encoded(np.full((9, 30 + v, 3), v, np.uint8)) for v in values]
    answer = classifying(np.array(files, object))
    expected = ["bright" if v > 116 else "dark" for v in values]
    assert [name.decode() for name in answer["label"].numpy()] == expected
    assert len(set(expected)) == 2
    np.testing.assert_allclose(answer["probabilities"].numpy().sum(-1), 1, rtol=1e-5)


def test_no_images_have_no_classes(classifying):
    answer = classifying(tf.constant([], tf.string))
    assert answer["probabilities"].shape == (0, 2)
    assert answer["label"].shape == (0,)


def labelling(size=None, **more):
    manifest = SegmentationManifest(
        "m",
        ImageInput(*(size or (16, 16)), any_size=size is None),
        LogitMapOutput(),
        ClassSet("lights", CLASSES),
        **more,
    )

    def network(images):
        bright = images[:, ::4, ::4, :1]
        return tf.concat([-bright, bright], axis=-1)

    return in_graph(network, manifest)


def test_no_images_have_no_labels():
    answer = labelling()(tf.constant([], tf.string))
    assert answer["labels"].shape == answer["confidence"].shape == (0, 0, 0)
    assert answer["size"].shape == (0, 2)


def test_an_image_that_would_be_looked_at_very_large_is_refused():
    serve = labelling(views=Views(short_side=100), limits=LIMITS)
    fine, long = (encoded(np.zeros((4, width, 3), np.uint8)) for width in (7, 9))
    assert serve(np.array([fine], object))["labels"].shape == (1, 4, 7)
    with refused(r"Image 1 .* is looked at in \[100 225\] pixels"):
        serve(np.array([fine, long], object))


def test_an_image_that_a_network_of_one_size_cannot_take_is_refused():
    serve = labelling(size=(16, 24))
    fine, other = (
        encoded(np.zeros((*size, 3), np.uint8)) for size in ((16, 24), (24, 16))
    )
    assert serve(np.array([fine], object))["labels"].shape == (1, 16, 24)
    with refused(r"in \[24 16\] pixels .* network takes \[16, 24\] only"):
        serve(np.array([fine, other], object))


def test_images_that_are_vast_when_padded_are_refused():
    serve = labelling(limits=replace(LIMITS, pixels=1000, images=3))
    wide, tall = (
        encoded(np.zeros(size, np.uint8)) for size in [(5, 200, 3), (200, 5, 3)]
    )
    assert serve(np.array([wide, wide], object))["labels"].shape == (2, 5, 200)
    with refused(r"2 images padded to the largest, \[200 200\] pixels"):
        serve(np.array([wide, tall], object))


# Requests from samples


def test_a_request_has_a_row_more_than_people(image):
    samples = {
        "image_bytes": np.frombuffer(encoded(image), np.uint8),
        "boxes": np.array(BOXES, np.float32),
    }
    request = request_of(spot_manifest(), samples)
    assert list(request) == ["image_bytes", "boxes", "people"]
    assert request["image_bytes"] is samples["image_bytes"]
    np.testing.assert_array_equal(request["boxes"], [[*BOXES, (0, 0, 0, 0)]])
    np.testing.assert_array_equal(request["people"], [3])


@pytest.mark.parametrize("ending", [".bmp", ".png"])
def test_a_sample_that_servers_do_not_take_is_written_anew(ending, image):
    large = cv2.resize(image, (280, 240))
    samples = {
        "image_bytes": np.frombuffer(encoded(large, ending), np.uint8),
        "boxes": np.array(BOXES, np.float32) * 2,
    }
    limits = replace(LIMITS, side=140)
    request = request_of(replace(spot_manifest(), limits=limits), samples)
    small = cv2.imdecode(request["image_bytes"], cv2.IMREAD_COLOR)[..., ::-1]
    assert request["image_bytes"][:4].tobytes() == b"\x89PNG"
    assert small.shape == (120, 140, 3)
    assert np.abs(small.astype(int) - image).max() < 20
    np.testing.assert_array_equal(request["boxes"][0, :3], BOXES)
