"""Facial landmarks from drawn faces to served points, with a tiny network."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.drawn.faces import LANDMARKS, draw_face_data_set
from hrnet_tf.export import decoder
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.loading import load
from hrnet_tf.export.signatures import serving_function
from hrnet_tf.export.verify import verify
from hrnet_tf.tasks import make_experiment, make_viewer, read_manifest
from hrnet_tf.tasks.landmarks.codec import LandmarkCodec
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.metrics import CellDistance, face_errors
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor, locator
from hrnet_tf.training.check_data import check_data
from hrnet_tf.training.media import predict_files
from support.drawn_faces import write_tiny_experiment
from support.networks import shallow_networks

SIDE = 64
# OpenCV 4 rounds positions to 1/32 pixel, version 5 does not.
EXACT_OPENCV = int(cv2.__version__.split(".")[0]) >= 5


@pytest.fixture(scope="module", autouse=True)
def without_blocks():
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    draw_face_data_set(folder, train=6, validation=5)
    return folder


@pytest.fixture(scope="module")
def config_of(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("landmarks")
    path = write_tiny_experiment(folder, faces, SIDE)
    return lambda *settings: hrnet_tf.read_config(path, settings)


@pytest.fixture(scope="module")
def run(config_of):
    return hrnet_tf.train(config_of())


@pytest.fixture(scope="module")
def predictor(run):
    return hrnet_tf.load(run.folder)


@pytest.fixture(scope="module")
def exported(run):
    names = ("savedmodel", "onnx", "tflite_decoded", "tflite_int8")
    return export_run(run.folder, names)


def spots(manifest):
    """A network whose heatmaps are those of known cells, whatever it sees."""
    rng = np.random.default_rng(0)
    count, size = len(manifest.landmarks), manifest.output.size
    points = rng.uniform(3, size[0] - 4, (1, count, 2))
    points = np.concatenate([points, np.ones((1, count, 1))], axis=-1)
    maps, _ = LandmarkCodec(1.5, whole=False).encode(points, size)

    def network(images):
        return tf.repeat(maps, tf.shape(images)[0], axis=0)

    return network


def test_the_drawn_set_is_the_shipped_one():
    assert LandmarkSet.read("drawn").names == LANDMARKS


def test_training_keeps_the_lowest_error(run):
    with open(run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    errors = [float(row["val_NME"]) for row in rows]
    evaluation, path = hrnet_tf.evaluate_run(run.folder, progress=False)
    assert evaluation.statistics["NME"] == pytest.approx(min(errors), rel=0.05)
    assert all(float(row["cells_off"]) > 0 for row in rows)
    facts = json.loads(path.read_text())
    assert facts["faces"] == 5
    names = ["NME", "FR@0.08", "FR@0.10", "AUC@0.08", "AUC@0.10"]
    assert list(facts["statistics"]) == names
    picture = path.with_name(f"{path.stem}_curves.png")
    assert hrnet_tf.read_image(picture).std() > 0
    with open(path.with_name(f"{path.stem}_errors.csv"), newline="") as file:
        found = [float(row["NME"]) for row in csv.DictReader(file)]
    assert np.mean(found) == pytest.approx(evaluation.statistics["NME"], abs=1e-5)
    assert "5 faces, 0 skipped" in path.with_suffix(".txt").read_text()


def test_errors_are_those_of_the_predictions(run, predictor):
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    evaluator = make_experiment(run.config).evaluator(read_manifest(run.manifest))
    for row in range(5):
        box = evaluator.faces.boxes[row : row + 1]
        found = predictor.predict(str(evaluator.faces.files[row]), box)
        points = evaluator.faces.points[row : row + 1]
        ends = points[0, list(evaluator.manifest.landmarks.ends), :2]
        divisor = np.linalg.norm(ends[0] - ends[1])
        error = face_errors(found.landmarks, points, np.array([divisor]))
        assert error[0] == pytest.approx(evaluation.scores.errors[row], rel=0.02)


@pytest.mark.parametrize("rule", ["official", "affine"])
def test_targets_lie_where_the_points_are(config_of, rule):
    settings = (f"data.rule={rule}", "data.augmentation.rotation_probability=1")
    config = config_of(*settings)
    experiment = make_experiment(config)
    manifest = experiment.make_manifest()
    data = experiment.training_data(manifest)
    (crops, targets), *_ = data.batches(range(1), 1)
    (again, same), *_ = data.batches(range(1), 1)
    np.testing.assert_array_equal(crops, again)
    np.testing.assert_array_equal(targets, same)
    assert crops.shape == (4, SIDE, SIDE, 3)
    pupils = [LANDMARKS.index(f"{side}_pupil") for side in ("left", "right")]
    for crop, points in zip(crops.numpy(), targets.numpy(), strict=True):
        for x, y, _ in manifest.geometry.crop_pixels(points)[pupils]:
            column, row = round(float(x)), round(float(y))
            near = crop[row - 2 : row + 3, column - 2 : column + 3]
            assert near.min() < 70  # a pupil is dark
    sheet = data.draw(crops.numpy(), targets.numpy())
    assert sheet.dtype == np.uint8


@pytest.mark.parametrize("rule", ["official", "affine"])
def test_perfect_heatmaps_give_the_points_back(config_of, rule):
    config = config_of(f"data.rule={rule}", "evaluate.refinement=dark")
    experiment = make_experiment(config)
    manifest = experiment.make_manifest()
    evaluator = experiment.evaluator(manifest)
    geometry, codec = manifest.geometry, manifest.codec
    views = evaluator._views(np.arange(5))
    cells = geometry.cells(evaluator.faces.points[..., :2], views)
    targets = np.concatenate([cells, np.ones((5, len(LANDMARKS), 1))], axis=-1)
    maps, _ = codec.encode(targets, manifest.output.size)
    found = geometry.to_image(codec.decode(maps)[0].numpy(), views)
    errors = np.abs(found - evaluator.faces.points[..., :2])
    step = 200 * views.scales.max() / manifest.output.height
    inside = ((cells > 4) & (cells < manifest.output.height - 5)).all(axis=-1)
    assert inside.sum() > 20
    # Whole cells and pixels, or what the smoothing leaves of a Gaussian.
    largest = 0.05 * step if rule == "affine" else 0.75 * step + 1
    assert errors[inside].max() < largest


def test_mirrored_heatmaps_are_turned_back(config_of):
    manifest = make_experiment(config_of()).make_manifest().with_flip(True)
    straight = spots(manifest)
    plain = straight(np.zeros((1, SIDE, SIDE, 3), np.float32)).numpy()
    mirror = manifest.landmarks.mirror

    def network(images):
        return tf.concat([plain, plain[:, :, ::-1][..., mirror]], axis=0)

    crops = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    cells, _ = locator(network, manifest)(crops)
    expected, _ = manifest.codec.decode(plain)
    np.testing.assert_allclose(cells, expected, atol=1e-5)


@pytest.mark.parametrize("rule", ["official", "affine"])
def test_the_served_points_and_the_decoder_are_those_of_the_predictor(
    config_of, faces, rule
):
    manifest = make_experiment(config_of(f"data.rule={rule}")).make_manifest()
    kernel = np.random.default_rng(1).standard_normal((4, 4, 3, len(LANDMARKS)))

    def network(images):
        return tf.nn.conv2d(images, kernel.astype(np.float32), 4, "SAME")

    predictor = LandmarkPredictor.from_network(network, manifest)
    path = next((faces / "images" / "val").iterdir())
    image = hrnet_tf.read_image(path)
    boxes = np.array([[20, 25, 90, 100], [-10, 5, 170, 160]], np.float32)
    found = predictor.predict(image, boxes)
    serve = serving_function(network, manifest)
    served = serve([path.read_bytes()], boxes[None], [2])
    facts = json.loads(manifest.as_json())
    for row, box in enumerate(boxes):
        crop = decoder.crop_face(image, box, facts)
        own = predictor.crops(image, np.float64(boxes[row : row + 1]))[0]
        assert np.abs(crop.astype(int) - own).max() <= 2
        heatmaps = network(decoder.prepare(own, facts)).numpy()
        answer = decoder.decode(heatmaps, facts)
        points = decoder.face_to_image(answer["landmarks"][0], box, facts)
        np.testing.assert_allclose(points, found.landmarks[row], atol=1e-3)
    apart = np.linalg.norm(served["landmarks"][0] - found.landmarks, axis=-1)
    assert np.median(apart) < 1e-3  # a grey level may exchange two noisy maxima
    assert (apart < 1.5).mean() > 0.9
    limit = 0.05 if rule == "official" or EXACT_OPENCV else 0.5  # of up to 30
    np.testing.assert_allclose(served["scores"][0], found.scores, atol=limit)


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite_decoded"])
def test_exports_find_what_the_run_finds(predictor, exported, faces, name):
    image = next((faces / "images" / "val").iterdir())
    boxes = [[20, 25, 90, 100], [10, 5, 120, 130]]
    expected = predictor.predict(image, boxes)
    found = load(exported[name]).predict(image, boxes)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    apart = np.abs(found.landmarks - expected.landmarks).max(axis=-1)
    assert np.median(apart) < 1e-2  # of flat maps rounding decides
    manifest = read_manifest(exported[name].parent / f"{exported[name].name}.json")
    assert manifest.landmarks.names == LANDMARKS


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite_int8"])
def test_exports_verify(exported, name, asked_here):
    result = verify(exported[name])
    assert result.ok, result.report()


def test_integers_answer_too(predictor, exported, faces):
    image = next((faces / "images" / "val").iterdir())
    found = load(exported["tflite_int8"]).predict(image)
    expected = predictor.predict(image)
    spread = np.ptp(expected.scores)
    assert np.abs(found.scores - expected.scores).mean() < spread


def test_predict_draws_faces_and_writes_their_points(run, predictor, faces, tmp_path):
    names = sorted(path.name for path in (faces / "images" / "val").iterdir())
    boxes = [
        {"file_name": names[0], "bbox": [20, 25, 90, 100], "score": 0.9},
        {"file_name": names[0], "bbox": [30, 5, 60, 100], "score": 0.1},
        {"file_name": names[1], "bbox": [20, 25, 90, 100]},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    command = ["predict", str(faces / "images" / "val"), "--model", str(run.folder)]
    options = ["--out", str(tmp_path / "out"), "--boxes", str(tmp_path / "boxes.json")]
    cli.main([*command, *options])
    entries = json.loads((tmp_path / "out" / "landmarks.json").read_text())
    assert [entry["image_id"] for entry in entries] == [1, 2]
    assert all(len(entry["keypoints"]) == 3 * len(LANDMARKS) for entry in entries)
    viewer = make_viewer(predictor, threshold=-1e9)
    predict_files(viewer, faces / "images" / "val", tmp_path / "whole")
    assert viewer.count() == "5 faces"
    pictures = [p for p in (tmp_path / "whole").iterdir() if p.suffix == ".jpg"]
    plain = hrnet_tf.read_image(faces / "images" / "val" / names[0])
    drawn = hrnet_tf.read_image(sorted(pictures)[0])
    assert drawn.shape[0] >= 320
    assert drawn.std() != plain.std()


def test_data_check_counts_landmarks(config_of, tmp_path, faces):
    surveys = check_data(config_of(), tmp_path / "survey")
    assert surveys["train"].counts == dict.fromkeys(LANDMARKS, 6)
    assert (surveys["validation"].samples, surveys["train"].broken) == (5, ())


def test_broken_images_stop_or_are_skipped(config_of, faces, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for path in (faces / "images" / "val").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    victim = sorted(folder.iterdir())[2]
    victim.write_bytes(b"\xff\xd8\xff no image")
    where = f"data.validation.images={folder}"
    experiment = make_experiment(config_of(where))
    manifest = experiment.make_manifest()
    predictor = LandmarkPredictor.from_network(spots(manifest), manifest)
    with pytest.raises(hrnet_tf.InputError, match=rf"line 4 of .*{victim.name}"):
        experiment.evaluator(manifest).evaluate(predictor)
    skipping = make_experiment(config_of(where, "data.on_error=skip"))
    evaluation = skipping.evaluator(manifest).evaluate(predictor)
    assert (evaluation.skipped, evaluation.unjudged) == (1, 0)
    assert len(evaluation.scores.by_subset()["all"]) == 4
    assert "5 faces, 1 skipped" in evaluation.table()


def test_other_landmarks_and_sizes_are_refused(config_of):
    with pytest.raises(hrnet_tf.InputError, match="must be a square"):
        config_of("model.size=[64,32]")
    experiment = make_experiment(config_of())
    manifest = replace(experiment.make_manifest(), landmarks=LandmarkSet.read("aflw"))
    with pytest.raises(hrnet_tf.InputError, match="must name the model's landmarks"):
        experiment.evaluator(manifest)


def test_the_distance_of_cells_is_counted():
    points = np.array([[[3, 4, 1], [5, 6, 0], [-1e4, 2, 1]]], np.float32)
    found = points + np.array([[0, 2, 0], [3, 3, 0], [0, 0, 0]])
    maps, _ = LandmarkCodec(1.0).encode(found, (16, 16))
    metric = CellDistance()
    metric.update_state(points, maps)
    assert float(metric.result()) == pytest.approx(2.0)
    metric.reset_state()
    assert float(metric.result()) == 0.0
