import json
import subprocess
import sys
from dataclasses import asdict, replace

import cv2
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import hrnet_tf
from hrnet_tf.export import decoder
from hrnet_tf.export.loading import open_predictor
from hrnet_tf.export.onnx import write_onnx
from hrnet_tf.export.options import Options
from hrnet_tf.images.preprocess import central_crop, crop_of_box, preprocess_input
from hrnet_tf.networks.layers import resize_bilinear
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.keypoints.heatmaps import REFINEMENTS, HeatmapCodec
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.manifest import MapOutput, RegressionManifest
from hrnet_tf.tasks.regression.predictor import regressor
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from hrnet_tf.tasks.segmentation.predictor import label_pixels, scorer
from support.networks import with_statistics
from support.served import TINY
from support.spots import spot_image, spot_manifest, spot_network

# OpenCV 4 rounds positions to 1/32 pixel, version 5 does not.
EXACT_OPENCV = int(cv2.__version__.split(".")[0]) >= 5
BOXES = [(20, 10, 90, 100), (30, 20, 60, 80), (-20, -15, 150, 160), (5, 3, 100, 7)]


def facts_of(manifest):
    """A manifest as the decoder reads it."""
    return json.loads(json.dumps(asdict(manifest)))


def given(facts, **changes):
    return {**facts, "input": {**facts["input"], **changes}}


def answered(facts, **changes):
    return {**facts, "output": {**facts["output"], **changes}}


POSE = facts_of(spot_manifest())
LABELLING = SegmentationManifest(
    "x",
    ImageInput(64, 64, any_size=True),
    LogitMapOutput(),
    ClassSet("x", ("a", "b", "c", "d")),
)
CLASSIFYING = ClassificationManifest("x", ImageInput(64, 64), ("a", "b", "c"))
MEASURING = RegressionManifest(
    "x", ImageInput(64, 64, any_size=True), MapOutput(), ChannelSet(("x", "y"))
)


# Heatmaps


def noise(rng):
    return rng.standard_normal((5, 16, 12, 6))


def figures(rng):
    points = np.concatenate([rng.uniform(-9, 60, (5, 6, 2)), np.ones((5, 6, 1))], -1)
    heatmaps, _ = HeatmapCodec().encode(tf.constant(points, tf.float32), (16, 12))
    return heatmaps.numpy() + rng.normal(0, 0.01, heatmaps.shape)


def nothing(rng):
    return -np.abs(noise(rng))


@pytest.mark.parametrize("refinement", REFINEMENTS)
@pytest.mark.parametrize("draw", [noise, figures, nothing])
@pytest.mark.parametrize("sigma", [2.0, 3.0])
def test_keypoints_are_those_of_the_codec(refinement, draw, sigma, rng):
    heatmaps = draw(rng).astype(np.float32)
    codec = HeatmapCodec(4, sigma, refinement)
    cells, scores = codec.decode(tf.constant(heatmaps))
    facts = facts_of(spot_manifest(refinement=refinement, sigma=sigma))
    found = decoder.decode(heatmaps, facts)
    # In noise a parabola's top may lie anywhere, and rounding is blown up with it.
    expected = 4 * cells.numpy()
    np.testing.assert_allclose(found["keypoints"], expected, rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(found["scores"], scores)


# Images to inputs


def test_crops_are_those_of_the_predictor(rng):
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    predictor = PosePredictor.from_model(spot_network(), spot_manifest())
    right = predictor.crops(image, np.array(BOXES, float))
    # Two neighbours differ by up to 255: half of 1/32 pixel in x and in y is 8.
    limit = 1 if EXACT_OPENCV else 8
    for box, expected in zip(BOXES, right, strict=True):
        found = decoder.crop(image, decoder.crop_matrix(box, POSE), POSE)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - expected).max() <= limit


def test_points_come_back_to_the_pixels_of_the_image(rng):
    predictor = PosePredictor.from_model(spot_network(), spot_manifest())
    cells = rng.uniform(0, 16, (len(BOXES), 5, 2))
    expected = predictor.to_image(cells, np.array(BOXES, float))
    for box, points, right in zip(BOXES, cells, expected, strict=True):
        found = decoder.to_image(4 * points, decoder.crop_matrix(box, POSE))
        np.testing.assert_allclose(found, right, atol=1e-4)


@pytest.mark.parametrize("box", [(5, 5, 1e-30, 1e-30), (5, 5, 0.5, 0.25), (5, 5, 1, 1)])
def test_crops_of_tiny_boxes_are_the_predictors(box):
    centers, widths = crop_of_box([box], 48 / 64, 1.25)
    matrix = decoder.crop_matrix(box, POSE)
    np.testing.assert_allclose(matrix[0, 0], widths[0] / 48)
    np.testing.assert_allclose(matrix @ [24, 32, 1], centers[0], atol=1e-6)


@pytest.mark.parametrize("size", [(64, 64), (90, 51), (33, 200), (301, 257)])
@pytest.mark.parametrize("share", [0.875, 1.0])
def test_the_middle_of_an_image_is_that_of_the_classifier(size, share, rng):
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    facts = facts_of(replace(CLASSIFYING, crop_share=share))
    expected = central_crop(tf.constant(image), (64, 64), share).numpy()
    difference = np.abs(decoder.central_crop(image, facts).astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.001


@pytest.mark.parametrize("count", [None, 1, 3])
def test_inputs_are_those_of_the_network(count, rng):
    images = rng.integers(0, 256, (count or 1, 6, 8, 3), np.uint8)
    expected = preprocess_input(images).numpy()
    asked = images if count else images[0]
    np.testing.assert_allclose(decoder.prepare(asked, POSE), expected, atol=1e-5)
    first = decoder.prepare(asked, given(POSE, layout="NCHW"))
    np.testing.assert_allclose(first, expected.transpose(0, 3, 1, 2), atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"), [("int8", 0.02, -5), ("int16", 1e-4, 0)]
)
def test_inputs_are_quantised_as_the_manifest_says(dtype, scale, zero_point, rng):
    images = rng.integers(0, 256, (2, 6, 8, 3), np.uint8)
    steps = {"scale": scale, "zero_point": zero_point}
    found = decoder.prepare(images, given(POSE, dtype=dtype, quantisation=steps))
    assert found.dtype == dtype
    limits = np.iinfo(dtype)
    lowest, highest = ((x - zero_point) * scale for x in (limits.min, limits.max))
    expected = np.clip(preprocess_input(images), lowest, highest)
    real = (found.astype(float) - zero_point) * scale
    np.testing.assert_allclose(real, expected, atol=0.5001 * scale)


# Outputs to answers


def test_outputs_are_read_in_their_layout_and_steps(rng):
    heatmaps = rng.standard_normal((2, 16, 12, 3)).astype(np.float32)
    expected = decoder.decode(heatmaps, POSE)
    first = decoder.decode(
        heatmaps.transpose(0, 3, 1, 2), answered(POSE, layout="NCHW")
    )
    np.testing.assert_array_equal(first["keypoints"], expected["keypoints"])
    steps = {"scale": 2.0**-12, "zero_point": 7}
    integers = np.round(heatmaps / steps["scale"] + 7).astype(np.int16)
    found = decoder.decode(integers, answered(POSE, dtype="int16", quantisation=steps))
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=2e-4)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(64, 64), (61, 47), (7, 1)])
def test_maps_are_resized_by_the_rule_of_the_manifest(align_corners, size, rng):
    maps = rng.standard_normal((2, 16, 12, 3)).astype(np.float32)
    expected = resize_bilinear(tf.constant(maps), size, align_corners)
    found = decoder.resize_maps(maps, size, align_corners)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("align_corners", [True, False])
def test_labels_are_those_of_the_predictor(align_corners, rng):
    logits = rng.normal(0, 3, (2, 16, 12, 4)).astype(np.float32)
    manifest = replace(LABELLING, output=LogitMapOutput(align_corners=align_corners))
    images = np.zeros((2, 61, 47, 3), np.uint8)
    scores = scorer(lambda images: tf.constant(logits), manifest)(images)
    labels, confidence = label_pixels(scores)
    found = decoder.decode(logits, facts_of(manifest), (61, 47))
    assert found["labels"].dtype == np.uint8
    assert (found["labels"] == labels.numpy()).mean() > 0.999
    np.testing.assert_allclose(found["confidence"], confidence, atol=1e-4)


@pytest.mark.parametrize("align_corners", [True, False])
def test_numbers_are_those_of_the_predictor(align_corners, rng):
    maps = rng.normal(0, 3, (2, 16, 16, 2)).astype(np.float32)
    manifest = replace(MEASURING, output=MapOutput(align_corners=align_corners))
    images = np.zeros((2, 64, 64, 3), np.uint8)
    expected = regressor(lambda images: tf.constant(maps), manifest)(images)
    found = decoder.decode(maps, facts_of(manifest))["values"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


# Whole networks


def asked_onnx(path, tensor):
    (answer,) = onnxruntime.InferenceSession(path).run(None, {"image": tensor})
    return answer


def asked_tflite(path, tensor):
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize(
    ("name", "ask"), [("onnx", asked_onnx), ("tflite", asked_tflite)]
)
def test_artefacts_find_what_the_predictor_finds(name, ask, exported, rng):
    path = exported[name]
    facts = decoder.read_manifest(f"{path}.json")
    image = rng.integers(0, 256, (120, 140, 3), np.uint8)
    pose = hrnet_tf.load(path).predict(image, BOXES[:2])
    for person, box in enumerate(BOXES[:2]):
        matrix = decoder.crop_matrix(box, facts)
        tensor = decoder.prepare(decoder.crop(image, matrix, facts), facts)
        answer = decoder.decode(ask(path, tensor), facts)
        (points,) = decoder.to_image(answer["keypoints"], matrix)
        scale = np.ptp(pose.scores)
        np.testing.assert_allclose(
            answer["scores"][0], pose.scores[person], atol=0.03 * scale
        )
        # Where two cells are about as high, rounding may choose the other one.
        near = np.abs(points - pose.keypoints[person]).max(axis=-1) < 0.1
        assert near.mean() > 0.8


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_spots_are_found_where_they_are(layout, tmp_path):
    points = [(60, 40), (48, 72), (82, 80)]
    image = spot_image((120, 140), points, radius=6)
    path = tmp_path / "model.onnx"
    manifest = write_onnx(spot_network(), spot_manifest(), path, Options(layout))
    facts = facts_of(manifest)
    matrix = decoder.crop_matrix(BOXES[0], facts)
    tensor = decoder.prepare(decoder.crop(image, matrix, facts), facts)
    answer = decoder.decode(asked_onnx(path, tensor), facts)
    found = decoder.to_image(answer["keypoints"][0], matrix)
    assert np.abs(found - points).max() < 6  # half a cell of this crop
    assert answer["scores"].min() > 0.7


def dense(manifest, channels):
    model = with_statistics(hrnet_tf.HRNetV2(classes=channels, **TINY))
    return model, manifest


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_labelling_network_says_what_the_predictor_says(layout, rng, tmp_path):
    path = tmp_path / "model.onnx"
    manifest = write_onnx(*dense(LABELLING, 4), path, Options(layout))
    image = rng.integers(0, 256, (70, 90, 3), np.uint8)
    tensor = decoder.prepare(image, facts_of(manifest))
    found = decoder.decode(asked_onnx(path, tensor), facts_of(manifest), (70, 90))
    expected = open_predictor(path, manifest).predict(image)
    assert (found["labels"][0] == expected.labels).mean() > 0.99
    np.testing.assert_allclose(found["confidence"][0], expected.confidence, atol=1e-3)


def test_a_regression_network_says_what_the_predictor_says(rng, tmp_path):
    path = tmp_path / "model.onnx"
    manifest = write_onnx(*dense(MEASURING, 2), path, Options("NCHW"))
    image = rng.integers(0, 256, (64, 64, 3), np.uint8)
    tensor = decoder.prepare(image, facts_of(manifest))
    found = decoder.decode(asked_onnx(path, tensor), facts_of(manifest))["values"]
    expected = open_predictor(path, manifest).predict(image).values
    np.testing.assert_allclose(found[0], expected, atol=1e-4 * np.ptp(expected))


def test_a_classifier_says_what_the_predictor_says(rng, tmp_path):
    path = tmp_path / "model.onnx"
    shape = {"input_shape": (64, 64, 3), **TINY}
    model = with_statistics(hrnet_tf.HRNetClassifier(classes=3, **shape))
    facts = facts_of(write_onnx(model, CLASSIFYING, path, Options()))
    image = rng.integers(0, 256, (90, 130, 3), np.uint8)
    tensor = decoder.prepare(decoder.central_crop(image, facts), facts)
    found = decoder.decode(asked_onnx(path, tensor), facts)
    expected = open_predictor(path, CLASSIFYING).predict(image)
    np.testing.assert_allclose(
        found["probabilities"][0], expected.probabilities, atol=0.01
    )
    assert found["names"] == [expected.top(1)[0][0]]


# Alone

SCRIPT = """
import sys
for name in ("tensorflow", "keras", "cv2", "hrnet_tf"):
    sys.modules[name] = None  # importing it raises
import numpy as np
import decoder
facts = decoder.read_manifest("model.onnx.json")
recorded = np.load("model.onnx.npz")
tensor = decoder.prepare(np.full((2, 64, 32, 3), 9, np.uint8), facts)
assert tensor.shape == (2, 64, 32, 3) and tensor.dtype == np.float32
print(decoder.__file__)
print(decoder.decode(recorded["answers/heatmaps"], facts)["keypoints"].sum())
"""


def test_the_file_beside_artefacts_needs_numpy_alone(exported):
    folder = exported["onnx"].parent
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    used, total = process.stdout.split()
    assert used == str(folder / "decoder.py")
    recorded = np.load(folder / "model.onnx.npz")["answers/heatmaps"]
    cells, _ = HeatmapCodec().decode(tf.constant(recorded))
    assert float(total) == pytest.approx(4 * cells.numpy().sum(), rel=1e-4)
