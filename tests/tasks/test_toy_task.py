"""A task from outside the package does all that the package's own do."""

import csv
import json
import shutil
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf import cli, own_task, tasks
from hrnet_tf.export import decoder
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.export.compare import compare
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes import runtimes
from hrnet_tf.export.verify import verify
from support import toy_task
from support.networks import shallow_networks

NAME = toy_task.TASK.name
KINDS = ("savedmodel", "tflite", "tflite_decoded", "onnx")
DARK, LIGHT = 0.1, 0.9


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The toy in the table of tasks, for these tests alone."""
    hrnet_tf.register_task(toy_task.TASK)
    with shallow_networks():
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
model:
  {{width: 4, size: [32, 32], modules: [1, 1, 1], blocks: 1, stem: [[8, 2], [8, 2]],
   bn_momentum: 0.0}}
data: {{root: {folder}}}
train: {{epochs: 2, batch_size: 16, learning_rate: 0.003}}
evaluate: {{batch_size: 4}}
"""
    )
    return path


@pytest.fixture(scope="module")
def run(experiment, tmp_path_factory):
    """Trained for an epoch, and gone on with for another one."""
    output = tmp_path_factory.mktemp("runs") / "run"
    tf.config.run_functions_eagerly(True)
    try:
        for epochs in (1, 2):
            settings = [f"output={output}", f"train.epochs={epochs}"]
            hrnet_tf.train(hrnet_tf.read_config(experiment, settings))
    finally:
        tf.config.run_functions_eagerly(False)
    return output


@pytest.fixture(scope="module")
def predictor(run):
    return hrnet_tf.load(run)


@pytest.fixture(scope="module")
def exported(run):
    return hrnet_tf.export_run(run, KINDS)


@pytest.fixture
def image(folder):
    return hrnet_tf.read_image(folder / "val" / "0.png")


def fails(capsys, *words):
    """The one sentence that a user's mistake ends in."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(word) for word in words])
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_it_is_trained_and_gone_on_with(run, predictor, folder):
    rows = (run / "history.csv").read_text().splitlines()
    assert rows[0] == "epoch,data_wait,loss,val_closeness"
    assert len(rows) == 3
    assert len(list((run / "overlays").iterdir())) == 2
    dark, light = (predictor.predict(folder / "val" / f"{n}.png") for n in (0, 1))
    assert dark < light


def test_an_interrupted_training_gets_the_batches_that_it_would_have_had(experiment):
    config = hrnet_tf.read_config(experiment, ["train.batch_size=6"])
    data = toy_task.BrightnessExperiment(config).training_data(None)
    whole = [batch[0].numpy() for batch in data.batches(range(3), 3)]
    later = [batch[0].numpy() for batch in data.batches(range(1, 3), 3)]
    np.testing.assert_array_equal(whole[3:], later)
    assert not np.array_equal(whole[:3], whole[3:6])
    # Sixteen images, each once before any comes up again.
    first = np.concatenate(whole[:3])[:16]
    assert len(np.unique(first, axis=0)) == 16


def test_it_is_evaluated(run, predictor, folder):
    evaluation, path = hrnet_tf.evaluate_run(run, progress=False)
    facts = json.loads(path.read_text())
    assert (facts["images"], facts["skipped"]) == (6, 0)
    errors = [
        abs(predictor.predict(folder / "val" / f"{n}.png") - (DARK, LIGHT)[n % 2])
        for n in range(6)
    ]
    assert facts["statistics"]["closeness"] == pytest.approx(1 - np.mean(errors))
    assert f"closeness {1 - np.mean(errors):10.4f}" in evaluation.table()


def test_exports_answer_as_the_run_does(predictor, exported, image):
    for name, path in exported.items():
        found = hrnet_tf.load(path).predict(image)
        assert found == pytest.approx(predictor.predict(image), abs=1e-3), name
    assert verify(exported["onnx"]).ok
    assert verify(exported["tflite_decoded"]).ok


def test_its_signature_takes_encoded_images(predictor, exported, folder):
    served = tf.saved_model.load(str(exported["savedmodel"]))
    files = [(folder / "val" / f"{n}.png").read_bytes() for n in (0, 1)]
    found = served.signatures["brightness"](image_bytes=tf.constant(files))
    wanted = [[predictor.predict(folder / "val" / f"{n}.png")] for n in (0, 1)]
    np.testing.assert_allclose(found["brightness"], wanted, atol=1e-3)


def test_the_decoder_prepares_its_images_and_refuses_its_answers(
    predictor, exported, image
):
    manifest = decoder.read_manifest(f"{exported['onnx']}.json")
    crop = decoder.central_crop(image, manifest | {"crop_share": 1})
    session = onnxruntime.InferenceSession(str(exported["onnx"]))
    (logit,) = session.run(None, {"image": decoder.prepare(crop, manifest)})
    brightness = 1 / (1 + np.exp(-logit[0, 0]))
    assert brightness == pytest.approx(predictor.predict(image), abs=2e-3)
    with pytest.raises(ValueError, match="does not know what answers of the task brig"):
        decoder.decode(logit, manifest)


def test_the_command_predicts_and_checks_data(
    run, experiment, folder, tmp_path, capsys
):
    out = tmp_path / "drawn"
    cli.main(["predict", str(folder / "val"), "--model", str(run), "--out", str(out)])
    assert "6 numbers in 6 images" in capsys.readouterr().out
    assert len(json.loads((out / "brightness.json").read_text())) == 6
    assert len(list(out.glob("*.jpg"))) == 6
    said = fails(capsys, "predict", folder / "val", "--model", run, "--flip")
    assert "cannot average with the mirrored image" in said
    cli.main(["data", "check", str(experiment), "--out", str(tmp_path / "survey")])
    assert "train: 16 samples, 0 broken; images:" in capsys.readouterr().out
    assert (tmp_path / "survey" / "samples.jpg").is_file()


def test_broken_images_are_named_or_skipped(folder, experiment, tmp_path):
    root = shutil.copytree(folder, tmp_path / "data")
    (root / "val" / "3.png").write_bytes(b"no image")
    told = SimpleNamespace(answer=lambda crops: np.full((len(crops), 1), LIGHT))

    def judge(*settings):
        config = hrnet_tf.read_config(experiment, [f"data.root={root}", *settings])
        return toy_task.BrightnessExperiment(config).evaluator(None)

    with pytest.raises(hrnet_tf.InputError, match=r"3\.png cannot be decoded"):
        judge().evaluate(told)
    evaluator = judge("data.on_error=skip")
    found = evaluator.evaluate(told)
    assert (found.images, found.skipped) == (6, 1)
    # Three of the other five are dark.
    assert found.statistics["closeness"] == pytest.approx(1 - 3 / 5 * (LIGHT - DARK))
    survey = evaluator.survey()
    assert survey.counts == {"readable": 5}
    assert len(survey.broken) == 1
    assert "3.png" in survey.broken[0]
    assert len(evaluator.samples()["crops"]) == 5
    for path in (root / "val").glob("*.png"):
        path.write_bytes(b"no image")
    for look in (evaluator.check, evaluator.samples):
        with pytest.raises(hrnet_tf.InputError, match="none of 6 samples can be read"):
            look()


@pytest.mark.parametrize("line", ["0.png,bright", "0.png", "0.png,7"])
def test_a_broken_list_is_named(line, folder, experiment, tmp_path):
    root = shutil.copytree(folder, tmp_path / "data")
    (root / "train" / "brightness.csv").write_text(line)
    config = hrnet_tf.read_config(experiment, [f"data.root={root}"])
    with pytest.raises(hrnet_tf.InputError, match=r"brightness\.csv must hold lines"):
        toy_task.BrightnessExperiment(config).training_data(None)


def test_a_broken_image_stops_a_training_by_its_name(folder, experiment, tmp_path):
    root = shutil.copytree(folder, tmp_path / "data")
    (root / "train" / "3.png").write_bytes(b"no image")
    config = hrnet_tf.read_config(experiment, [f"data.root={root}"])
    data = toy_task.BrightnessExperiment(config).training_data(None)
    with (
        pytest.raises(hrnet_tf.InputError, match=r"3\.png cannot be decoded"),
        data.errors_explained(),
    ):
        list(data.batches(range(1), 1))


@pytest.fixture
def plain(monkeypatch):
    """`plain(signature)`: model and manifest of the toy without decoding."""

    class Predictor(own_task.ImagePredictor):
        pass

    def make(signature=None):
        parts = replace(
            toy_task.PARTS, predictor=Predictor, signature=signature, decoder=None
        )
        task = replace(toy_task.TASK, parts=lambda: parts)
        monkeypatch.setitem(tasks.TASKS, NAME, task)
        keras.utils.set_random_seed(0)
        image = keras.Input((32, 32, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(image)
        model = keras.Model(image, keras.layers.Dense(2)(pooled))
        given = own_task.ImageInput(32, 32)
        manifest = toy_task.BrightnessManifest("plain", given, own_task.Output())
        return model, manifest

    return make


def samples(rng):
    crops = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    encoded = tf.io.encode_png(crops[0]).numpy()
    return {"crops": crops, "image_bytes": np.frombuffer(encoded, np.uint8)}


def asked(path, signature, tmp_path, **inputs):
    """What the script that runs artefacts says for a SavedModel."""
    given, taken = tmp_path / "given.npz", tmp_path / "taken.npz"
    np.savez(given, **inputs)
    runtimes.main(str(path), signature, str(given), str(taken))
    return dict(np.load(taken))


def test_signature_and_decoder_may_be_left_away(plain, tmp_path, rng):
    (model, manifest), given = plain(), samples(rng)
    FORMATS["savedmodel"].write(model, manifest, tmp_path / "1", Options(samples=given))
    images = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    found = asked(tmp_path / "1", "", tmp_path, images=images)
    wanted = model(images).numpy()
    assert found.keys() == {"answer"}
    np.testing.assert_allclose(found["answer"], wanted, atol=1e-5)
    decoded = FORMATS["tflite_decoded"]
    facts = decoded.write(model, manifest, tmp_path / "model.tflite", Options())
    same = compare(tmp_path / "model.tflite", model, facts, given, decoded)
    assert same.answers.keys() == {"answer"}


def test_a_signature_may_answer_by_the_network_s_name(plain, tmp_path, rng):
    same = own_task.Decoder(
        lambda answer, manifest: {"answer": answer}, lambda found, _: found["answer"]
    )
    model, manifest = plain(own_task.image_signature("look", same, (2,), {}))
    given = samples(rng)
    FORMATS["savedmodel"].write(model, manifest, tmp_path / "1", Options(samples=given))
    images = np.zeros((3, 32, 32, 3), np.float32)
    inputs = {"images": images, "image_bytes": given["image_bytes"]}
    found = asked(tmp_path / "1", "look", tmp_path, **inputs)
    assert {name: value.shape for name, value in found.items()} == {
        "answer": (3, 2),
        "look/answer": (1, 2),
    }


def test_what_cannot_work_is_refused_at_once():
    other = own_task.Task(NAME, toy_task.BrightnessConfig, lambda: None)
    with pytest.raises(hrnet_tf.InputError, match="There is a task brightness already"):
        hrnet_tf.register_task(other)
    hrnet_tf.register_task(toy_task.TASK)  # the same one again is none

    @dataclass(frozen=True)
    class Data:
        root: str = ""

    @dataclass(frozen=True)
    class Config(toy_task.BrightnessConfig):
        data: Data = Data()

    with pytest.raises(ValueError, match="on_error, orientation, pixel_limit in Data"):
        own_task.Task("x", Config, lambda: None)
    parts = toy_task.PARTS
    with pytest.raises(ValueError, match="must have an `in_graph` of its own"):
        replace(parts, predictor=own_task.ImagePredictor)
    with pytest.raises(ValueError, match="must have an `in_graph` of its own"):
        replace(parts, decoder=None)


def test_other_processes_must_know_it_too(run, exported):
    with pytest.raises(hrnet_tf.InputError, match="registered in this process alone"):
        benchmark_run(run, ["onnx"])
