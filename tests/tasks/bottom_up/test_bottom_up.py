"""Bottom-up pose from files to a served model, on a tiny network."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.export.verify import verify
from hrnet_tf.tasks import make_experiment, make_viewer, read_manifest
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.training.check_data import check_data
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.media import predict_files
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train

FLOATS = ["savedmodel", "tflite", "onnx"]


@pytest.fixture(scope="module")
def settings(data_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "tiny_people.yaml"
    path.write_text(
        f"""
task: bottom_up
model:
  width: 4
  size: [64, 64]
  modules: [1, 1, 1]
  blocks: 1
  stem: [[8, 2], [8, 2]]
data:
  train:
    annotations: {data_folder}/annotations/person_keypoints_train.json
    images: {data_folder}/images/train
  validation:
    annotations: {data_folder}/annotations/person_keypoints_val.json
    images: {data_folder}/images/val
train: {{epochs: 1, batch_size: 4, steps_per_epoch: 2, drop_at: []}}
evaluate: {{threshold: 0.001, most: 4}}
"""
    )
    return path


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    """A trained run."""
    folder = tmp_path_factory.mktemp("runs") / "people"
    tf.config.run_functions_eagerly(True)
    try:
        return train(read_config(settings, [f"output={folder}"]))
    finally:
        tf.config.run_functions_eagerly(False)


def test_a_run_is_trained_and_judged(run):
    evaluation, target = evaluate_run(run.folder, progress=False)
    assert evaluation.images == 6
    assert 0 <= evaluation.statistics["AP"] <= 1
    results = target.with_name(f"{target.stem}_results.json")
    entries = json.loads(results.read_text())
    assert len(entries) == json.loads(target.read_text())["people_found"]
    assert all(len(entry["keypoints"]) == 51 for entry in entries)
    assert run.read_samples()["crops"].shape[1:] == (64, 64, 3)


def test_several_images_are_what_each_is_alone(run, data_folder):
    predictor = hrnet_tf.load(run.folder, overrides=["evaluate.threshold=0.001"])
    assert isinstance(predictor, BottomUpPredictor)
    files = sorted((data_folder / "images" / "val").glob("*.jpg"))[:3]
    images = [hrnet_tf.read_image(file) for file in files]
    images[1] = np.ascontiguousarray(images[1][:150])
    together = predictor.predict_several(images)
    for image, people in zip(images, together, strict=True):
        alone = predictor.predict(image)
        assert len(alone) == len(people)
        np.testing.assert_allclose(alone.keypoints, people.keypoints, atol=1e-2)
        np.testing.assert_allclose(alone.person_scores, people.person_scores, atol=1e-5)
    of_file = predictor.predict(files[0])
    np.testing.assert_array_equal(
        of_file.keypoints, predictor.predict(images[0]).keypoints
    )


def test_scales_and_mirrors_are_settings(run, data_folder):
    settings = ("evaluate.scales=[0.5,1,2]", "evaluate.flip=false")
    evaluation, target = evaluate_run(run.folder, settings, progress=False)
    assert target.stem == "person_keypoints_val_scale_0.5_1_2_straight"
    assert evaluation.images == 6
    with pytest.raises(InputError, match="must hold 1, whose tags are taken"):
        evaluate_run(run.folder, ("evaluate.scales=[0.5,2]",))


def test_files_are_looked_at(run, data_folder, tmp_path):
    predictor = hrnet_tf.load(run.folder, overrides=["evaluate.threshold=0.001"])
    settings = replace(run.config.evaluate, batch_size=4)
    viewer = make_viewer(predictor, settings, threshold=0.0, scores=True)
    batches = []
    answer = predictor.answer
    predictor.answer = lambda views: batches.append(len(views)) or answer(views)
    folder = data_folder / "images" / "val"
    found = predict_files(viewer, folder, tmp_path / "out")
    assert found.images == 6
    assert batches == [4, 2]  # of one size each: looked at together
    entries = json.loads((tmp_path / "out" / "keypoints.json").read_text())
    assert found.found == len(entries) > 0
    alone = [
        predictor.predict(path).to_coco(i)
        for i, path in enumerate(sorted(folder.iterdir()), 1)
    ]
    wanted = [entry for each in alone for entry in each]
    for ours, theirs in zip(entries, wanted, strict=True):
        assert ours["image_id"] == theirs["image_id"]
        np.testing.assert_allclose(ours["keypoints"], theirs["keypoints"], atol=1e-2)


def test_data_are_checked(settings, tmp_path):
    surveys = check_data(read_config(settings, ["output=x"]), tmp_path / "survey")
    assert surveys["train"].samples == 12
    assert "people with keypoints in 12 of 12 images" in surveys["train"].notes[0]
    assert (tmp_path / "survey" / "samples.jpg").is_file()


@pytest.fixture(scope="module")
def exported(run):
    return hrnet_tf.export_run(run.folder, FLOATS)


def test_exports_answer_as_the_model(run, exported, data_folder):
    image = hrnet_tf.read_image(next((data_folder / "images" / "val").glob("*.jpg")))
    predictor = hrnet_tf.load(run.folder, flip=False)
    wanted = predictor.predict(image)
    for name in ("savedmodel", "onnx"):
        people = hrnet_tf.load(exported[name]).predict(image)
        assert len(people) == len(wanted)
    assert verify(exported["tflite"]).ok
    facts = read_manifest(exported["tflite"].with_name("model.tflite.json"))
    assert facts.input.size == (64, 64)
    assert not facts.input.any_size
    assert hrnet_tf.load(exported["tflite"]).predict(image).keypoint_set.name == "coco"


def test_encoded_images_become_people(exported):
    """They were compared when they were exported; here: with themselves, later."""
    record = np.load(f"{exported['savedmodel']}.npz")
    assert record["answers/counts"][0] > 0
    assert record["answers/keypoints"].shape[2:] == (17, 3)
    found = verify(exported["savedmodel"])
    assert found.ok
    assert found.differences.keys() >= {"keypoints", "scores", "counts", "tags"}


def test_flavours_are_measured(run, exported):
    measured, _ = benchmark_run(run.folder, rounds=1, progress=False)
    assert [row.format for row in measured.flavours] == ["keras", *FLOATS]
    assert all(row.largest < 1e-3 for row in measured.flavours)


def test_another_loss_is_refused(settings):
    config = read_config(settings, ["train.loss.class_path=keras.losses.Huber"])
    with pytest.raises(InputError, match="of bottom-up pose cannot be another"):
        make_experiment(config)


def test_sizes_that_the_network_cannot_take_are_refused(settings):
    with pytest.raises(InputError, match="must be a square"):
        read_config(settings, ["model.size=[64,96]"])


def test_a_broken_image_weighs_nothing(data, settings):
    """`data` is a copy of the drawn data set, to be damaged."""
    images = sorted((data / "images" / "train").glob("*.jpg"))
    images[0].write_bytes(b"no image")
    where = [
        f"data.train.annotations={data}/annotations/person_keypoints_train.json",
        f"data.train.images={data}/images/train",
        "data.on_error=skip",
    ]
    config = read_config(settings, where)
    experiment = make_experiment(config)
    training = experiment.training_data(experiment.make_manifest())
    for pixels, people, weights in training.batches(range(1), 3):
        broken = ~pixels.numpy().any(axis=(1, 2, 3))
        for name in people:
            assert not people[name].numpy()[broken].any()
            assert not weights[name].numpy()[broken].any()
            assert weights[name].numpy()[~broken].any(axis=(1, 2)).all()
    assert len(training.reader.broken.found) == 1


def test_answers_that_are_no_numbers_are_told(run):
    predictor = hrnet_tf.load(run.folder)
    shapes = {"quarter_heatmaps": 4, "heatmaps": 2, "tags": 4}

    def broken(views):
        n, height, width, _ = views.shape
        return {
            name: np.full((n, height // s, width // s, 17), np.nan, np.float32)
            for name, s in shapes.items()
        }

    predictor = BottomUpPredictor(broken, predictor.manifest)
    with pytest.raises(InputError, match="not finite"):
        predictor.predict(np.zeros((64, 64, 3), np.uint8))


def test_the_run_goes_on(run):
    assert Run.open(run.folder).last()[1] == 1
