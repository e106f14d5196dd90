"""Exported folders as TensorFlow Serving takes them, asked by the client in deploy/."""

import base64
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from hrnet_tf.export.options import Options
from hrnet_tf.export.requests import request_of
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.export.warmup import WARMUP
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from support.served import (
    BOXES,
    FILES,
    FOUND,
    IMAGES,
    SIGNATURES,
    png,
    post,
    samples_of,
)

protocols = pytest.mark.parametrize("protocol", ["rest", "grpc"])


@pytest.fixture(scope="module")
def predictors(networks):
    return {
        task: parts_of(pair[1]).predictor.from_model(*pair)
        for task, pair in networks.items()
    }


# Loading


def test_the_server_has_never_imported_this_package(server):
    assert server.ours == []


def test_every_signature_is_warmed_up_when_a_model_is_loaded(server):
    expected = {task: ["serving_default", name] for task, name in SIGNATURES.items()}
    expected[FOUND].insert(1, "keypoints")
    assert server.warmed == expected


def test_warm_up_requests_are_those_of_the_samples(networks, models):
    _, manifest = networks["pose"]
    path = models / "pose" / "1" / WARMUP
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    plain, encoded = (log.predict_log.request for log in logs)
    assert [x.model_spec.signature_name for x in (plain, encoded)] == [
        "serving_default",
        "keypoints",
    ]
    assert tf.make_ndarray(plain.inputs["image"]).shape == (1, 64, 48, 3)
    request = request_of(manifest, samples_of(manifest))
    assert encoded.inputs["image_bytes"].string_val[:] == [FILES[1]]
    for name in ("boxes", "people"):
        np.testing.assert_array_equal(
            tf.make_ndarray(encoded.inputs[name]), request[name]
        )


def test_without_samples_there_are_no_warm_up_requests(networks, tmp_path):
    write_savedmodel(*networks["pose"], tmp_path / "3", Options())
    assert [x.name for x in (tmp_path / "3" / "assets.extra").iterdir()] == [
        "manifest.json"
    ]


# Answers


@protocols
def test_people_are_those_of_the_predictor(protocol, ask, predictors):
    answer = ask(protocol, "pose", FILES, BOXES)
    assert np.shape(answer["keypoints"]) == (2, 2, 3, 2)
    for number, (image, boxes) in enumerate(zip(IMAGES, BOXES, strict=True)):
        pose, count = predictors["pose"].predict(image, boxes), len(boxes)
        np.testing.assert_allclose(
            answer["keypoints"][number][:count], pose.keypoints, atol=0.1
        )
        np.testing.assert_allclose(
            answer["scores"][number][:count], pose.scores, atol=0.02
        )
    assert np.sum(answer["scores"][0][1]) == 0


@protocols
def test_everyone_is_who_the_predictor_finds(protocol, ask, predictors):
    answer = ask(protocol, "bottom_up", FILES)
    assert answer["counts"] == [1, 1]
    assert np.shape(answer["keypoints"]) == (2, 1, 3, 3)
    for number, image in enumerate(IMAGES):
        people = predictors["bottom_up"].predict(image)
        found = np.array(answer["keypoints"][number])
        np.testing.assert_allclose(found[..., :2], people.keypoints, atol=0.6)
        np.testing.assert_allclose(found[..., 2], people.scores, atol=0.02)


@protocols
def test_objects_are_those_of_the_predictor(protocol, ask, predictors):
    answer = ask(protocol, "detection", FILES)
    assert np.shape(answer["boxes"]) == (2, 100, 4)
    for number, image in enumerate(IMAGES):
        objects = predictors["detection"].predict(image)
        own = {name: values[number] for name, values in answer.items()}
        count = own.pop("counts")
        assert count == len(objects) > 2
        assert own["names"] == [*objects.names, *[""] * (100 - count)]
        assert own["labels"] == [*objects.labels, *[-1] * (100 - count)]
        np.testing.assert_allclose(own["boxes"][:count], objects.boxes, atol=1e-3)
        np.testing.assert_allclose(own["scores"][:count], objects.scores, atol=1e-6)
        assert not np.any(own["boxes"][count:])


@protocols
def test_people_in_boxes_of_a_detector_are_those_of_both(protocol, ask, predictors):
    both = BehindDetector(predictors["pose"], predictors["detection"], "person")
    answer = ask(protocol, FOUND, FILES)
    assert answer["people"] == [2, 2]
    for number, image in enumerate(IMAGES):
        people = both.predict(image)
        own = {name: values[number] for name, values in answer.items()}
        np.testing.assert_allclose(own["boxes"], people.boxes, atol=1e-3)
        np.testing.assert_allclose(own["box_scores"], people.box_scores, atol=1e-6)
        np.testing.assert_allclose(own["scores"], people.scores, atol=0.02)


@protocols
def test_classes_are_those_of_the_predictor(protocol, ask, predictors):
    answer = ask(protocol, "classification", FILES)
    expected = [predictors["classification"].predict(image) for image in IMAGES]
    np.testing.assert_allclose(
        answer["probabilities"], [x.probabilities for x in expected], atol=1e-3
    )
    assert answer["label"] == [x.label for x in expected]


@protocols
@pytest.mark.parametrize("task", ["segmentation", "ocr"])
def test_labels_are_those_of_the_predictor(task, protocol, ask, predictors):
    answer = ask(protocol, task, FILES)
    assert answer["size"] == [[120, 140], [90, 150]]
    for number, image in enumerate(IMAGES):
        expected = predictors[task].predict(image)
        height, width = image.shape[:2]
        labels = np.array(answer["labels"][number])
        assert (labels[:height, :width] == expected.labels).mean() > 0.999
        np.testing.assert_allclose(
            np.array(answer["confidence"][number])[:height, :width],
            expected.confidence,
            atol=1e-4,
        )
    assert np.shape(answer["labels"]) == (2, 120, 150)


@protocols
def test_segments_are_those_of_the_predictor(protocol, ask, predictors):
    answer = ask(protocol, "panoptic", FILES)
    for number, image in enumerate(IMAGES):
        expected = predictors["panoptic"].predict(image)
        height, width = image.shape[:2]
        segments = np.array(answer["segments"][number])
        assert (segments[:height, :width] == expected.segments).mean() > 0.99
        assert np.unique(segments[:height, :width]).size > 3


@protocols
def test_values_are_those_of_the_predictor(protocol, ask, predictors):
    answer = ask(protocol, "regression", FILES)
    for number, image in enumerate(IMAGES):
        expected = predictors["regression"].predict(image).values
        height, width = image.shape[:2]
        values = np.array(answer["values"][number])[:height, :width]
        np.testing.assert_allclose(values, expected, atol=1e-4)


def test_rows_are_answered_as_columns(server, ask):
    """The lines for curl in the README ask like this."""
    encoded = {"b64": base64.b64encode(FILES[0]).decode()}
    row = {"image_bytes": encoded, "boxes": [[20, 10, 90, 100]], "people": 1}
    body = {"signature_name": "keypoints", "instances": [row]}
    status, content = post(server, "pose", body)
    columns = ask("rest", "pose", FILES[:1], BOXES[:1])
    assert status == 200
    (prediction,) = content["predictions"]
    assert prediction == {name: values[0] for name, values in columns.items()}
    status, content = post(
        server, "classification", {"signature_name": "classify", "instances": [encoded]}
    )
    assert (status, len(content["predictions"])) == (200, 1)


def test_normalised_crops_are_answered_too(server, networks):
    model, _ = networks["classification"]
    crops = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).round(3)
    status, content = post(server, "classification", {"instances": crops.tolist()})
    assert status == 200
    expected = model(crops.astype(np.float32))
    np.testing.assert_allclose(content["predictions"], expected, atol=1e-4)


def test_requests_put_together_are_answered_as_alone(networks, models):
    """Serving's batching: rows padded with a request's first number, then stacked."""
    loaded = tf.saved_model.load(str(models / "pose" / "1"))
    serve = loaded.signatures["keypoints"]
    requests = [np.array([own], np.float32) for own in BOXES]
    most = max(boxes.shape[1] for boxes in requests)
    padded = [
        np.pad(
            boxes,
            ((0, 0), (0, most - boxes.shape[1]), (0, 0)),
            constant_values=boxes.flat[0],
        )
        for boxes in requests
    ]
    together = serve(
        image_bytes=tf.constant(FILES),
        boxes=np.concatenate(padded),
        people=tf.constant([1, 2]),
    )
    for number, boxes in enumerate(requests):
        count = boxes.shape[1]
        alone = serve(
            image_bytes=tf.constant(FILES[number : number + 1]),
            boxes=boxes,
            people=tf.constant([count]),
        )
        for name, values in together.items():
            np.testing.assert_allclose(
                values[number, :count], alone[name][0], atol=1e-4
            )


# Refusals


LONG = png(np.zeros((4, 20000, 3), np.uint8))
MALFORMED = {
    "no image": ("pose", [FILES[0], b"no image"], BOXES, "Image 1 of the batch is nei"),
    "cut off": ("pose", [FILES[0][:-200]], BOXES[:1], "PNG"),
    "zero area": ("pose", FILES[:1], [[(5, 5, 0, 9)]], "positive width and height"),
    "too wide": ("pose", [LONG], BOXES[:1], "has 20000x4 pixels .width x height.; up"),
    "no batch": ("pose", [], [], r"not compatible with expected shape \[\?,\?,4\]"),
    "no class": ("classification", [b"\xff\xd8\xff no image"], None, "JPEG"),
    "wide class": ("classification", [LONG], None, "has 20000x4 pixels"),
    "no labels": ("segmentation", [b""], None, "neither a JPEG nor a PNG file"),
    "wide labels": ("segmentation", [FILES[0], LONG], None, "Image 1 .* 20000x4 pixel"),
    "wide objects": ("detection", [LONG], None, "has 20000x4 pixels"),
    "many objects": ("detection", FILES[:1] * 33, None, "may hold 32 images, got 33"),
    "no people": (FOUND, [FILES[0], b"no"], None, "Image 1 of the batch is neither"),
    "wide values": ("regression", [LONG], None, "has 20000x4 pixels"),
}


@protocols
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_requests_are_refused_with_a_sentence(case, protocol, ask, client):
    task, files, boxes, sentence = MALFORMED[case]
    status = {"rest": "HTTP 400", "grpc": "INVALID_ARGUMENT"}[protocol]
    with pytest.raises(client.ServingError, match=f"(?s)^{status}: .*{sentence}"):
        ask(protocol, task, files, boxes)
    answer = ask(protocol, "pose", FILES[:1], BOXES[:1])  # it goes on
    assert np.max(answer["scores"]) > 0.9


@protocols
def test_an_empty_batch_has_an_empty_answer(protocol, ask):
    assert ask(protocol, "classification", []) == {"probabilities": [], "label": []}
    answer = ask(protocol, "segmentation", [])
    assert answer == {"labels": [], "confidence": [], "size": []}


def test_an_empty_list_of_rows_is_refused(server):
    body = {"signature_name": "keypoints", "instances": []}
    assert post(server, "pose", body) == (
        400,
        {"error": "No values in 'instances' array"},
    )


@protocols
def test_an_image_without_people_has_none(protocol, ask):
    answer = ask(protocol, "pose", FILES, [[], []])
    assert np.shape(answer["scores"]) == (2, 1, 3)
    assert not np.any(answer["scores"])


def test_limits_of_the_manifest_hold(networks, tmp_path):
    model, manifest = networks["classification"]
    limits = replace(
        write_savedmodel(model, manifest, tmp_path / "1", Options()).limits, images=1
    )
    found = write_savedmodel(
        model, replace(manifest, limits=limits), tmp_path / "2", Options()
    )
    assert found.limits == limits
    serve = tf.saved_model.load(str(tmp_path / "2")).signatures["classify"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="may hold 1 images, got"):
        serve(image_bytes=tf.constant(FILES))
