"""Classification from a folder of images to served classes, with a tiny network."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from keras.applications import imagenet_utils

import hrnet_tf
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.names import DEFAULTS
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.preprocess import central_crop
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.experiment import ClassificationExperiment
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.predictor import ImageClassifier, decode_predictions
from hrnet_tf.tasks.classification.viewer import ClassViewer
from hrnet_tf.training.media import predict_files
from support.networks import shallow_networks

COLORS = {"blue": (30, 40, 200), "green": (40, 200, 50), "red": (210, 30, 40)}


@pytest.fixture(scope="module", autouse=True)
def without_blocks():
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Folders of images that differ by their colour."""
    folder = tmp_path_factory.mktemp("colors")
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        for number in range(10):
            noise = rng.normal(0, 20, (48, 40, 3))
            image = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
            ending = "png" if number == 0 else "jpg"
            write_image(folder / name / f"{number}.{ending}", image)
    return folder


def settings_of(folder, output, *more):
    path = output.parent / "colors.yaml"
    path.write_text(
        f"""
task: classification
output: {output}
model:
  width: 4
  size: [32, 32]
  modules: [1, 1, 1]
  head_planes: [4, 8, 16, 32]
  features: 32
  bn_momentum: 0.5
data: {{root: {folder}}}
train:
  epochs: 1
  batch_size: 8
  steps_per_epoch: 60
  learning_rate: 0.003
  drop_at: []
  optimizer: {{class_path: keras.optimizers.Adam}}
"""
    )
    return hrnet_tf.read_config(path, more)


@pytest.fixture(scope="module")
def run(colors, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "colors"
    return hrnet_tf.train(settings_of(colors, output))


@pytest.fixture(scope="module")
def predictor(run):
    return hrnet_tf.load(run.folder)


@pytest.fixture(scope="module")
def exported(run):
    names = (*DEFAULTS, "tflite_int8", "tflite_decoded")
    return export_run(run.folder, names)


def images_of(folder, name="red"):
    return np.stack(
        [hrnet_tf.read_image(path) for path in sorted((folder / name).glob("*.jpg"))]
    )


def test_training_leaves_a_run_that_has_learnt(run):
    with open(run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_top1"]) for row in rows] == [1.0]
    manifest = read_manifest(run.manifest)
    assert manifest.classes == tuple(COLORS)
    for name in ("curves.png", "overlays/epoch_0001.jpg", "checkpoints/best.keras"):
        assert (run.folder / name).is_file()


def test_evaluation_writes_scores_matrix_and_classes(run):
    evaluation, path = hrnet_tf.evaluate_run(run.folder, progress=False)
    assert evaluation.statistics["top1"] == evaluation.statistics["top5"] == 1.0
    facts = json.loads(path.read_text())
    assert (facts["images"], facts["skipped"]) == (6, 0)
    matrix = path.with_name(f"{path.stem}_confusion_matrix.png")
    assert hrnet_tf.read_image(matrix).std() > 0
    with open(path.with_name(f"{path.stem}_classes.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(COLORS)
    assert [row["images"] for row in rows] == ["2", "2", "2"]
    assert "precision" in evaluation.table()


def test_flipping_is_averaged(run, colors):
    straight = hrnet_tf.load(run.folder, flip=False)
    flipped = hrnet_tf.load(run.folder, flip=True)
    crops = images_of(colors)[:, :32, :32]
    expected = (straight.classify(crops) + straight.classify(crops[:, :, ::-1])) / 2
    np.testing.assert_allclose(flipped.classify(crops), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite", "tflite_decoded"])
def test_artefacts_say_what_the_model_says(name, predictor, exported, colors):
    image = images_of(colors, "green")[0]
    expected = predictor.predict(image)
    found = hrnet_tf.load(exported[name]).predict(image)
    assert found.label == expected.label
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)


def test_integers_say_nearly_what_the_model_says(predictor, exported, colors):
    crops = np.concatenate([images_of(colors, name)[:, :32, :32] for name in COLORS])
    expected = predictor.classify(crops)
    found = hrnet_tf.load(exported["tflite_int8"]).classify(crops)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    assert np.abs(found - expected).mean() < 0.05


def test_a_savedmodel_classifies_encoded_images(predictor, exported, colors):
    paths = [colors / "blue" / "0.png", colors / "red" / "0.png"]
    given = {"image_bytes": np.array([path.read_bytes() for path in paths], object)}
    answer = call_signature(str(exported["savedmodel"]), "classify", given)
    expected = [predictor.predict(hrnet_tf.read_image(path)) for path in paths]
    assert [name.decode() for name in answer["label"]] == [x.label for x in expected]
    np.testing.assert_allclose(
        answer["probabilities"], [x.probabilities for x in expected], atol=1e-4
    )


def test_predict_writes_classes_and_pictures(predictor, colors, tmp_path):
    viewer = ClassViewer(predictor)
    summary = predict_files(viewer, colors / "red", tmp_path / "out")
    assert (summary.images, summary.found) == (10, 10)
    entries = json.loads((tmp_path / "out" / "classes.json").read_text())
    paths = sorted((colors / "red").iterdir())
    expected = [predictor.predict(hrnet_tf.read_image(path)).top(3) for path in paths]
    for entry, top in zip(entries, expected, strict=True):
        found = [(row["class"], row["probability"]) for row in entry["classes"]]
        assert [name for name, _ in found] == [name for name, _ in top]
        np.testing.assert_allclose(
            [share for _, share in found], [share for _, share in top], atol=1e-4
        )
    labels = {top[0][0] for top in expected}
    assert viewer.count() == f"{len(labels)} classes"
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 10


def test_a_body_that_is_frozen_does_not_learn(run, colors, tmp_path, eagerly):
    weights = str(run.best)
    more = ["train.freeze_body=true", "train.steps_per_epoch=1"]
    more.append(f"model.weights={weights}")
    tuned = hrnet_tf.train(settings_of(colors, tmp_path / "tuned", *more))
    changed = set()
    for layer, other in zip(run.model().layers, tuned.model().layers, strict=True):
        pairs = zip(layer.get_weights(), other.get_weights(), strict=True)
        if any(not np.array_equal(*pair) for pair in pairs):
            changed.add(layer.name.split(".")[0])
    assert {"classifier", "final_layer", "incre_modules"} <= changed
    assert not changed & {"conv1", "bn1", "transition1", "transition3"}


def test_a_body_is_taken_over_from_a_trained_network(run, colors, tmp_path):
    made = settings_of(colors, tmp_path / "mine", f"model.body={run.best}")
    experiment = ClassificationExperiment(made)
    network = experiment.build_network(experiment.make_manifest(), None)
    trained, fresh = run.model(), network
    for name in ("conv1", "transition3.3.0.0"):
        np.testing.assert_array_equal(
            trained.get_layer(name).kernel, fresh.get_layer(name).kernel
        )
    heads = [m.get_layer("classifier").get_weights()[0] for m in (trained, fresh)]
    assert not np.array_equal(*heads)


@pytest.mark.parametrize(
    ("body", "message"),
    [("nowhere.keras", "no file nowhere.keras"), ("jupiter", "jupiter")],
)
def test_a_body_that_is_not_there_is_reported(body, message, colors, tmp_path):
    made = settings_of(colors, tmp_path / "mine", f"model.body={body}")
    experiment = ClassificationExperiment(made)
    with pytest.raises(hrnet_tf.InputError, match=message):
        experiment.build_network(experiment.make_manifest(), None)


def test_whole_weights_and_a_body_exclude_each_other(colors, tmp_path):
    with pytest.raises(hrnet_tf.InputError, match=r"weights.*body.*exclude each other"):
        settings_of(colors, tmp_path / "mine", "model.weights=a", "model.body=b")


@pytest.mark.skipif(not KERAS_3, reason="layers of Keras 3")
def test_mixed_images_train(colors, tmp_path, eagerly):
    more = ["data.augmentation.mixup=0.2", "train.label_smoothing=0.1"]
    run = hrnet_tf.train(
        settings_of(
            colors,
            tmp_path / "mixed",
            *more,
            "train.steps_per_epoch=1",
        )
    )
    assert run.best.is_file()


def test_images_of_other_classes_are_refused(run, colors, tmp_path):
    for name in ("blue", "green"):
        for number, image in enumerate(images_of(colors, name)):
            write_image(tmp_path / "two" / name / f"{number}.jpg", image)
    with pytest.raises(hrnet_tf.InputError, match="the model has blue, green, red"):
        hrnet_tf.evaluate_run(run.folder, (f"data.root={tmp_path / 'two'}",))


# Images to inputs, logits to names


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (500, 333), (32, 32)])
def test_the_middle_of_an_image_is_looked_at(size):
    height, width = size
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    image[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    crop = central_crop(tf.constant(image), (32, 32), 0.875).numpy().astype(float)
    assert crop.shape == (32, 32, 3)
    for channel, side in ((0, width), (1, height)):
        assert crop[..., channel].mean() == pytest.approx(127.5, abs=5)
        share = 0.875 * min(size) / side  # of the side that is seen
        assert np.ptp(crop[..., channel]) == pytest.approx(255 * share, abs=16)


def test_logits_become_names():
    found = decode_predictions([[0.0, 2.0, 1.0]], top=2, classes=["a", "b", "c"])
    assert [name for name, _ in found[0]] == ["b", "c"]
    total = 1 + np.exp(1) + np.exp(2)
    assert found[0][0][1] == pytest.approx(np.exp(2) / total)
    with pytest.raises(ValueError, match=r"\(batch, 2\)"):
        decode_predictions([[0.0, 2.0, 1.0]], classes=["a", "b"])


def test_imagenet_names_that_cannot_be_fetched_are_reported(monkeypatch):
    def offline(*arguments):
        raise Exception("URL fetch failure on a file: connection refused")

    monkeypatch.setattr(imagenet_utils, "decode_predictions", offline)
    with pytest.raises(hrnet_tf.InputError, match=r"connection refused.*`classes=`"):
        decode_predictions(np.zeros((1, 1000)))


def test_a_predictor_takes_any_image_size(rng):
    model = hrnet_tf.HRNetClassifier(
        4, 3, input_shape=(32, 32, 3), modules=(1, 1, 1), blocks=1
    )
    manifest = ClassificationManifest("tiny", ImageInput(32, 32), ("a", "b", "c"))
    predictor = ImageClassifier.from_model(model, manifest)
    answer = predictor.predict(rng.integers(0, 256, (70, 50, 3), np.uint8))
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert answer.top(3)[0][0] == answer.label
    with pytest.raises(hrnet_tf.InputError, match="uint8 RGB"):
        predictor.predict(np.zeros((3, 4)))
