"""Detectors as files and SavedModels, and what encoded images are answered."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.export.artefacts import chosen_formats, export_model, targets_of
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.loading import load
from hrnet_tf.export.options import Options
from hrnet_tf.export.signatures import serving_function
from hrnet_tf.export.verify import verify
from hrnet_tf.networks.fold import fold
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.manifest import (
    DetectionManifest,
    ObjectInput,
    ObjectOutput,
)
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from support.detectors import CLASSES, NARROW, SIZE, tiny_detector

SHAPES = [(60, 90), (120, 70), (20, 90)]
RNG = np.random.default_rng(3)
IMAGES = [RNG.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]
FILES = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in IMAGES]


def manifest_of(masks=False):
    toys = ObjectClasses("toys", CLASSES)
    given = ObjectInput(*SIZE), ObjectOutput(), toys, (96, 64), masks
    return DetectionManifest("toys", *given)


SAMPLES = {
    "crops": RNG.integers(0, 256, (2, *SIZE, 3), np.uint8),
    "image_bytes": np.frombuffer(FILES[0], np.uint8),
}


@pytest.fixture(scope="module")
def detector():
    return tiny_detector(**NARROW)


def assert_same_objects(found, expected):
    assert len(expected) > 2
    order = np.lexsort((*found.boxes.T, found.labels))
    wanted = np.lexsort((*expected.boxes.T, expected.labels))
    np.testing.assert_array_equal(found.labels[order], expected.labels[wanted])
    np.testing.assert_allclose(
        found.boxes[order], expected.boxes[wanted], atol=0.1, rtol=0
    )
    np.testing.assert_allclose(
        found.scores[order], expected.scores[wanted], atol=1e-3, rtol=0
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tflite", "onnx", "openvino"])
def test_files_answer_as_the_model_does(kind, detector, tmp_path):
    manifest = manifest_of()
    targets = targets_of([kind], tmp_path, Options())

    files = export_model(detector, manifest, SAMPLES, targets, Options())  # compares

    predictor = load(files[kind])
    own = predictor.manifest
    expected = DetectionPredictor.from_model(detector, replace(own, artefact=None))
    for image in IMAGES:
        assert_same_objects(predictor.predict(image), expected.predict(image))
    assert own.input.any_size == (kind != "tflite")


@pytest.mark.slow
def test_masks_and_stages_come_out_of_files_too(tmp_path):
    masked = tiny_detector(masks=True, cascade=True, **NARROW)
    targets = targets_of(["tflite"], tmp_path, Options())

    files = export_model(masked, manifest_of(masks=True), SAMPLES, targets, Options())

    assert load(files["tflite"]).predict(IMAGES[0]).mask(0).shape == SHAPES[0]


def test_a_signature_finds_what_the_predictor_finds(unimproved):
    manifest, masked = manifest_of(masks=True), tiny_detector(masks=True, **NARROW)
    predictor = DetectionPredictor.from_model(masked, manifest)
    serve = tf.function(serving_function(fold(masked), manifest))

    found = serve(tf.constant(FILES))

    assert found["boxes"].shape == (len(FILES), 100, 4)
    for row, image in enumerate(IMAGES):
        expected = predictor.predict(image)
        count = int(found["counts"][row])
        assert count == len(expected) > 2
        np.testing.assert_array_equal(found["boxes"][row, :count], expected.boxes)
        np.testing.assert_array_equal(found["scores"][row, :count], expected.scores)
        np.testing.assert_array_equal(found["masks"][row, :count], expected.maps)
        names = [name.decode() for name in found["names"][row].numpy()]
        assert names == [*expected.names, *[""] * (100 - count)]


@pytest.mark.slow
def test_a_saved_model_answers_to_encoded_images(detector, tmp_path):
    manifest = manifest_of()
    targets = targets_of(["savedmodel"], tmp_path, Options())

    export_model(detector, manifest, SAMPLES, targets, Options())  # compares

    result = verify(tmp_path / "1")
    assert result.ok, result.report()
    assert {"boxes", "detect/boxes"} <= result.differences.keys()
    assert (tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_whole_numbers_are_refused(caplog):
    named = ["onnx", "tflite_dynamic_int8"]
    assert chosen_formats(named, manifest_of()) == named
    with pytest.raises(InputError, match=r"onnx_int8: detectors do not compute in"):
        chosen_formats(["onnx_int8"], manifest_of())
    with caplog.at_level("INFO"):
        every = chosen_formats(["all"], manifest_of())
    assert {"savedmodel", "tflite_float16", *named} <= set(every) < set(FORMATS)
    assert not any(FORMATS[name].calibrated for name in every)
    assert "onnx_int8, openvino_int8, which detectors do not have" in caplog.text
