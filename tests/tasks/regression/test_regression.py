"""Dense regression from a folder of images and maps to served numbers, tiny network."""

import csv
import json

import cv2
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.names import DEFAULTS
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.sheets import GAP
from hrnet_tf.tasks import make_experiment, read_manifest
from hrnet_tf.tasks.dense.manifest import Views
from hrnet_tf.tasks.regression.channels import ChannelSet
from support.networks import shallow_networks

GROUND, SQUARE = 3.0, 1.0  # metres


@pytest.fixture(scope="module", autouse=True)
def without_blocks():
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Images of a bright square on dark ground, which is farther away."""
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 4)):
        for number in range(count):
            image = rng.integers(0, 60, (64, 72, 3), np.uint8)
            depth = np.full((64, 72), 1000 * GROUND, np.uint16)
            top, left = rng.integers(0, 24), rng.integers(0, 32)
            square = np.s_[top : top + 36, left : left + 36]
            image[square] += 150
            depth[square] = 1000 * SQUARE
            depth[:2] = 0  # not known
            write_image(root / "images" / part / f"{number}.png", image)
            write_image(root / "depth" / part / f"{number}.png", depth)
    return root


def settings_of(root, output, *more):
    path = output.parent / "shapes.yaml"
    path.write_text(
        f"""
task: regression
output: {output}
model: {{width: 4, size: [32, 32], modules: [1, 1, 1], blocks: 1, bn_momentum: 0.5}}
data:
  root: {root}
  targets: depth
  unit_size: 0.001
  missing: 0
  augmentation: {{scale: [1, 1]}}
train: {{epochs: 1, batch_size: 8, steps_per_epoch: 120, learning_rate: 0.01}}
"""
    )
    return hrnet_tf.read_config(path, more)


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "shapes"
    return hrnet_tf.train(settings_of(shapes, output))


@pytest.fixture(scope="module")
def predictor(run):
    return hrnet_tf.load(run.folder)


@pytest.fixture(scope="module")
def exported(run):
    names = (*DEFAULTS, "tflite_int8", "tflite_decoded")
    return export_run(run.folder, names)


def first_image(shapes):
    return hrnet_tf.read_image(shapes / "images" / "val" / "0.png")


def test_training_leaves_a_run_that_has_learnt(run):
    with open(run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    (score,) = (float(row["val_r2"]) for row in rows)
    assert score > 0.6
    assert read_manifest(run.manifest).channels == ChannelSet(("depth",))
    for name in ("curves.png", "overlays/epoch_0001.jpg", "checkpoints/best.keras"):
        assert (run.folder / name).is_file()


def test_evaluation_writes_scores_channels_and_the_worst(run):
    evaluation, path = hrnet_tf.evaluate_run(run.folder, progress=False)
    facts = json.loads(path.read_text())
    assert set(facts["statistics"]) == {"r2", "mae", "rmse", "relative_error", "delta1"}
    assert facts["statistics"]["r2"] > 0.6
    assert facts["channels"]["depth"]["pixels"] == 4 * 62 * 72  # what is known
    assert (facts["images"], facts["skipped"]) == (4, 0)
    with open(path.with_name(f"{path.stem}_channels.csv"), newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["channel"] == "depth"
    assert float(row["R2"]) == evaluation.statistics["r2"]
    assert hrnet_tf.read_image(path.with_name(f"{path.stem}_worst.jpg")).std() > 0
    assert "depth" in evaluation.table()
    assert "4 images, 0 skipped" in path.with_suffix(".txt").read_text()


def test_scores_are_those_of_the_predictions(run, predictor, shapes):
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    errors = []
    for number in range(4):
        image = hrnet_tf.read_image(shapes / f"images/val/{number}.png")
        path = str(shapes / f"depth/val/{number}.png")
        depth = cv2.imread(path, cv2.IMREAD_UNCHANGED) / 1000
        found = predictor.predict(image).of("depth")
        errors.append(np.abs(found - depth)[depth > 0])
    assert evaluation.statistics["mae"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_several_views_are_evaluated_under_another_name(run):
    views = ("evaluate.scales=[0.75,1.25]", "evaluate.flip=true")
    evaluation, path = hrnet_tf.evaluate_run(run.folder, views, progress=False)
    assert path.stem.endswith("scale_0.75_1.25_flip")
    assert evaluation.statistics["r2"] > 0.5


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite", "tflite_decoded"])
def test_artefacts_say_what_the_model_says(name, predictor, exported, shapes):
    image = first_image(shapes)[:32, :32] if "tflite" in name else first_image(shapes)
    expected = predictor.predict(image)
    found = hrnet_tf.load(exported[name]).predict(image)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-3)
    assert found.channels == ("depth",)


def test_integers_say_nearly_what_the_model_says(predictor, exported, shapes):
    image = first_image(shapes)[:32, :32]
    expected = predictor.predict(image).values
    found = hrnet_tf.load(exported["tflite_int8"]).predict(image).values
    assert np.abs(found - expected).mean() < 0.05 * np.ptp(expected)


def test_a_savedmodel_takes_encoded_images_of_several_sizes(
    predictor, exported, shapes
):
    sizes = [(61, 47), (33, 58)]
    images = [np.ascontiguousarray(first_image(shapes)[:h, :w]) for h, w in sizes]
    encoded = [cv2.imencode(".png", x[..., ::-1])[1].tobytes() for x in images]
    given = {"image_bytes": np.array(encoded, object)}
    answer = call_signature(str(exported["savedmodel"]), "regress", given)
    assert answer["values"].dtype == np.float32
    assert answer["values"].shape == (2, 61, 58, 1)
    np.testing.assert_array_equal(answer["size"], sizes)
    for number, image in enumerate(images):
        expected, (height, width) = predictor.predict(image), sizes[number]
        values = answer["values"][number]
        np.testing.assert_allclose(values[:height, :width], expected.values, atol=1e-3)
        assert not values[height:].any()
        assert not values[:, width:].any()


def test_predict_writes_pictures_and_numbers(run, predictor, shapes, tmp_path, capsys):
    out, source = tmp_path / "out", shapes / "images" / "val"
    command = ["predict", str(source), "--model", str(run.folder), "--out", str(out)]
    cli.main(command)
    expected = predictor.predict(first_image(shapes))
    found = np.load(out / "values" / "0.npy")
    np.testing.assert_allclose(found, expected.values, rtol=1e-5)
    (entry, *others) = json.loads((out / "values.json").read_text())
    assert entry["values"]["depth"] == pytest.approx(expected.statistics()["depth"])
    assert len(others) == 3
    drawn = hrnet_tf.read_image(out / "0.jpg")
    assert drawn.shape[0] > 64
    assert drawn.shape[1] >= 2 * 72
    assert "depth from " in capsys.readouterr().out


def test_data_are_looked_at_before_training(shapes, tmp_path):
    settings_of(shapes, tmp_path / "run")
    out = tmp_path / "survey"
    config = str(tmp_path / "shapes.yaml")
    cli.main(["data", "check", config, "--out", str(out)])
    facts = json.loads((out / "survey.json").read_text())
    assert facts["train"]["counts"] == {"depth": 12 * 62 * 72}
    assert facts["validation"]["notes"] == ["depth: 1 to 3"]
    assert hrnet_tf.read_image(out / "samples.jpg").std() > 0


@pytest.mark.parametrize(
    "more",
    [
        ["train.loss_kind=berhu", "model.upsampling=bilinear_align_corners"],
        [
            "train.loss.class_path=hrnet_tf.losses.DenseRegression",
            "model.aspp=true",
        ],
    ],
)
def test_other_losses_and_heads_train(more, shapes, tmp_path, eagerly):
    more = [*more, "train.steps_per_epoch=1"]
    run = hrnet_tf.train(settings_of(shapes, tmp_path / "run", *more))
    manifest = read_manifest(run.manifest)
    assert manifest.output.align_corners == ("berhu" in more[0])
    assert run.best.is_file()


def test_several_channels_train_and_are_drawn(shapes, tmp_path, eagerly):
    for part in ("train", "val"):
        for image in (shapes / "images" / part).iterdir():
            write_image(
                tmp_path / "images" / part / image.name, hrnet_tf.read_image(image)
            )
            (tmp_path / "flow" / part).mkdir(parents=True, exist_ok=True)
            flow = np.ones((64, 72, 2), np.float32) * [1, -2]
            np.save(tmp_path / "flow" / part / f"{image.stem}.npy", flow)
    flow = "channels: [x, y], mirrored: [x], per_pixel: [x, y], missing: null"
    more = [f"data={{{flow}, targets: flow, unit_size: 1}}"]
    more += ["train.steps_per_epoch=1"]
    run = hrnet_tf.train(settings_of(tmp_path, tmp_path / "run", *more))
    answer = hrnet_tf.load(run.folder).predict(first_image(shapes))
    assert (answer.values.shape, answer.channels) == ((64, 72, 2), ("x", "y"))
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    assert [row[0] for row in evaluation.scores.rows()] == ["x", "y"]
    assert "delta1" not in evaluation.statistics
    # An image, and two for each channel; bars of colours below.
    assert evaluation.worst.shape[1] == 5 * 256 + 6 * GAP
    assert evaluation.worst.shape[0] > 4 * 228


def test_a_run_is_looked_at_in_the_size_that_it_has_learnt(shapes, tmp_path):
    settings = settings_of(shapes, tmp_path / "run", "data.short_side=32")
    manifest = make_experiment(settings).make_manifest()
    assert manifest.views == Views(short_side=32)


def test_maps_of_other_channels_are_refused(run):
    with pytest.raises(hrnet_tf.InputError, match="names height, the model has depth"):
        hrnet_tf.evaluate_run(run.folder, ("data.channels=[height]",))


def test_a_manifest_knows_from_where_to_where_the_data_go(run):
    ((low, high),) = read_manifest(run.manifest).spans
    assert low == pytest.approx(SQUARE)
    assert high == pytest.approx(GROUND)


def test_a_network_may_start_from_a_body(shapes, tmp_path):
    sizes = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (64, 32, 3)}
    other = hrnet_tf.HRNetV2(4, 3, **sizes)
    other.save(tmp_path / "labels.keras")
    more = f"model.body={tmp_path / 'labels.keras'}"
    experiment = make_experiment(settings_of(shapes, tmp_path / "run", more))
    network = experiment.build_network(experiment.make_manifest(), None)
    for name in ("conv1", "transition3.3.0.0"):
        (found,) = network.get_layer(name).get_weights()
        np.testing.assert_array_equal(found, other.get_layer(name).get_weights()[0])
    assert network.output_shape == (None, None, None, 1)
