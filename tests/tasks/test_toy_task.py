"""A task from outside the package does all that the package's own do."""

import csv
import json
import shutil
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import cv2
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf import cli, own_task, tasks
from hrnet_tf.export import decoder
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.export.verify import verify
from hrnet_tf.tasks import plugins
from support import toy_task

NAME = toy_task.TASK.name
FORMATS = ("savedmodel", "tflite", "tflite_decoded", "onnx")
LIGHT, DARK = 0.9, 0.1


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The toy in the table of tasks, for these tests alone."""
    hrnet_tf.register_task(toy_task.TASK)
    yield
    del tasks.TASKS[NAME]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise of different brightness, to learn and to judge."""
    root, rng = tmp_path_factory.mktemp("brightness"), np.random.default_rng(0)
    for part, count in (("train", 16), ("val", 6)):
        (root / part).mkdir()
        rows = []
        for number in range(count):
            mean = (DARK, LIGHT)[number % 2]
            image = rng.normal(255 * mean, 10, (40, 48, 3)).clip(0, 255)
            rows.append((f"{number}.png", mean))
            cv2.imwrite(str(root / part / rows[-1][0]), image.astype(np.uint8))
        with open(root / part / "brightness.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def experiment(folder):
    path = folder / "brightness.yaml"
    path.write_text(
        f"""
task: {NAME}
model: {{width: 4, size: [32, 32], modules: [1, 1, 1], blocks: 1}}
data: {{root: {folder}}}
train: {{epochs: 2, batch_size: 8, learning_rate: 0.01}}
evaluate: {{batch_size: 4}}
"""
    )
    return path


@pytest.fixture(scope="module")
def run(experiment, tmp_path_factory):
    """Trained for two epochs in one go."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    tf.config.run_functions_eagerly(True)
    try:
        config = hrnet_tf.read_config(experiment, [f"output={output}"])
        return hrnet_tf.train(config).folder
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def exported(run):
    return hrnet_tf.export_run(run, FORMATS)


@pytest.fixture
def image(folder):
    return hrnet_tf.read_image(folder / "val" / "0.png")


def fails(capsys, *words):
    """The one sentence that a user's mistake ends in."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(word) for word in words])
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def weights_of(run):
    return hrnet_tf.load(run), [
        value for value in np.load(run / "samples.npz").values()
    ]


def test_a_training_goes_on_to_the_same_result(run, experiment, tmp_path, eagerly):
    output = f"output={tmp_path / 'parts'}"
    for epochs in (1, 2):
        settings = [output, f"train.epochs={epochs}"]
        parts = hrnet_tf.train(hrnet_tf.read_config(experiment, settings)).folder
    assert (parts / "history.csv").read_text() == (run / "history.csv").read_text()
    assert (parts / "overlays" / "epoch_0002.jpg").is_file()


def test_evaluation_tells_its_statistic(run):
    evaluation, path = hrnet_tf.evaluate_run(run, progress=False)
    facts = json.loads(path.read_text())
    assert facts["statistics"] == evaluation.statistics
    assert (facts["images"], facts["skipped"]) == (6, 0)
    predictor, errors = hrnet_tf.load(run), []
    for name, number in csv.reader(open(facts["data"]["root"] + "/val/brightness.csv")):
        found = predictor.predict(f"{facts['data']['root']}/val/{name}")
        errors.append(abs(found - float(number)))
    wanted = 1 - np.mean(errors)
    assert evaluation.statistics["closeness"] == pytest.approx(wanted, abs=1e-6)


def test_it_learns(run, folder):
    """Light images are found to be lighter than dark ones."""
    predictor = hrnet_tf.load(run)
    dark, light = (predictor.predict(folder / "val" / f"{n}.png") for n in (0, 1))
    assert dark < light


@pytest.mark.parametrize("name", FORMATS)
def test_exports_answer_as_the_run_does(name, run, exported, image):
    assert verify(exported[name]).ok
    found = hrnet_tf.load(exported[name]).predict(image)
    assert found == pytest.approx(hrnet_tf.load(run).predict(image), abs=1e-3)


def test_the_signature_takes_encoded_images(run, exported, folder, image):
    served = tf.saved_model.load(str(exported["savedmodel"]))
    encoded = (folder / "val" / "0.png").read_bytes()
    found = served.signatures["brightness"](image_bytes=tf.constant([encoded] * 2))
    wanted = hrnet_tf.load(run).predict(image)
    assert found["brightness"].numpy() == pytest.approx(np.full((2, 1), wanted), 1e-3)


def test_the_decoder_prepares_images_and_refuses_answers(exported, image):
    manifest = decoder.read_manifest(f"{exported['onnx']}.json")
    tensor = decoder.prepare(decoder.central_crop(image, manifest | {"crop_share": 1}), manifest)
    session = onnxruntime.InferenceSession(str(exported["onnx"]))
    (logit,) = session.run(None, {"image": tensor})
    wanted = hrnet_tf.load(exported["onnx"]).predict(image)
    assert 1 / (1 + np.exp(-logit[0, 0])) == pytest.approx(wanted, abs=2e-3)
    with pytest.raises(ValueError, match="does not know what answers of the task brig"):
        decoder.decode(logit, manifest)


def test_the_command_knows_it(run, experiment, folder, tmp_path, capsys):
    out = tmp_path / "drawn"
    cli.main(["predict", str(folder / "val"), "--model", str(run), "--out", str(out)])
    assert "6 numbers in 6 images" in capsys.readouterr().out
    assert len(json.loads((out / "brightness.json").read_text())) == 6
    assert len(list(out.glob("*.jpg"))) == 6
    cli.main(["data", "check", str(experiment), "--out", str(tmp_path / "survey")])
    printed = capsys.readouterr().out
    assert "train: 16 samples, 0 broken; images:" in printed
    assert (tmp_path / "survey" / "samples.jpg").is_file()


def test_it_is_measured(run, exported):
    found, _ = benchmark_run(run, ["tflite", "onnx"], rounds=1, progress=False)
    scores = [row.score for row in found.flavours]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-3)


def test_broken_images_are_named_or_skipped(folder, experiment, tmp_path, caplog):
    root = shutil.copytree(folder, tmp_path / "data")
    (root / "val" / "3.png").write_bytes(b"no image")
    config = hrnet_tf.read_config(experiment, [f"data.root={root}"])
    evaluator = toy_task.BrightnessExperiment(config).evaluator(None)
    answering = SimpleNamespace(answer=lambda crops: np.full((len(crops), 1), LIGHT))
    with pytest.raises(hrnet_tf.InputError, match=r"3\.png cannot be decoded"):
        evaluator.evaluate(answering)
    config = hrnet_tf.read_config(
        experiment, [f"data.root={root}", "data.on_error=skip"]
    )
    evaluator = toy_task.BrightnessExperiment(config).evaluator(None)
    found = evaluator.evaluate(answering)
    assert (found.images, found.skipped) == (6, 1)
    # Two of five are light.
    assert found.statistics["closeness"] == pytest.approx(1 - 3 / 5 * (LIGHT - DARK))
    assert evaluator.survey().counts == {"readable": 5}
    assert "3.png" in evaluator.survey().broken[0]


def test_models_that_cannot_mirror_say_so(run, folder, capsys):
    said = fails(capsys, "predict", folder / "val", "--model", run, "--flip")
    assert "cannot average with the mirrored image" in said


def test_another_task_of_that_name_is_refused():
    other = own_task.Task(NAME, toy_task.BrightnessConfig, lambda: None)
    with pytest.raises(hrnet_tf.InputError, match="There is a task brightness already"):
        hrnet_tf.register_task(other)
    hrnet_tf.register_task(toy_task.TASK)  # the same one again is none


def test_what_cannot_work_is_refused_at_once():
    with pytest.raises(ValueError, match="must have evaluate, seed in"):

        class Config(toy_task.BrightnessConfig):
            pass

        del Config.__annotations__
        own_task.Task("x", Config, lambda: None)
    parts = toy_task.PARTS
    four = parts.manifest, parts.experiment, parts.predictor, parts.viewer
    with pytest.raises(ValueError, match="must have an `in_graph` of its own"):
        own_task.Parts(*four, parts.signature)
