"""Checkpoints to artefacts that can be checked later."""

import hashlib
import json
import shutil
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
import yaml

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.checkpoints.published import PUBLISHED
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.model_cards import is_replaceable
from hrnet_tf.conversion import convert as conversion
from hrnet_tf.conversion.convert import check_converted, convert, fixed_image
from hrnet_tf.export.converted import export_converted
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.landmarks.predictor import LandmarkPredictor
from support.networks import with_statistics

SMALL = {"modules": (1, 1, 1), "blocks": 1}
KEPT = ["tiny.json", "tiny.keras", "tiny.txt"]
ALL = ["README.md", *KEPT]


def torch_layout(value):
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value


@pytest.fixture(scope="module")
def network():
    return with_statistics(hrnet_tf.HRNetV1(4, 5, **SMALL))


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("convert") / "pose.npz"
    tensors = {n: torch_layout(v.numpy()) for n, v in official_names(network)}
    np.savez(path, **tensors, **{"rpn_head.weight": np.zeros(3, np.float32)})
    return path


@pytest.fixture(scope="module")
def converted(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    command = ["convert", str(checkpoint), "--out", str(folder / "tiny.keras")]
    cli.main([*command, "--leave-out", "rpn_head", "--license", "CC0-1.0"])
    return folder / "tiny.keras"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_command_writes_a_model_its_manifest_and_a_report(converted):
    assert names(converted.parent) == ALL


def test_the_model_is_the_network(converted, network):
    model = keras.models.load_model(converted)
    for ours, theirs in zip(model.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_card_tells_what_is_known(converted, checkpoint, tmp_path):
    text = converted.with_name("README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "license": "other",
        "license_name": "CC0-1.0",
        "library_name": "keras",
        "pipeline_tag": "keypoint-detection",
        "tags": ["hrnet", "pose", "keras"],
    }
    assert "what it has learnt from is not known" in body
    assert "no score of these weights is known" in body
    assert is_replaceable(converted.with_name("README.md"))


def test_the_code_of_the_card_answers_as_the_network(
    converted, network, tmp_path, monkeypatch
):
    text = converted.with_name("README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    assert len(code.split("\n")) <= 15
    for file in converted.parent.glob("tiny.*"):
        shutil.copy(file, tmp_path)
    height, width, _ = network.input_shape[1:]
    image = np.full((height, width, 3), (10, 100, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.jpg"), image[..., ::-1])
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(code, scope)
    given = hrnet_tf.preprocess_input(hrnet_tf.read_image("photo.jpg")[None])
    expected = network(given, training=False)
    np.testing.assert_allclose(scope["answer"], expected, atol=1e-4)


def test_the_card_of_another_model_stays(checkpoint, tmp_path):
    (tmp_path / "README.md").write_text("of another")
    convert(checkpoint, tmp_path / "tiny.keras", leave_out=["rpn_head"])
    assert names(tmp_path) == sorted(["README.md", "tiny.md", *KEPT])
    assert (tmp_path / "README.md").read_text() == "of another"


def test_the_manifest_tells_where_it_comes_from_and_what_it_takes(
    converted, checkpoint, network
):
    facts = json.loads(converted.with_suffix(".json").read_text())
    content = checkpoint.read_bytes()
    assert facts["source"]["file"] == "pose.npz"
    assert facts["source"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert facts["source"]["bytes"] == len(content)
    assert facts["license"] == "CC0-1.0"
    assert (facts["task"], facts["model"]) == ("pose", "HRNetV1")
    height, width, _ = network.input_shape[1:]
    assert facts["arguments"] == {
        "width": 4,
        "modules": [1, 1, 1],
        "blocks": 1,
        "keypoints": 5,
        "input_shape": [height, width, 3],
    }
    assert (facts["input"]["height"], facts["input"]["width"]) == (height, width)
    assert facts["input"]["color_order"] == "RGB"
    assert len(facts["input"]["mean"]) == len(facts["input"]["std"]) == 3
    assert facts["versions"]["keras"] == keras.__version__


def test_the_manifest_holds_the_answers_to_the_fixed_image(converted, network):
    facts = json.loads(converted.with_suffix(".json").read_text())["outputs"]["output"]
    height, width, _ = network.input_shape[1:]
    answer = np.asarray(network(fixed_image(height, width), training=False))
    assert facts["shape"] == [1, height // 4, width // 4, 5]
    np.testing.assert_allclose(facts["std"], answer.std(), rtol=1e-4)
    assert len(facts["values"]) == 16
    np.testing.assert_allclose(facts["values"][0], answer[0, 0, 0, 0], rtol=1e-4)
    np.testing.assert_allclose(facts["values"][-1], answer[0, -1, -1, -1], rtol=1e-4)


def test_the_report_names_what_was_loaded_and_left_out(converted, network):
    report = converted.with_suffix(".txt").read_text().splitlines()
    assert f"{network.count_params():,} parameters" in report
    assert "left out: rpn_head.weight" in report
    assert "loaded: final_layer.bias" in report


def test_the_fixed_image_is_a_formula():
    image = fixed_image(4, 6)
    assert image.shape == (1, 4, 6, 3)
    assert image.dtype == np.float32
    expected = np.sin(0.11 * 5 + 0.23 * 2 + 1) + np.sin(0.031 * 5 * 2)
    np.testing.assert_allclose(image[0, 2, 5, 1], expected, rtol=1e-6)


def test_a_converted_model_can_be_checked(converted, network):
    assert check_converted(converted).count_params() == network.count_params()


def test_a_changed_model_is_found(converted, tmp_path):
    model = keras.models.load_model(converted)
    layer = model.get_layer("stage4.0.branches.0.0.conv1")
    layer.set_weights([1.1 * value for value in layer.get_weights()])
    model.save(tmp_path / "tiny.keras")
    manifest = converted.with_suffix(".json").read_text()
    (tmp_path / "tiny.json").write_text(manifest)
    with pytest.raises(InputError, match=r"does not answer .*: output differs by"):
        check_converted(tmp_path / "tiny.keras")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda facts: facts["output"].update(shape=[1, 2]),
            r"output is \[1, .*\[1, 2\]",
        ),
        (
            lambda facts: facts.update(more={}),
            r"has the outputs \['output'\], expected",
        ),
        (lambda facts: facts["output"].update(mean=float("nan")), "differs by nan"),
    ],
)
def test_a_changed_manifest_is_found(change, said, converted, tmp_path):
    (tmp_path / "tiny.keras").write_bytes(converted.read_bytes())
    facts = json.loads(converted.with_suffix(".json").read_text())
    change(facts["outputs"])
    (tmp_path / "tiny.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match=said):
        check_converted(tmp_path / "tiny.keras")


def test_a_model_without_its_manifest_cannot_be_checked(converted, tmp_path):
    (tmp_path / "alone.keras").write_bytes(converted.read_bytes())
    with pytest.raises(InputError, match=r"manifest alone\.json beside it"):
        check_converted(tmp_path / "alone.keras")


@pytest.mark.parametrize("name", KEPT)
def test_nothing_is_overwritten(name, checkpoint, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name} is there already"):
        convert(checkpoint, tmp_path / "tiny.keras", leave_out=["rpn_head"])
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_of_another_kind_is_not_written(checkpoint, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.keras, got .*tiny\.h5"):
        convert(checkpoint, tmp_path / "tiny.h5")


def test_an_error_leaves_nothing_behind(checkpoint, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"rpn_head\.weight has no place"):
        convert(checkpoint, tmp_path / "tiny.keras")
    assert names(tmp_path) == []

    def wrong(_):
        raise InputError("it differs")

    monkeypatch.setattr(conversion, "check_converted", wrong)
    with pytest.raises(InputError, match="it differs"):
        convert(checkpoint, tmp_path / "tiny.keras", leave_out=["rpn_head"])
    assert names(tmp_path) == []


def test_a_published_file_has_its_own_license(checkpoint, tmp_path, monkeypatch):
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    row = replace(PUBLISHED[0], sha256=digest[:8], license="MIT")
    monkeypatch.setattr(conversion, "PUBLISHED", (row,))
    _, manifest, _ = convert(
        checkpoint,
        tmp_path / "tiny.keras",
        leave_out=["rpn_head"],
        license_name="CC0-1.0",
    )
    facts = json.loads(manifest.read_text())
    assert facts["license"] == "MIT"
    assert facts["source"]["page"] == row.page


def test_a_labelling_network_keeps_the_rule_that_was_given(tmp_path):
    model = with_statistics(hrnet_tf.HRNetV2(4, 3, **SMALL))
    tensors = {n: torch_layout(v.numpy()) for n, v in official_names(model)}
    np.savez(tmp_path / "labels.npz", **tensors)
    command = ["convert", str(tmp_path / "labels.npz"), "--align-corners", "yes"]
    cli.main([*command, "--out", str(tmp_path / "new" / "labels.keras")])
    facts = json.loads((tmp_path / "new" / "labels.json").read_text())
    assert facts["arguments"]["upsampling"] == "bilinear_align_corners"
    assert facts["any_size"]
    assert facts["license"] == "unknown"
    assert facts["outputs"]["output"]["shape"] == [1, 32, 32, 3]


# From a checkpoint to artefacts, without a run


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A keypoint set of five points."""
    path = tmp_path_factory.mktemp("sets") / "five.yaml"
    sigmas = [0.05] * 5
    path.write_text(
        f"name: five\nnames: [a, b, c, d, e]\nflip_pairs: []\nsigmas: {sigmas}\n"
    )
    return path


def test_a_checkpoint_goes_on_to_an_artefact(checkpoint, five, network, tmp_path, rng):
    command = ["convert", str(checkpoint), "--out", str(tmp_path / "tiny.keras")]
    command += ["--leave-out", "rpn_head", "--export", "tflite", "--labels", str(five)]
    cli.main(command)
    assert names(tmp_path) == ["README.md", "tiny", *KEPT]
    predictor = hrnet_tf.load(tmp_path / "tiny" / "model.tflite")
    assert predictor.manifest.keypoints.names == tuple("abcde")
    height, width, _ = network.input_shape[1:]
    crops = rng.integers(0, 256, (1, height, width, 3), np.uint8)
    whole = hrnet_tf.PosePredictor.from_model(network, predictor.manifest)
    _, scores = predictor.locate(crops)
    np.testing.assert_allclose(scores, whole.locate(crops)[1], rtol=1e-4)


def test_integers_are_calibrated_on_a_folder_of_images(converted, five, tmp_path, rng):
    for number in range(3):
        image = rng.integers(0, 256, (40, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    found = export_converted(converted, ["tflite_int8"], str(five), tmp_path)
    manifest = hrnet_tf.load(found["tflite_int8"]).manifest
    assert manifest.input.dtype == "int8"
    shutil.rmtree(converted.with_suffix(""))


def test_integers_need_a_folder_of_images(converted, five):
    with pytest.raises(InputError, match=r"tflite_int8 needs images .*--calibration"):
        export_converted(converted, ["tflite_int8"], str(five))
    assert names(converted.parent) == ALL


def test_labels_that_do_not_fit_are_refused(converted):
    with pytest.raises(InputError, match="finds 5 keypoints, the set coco has 17"):
        export_converted(converted, ["tflite"])
    assert names(converted.parent) == ALL


@pytest.fixture
def classifier(tmp_path):
    """A converted classifier of three classes."""
    model = hrnet_tf.HRNetClassifier(4, 3, input_shape=(32, 32, 3), **SMALL)
    tensors = {n: torch_layout(v.numpy()) for n, v in official_names(model)}
    tensors["classifier.weight"] = tensors["classifier.weight"].T
    np.savez(tmp_path / "classifier.npz", **tensors)
    return convert(tmp_path / "classifier.npz", tmp_path / "three.keras")[0]


def test_a_classifier_keeps_the_names_of_a_file(classifier, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\nhen\n")
    export_converted(classifier, ["onnx"], str(tmp_path / "names.txt"))
    predictor = hrnet_tf.load(tmp_path / "three" / "model.onnx")
    assert predictor.manifest.classes == ("cat", "dog", "hen")


@pytest.mark.parametrize(
    ("content", "message"), [("cat\ndog\n", "names 2 classes"), (None, "no file")]
)
def test_names_that_do_not_fit_are_refused(content, message, classifier, tmp_path):
    if content is not None:
        (tmp_path / "names.txt").write_text(content)
    with pytest.raises(InputError, match=message):
        export_converted(classifier, ["onnx"], str(tmp_path / "names.txt"))
    assert not (tmp_path / "three").exists()


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A converted official checkpoint of 29 landmarks, as COFW has them."""
    model = with_statistics(
        hrnet_tf.HRNetLandmarks(4, 29, input_shape=(64, 64, 3), **SMALL)
    )
    folder = tmp_path_factory.mktemp("faces")
    tensors = {n: torch_layout(v.numpy()) for n, v in official_names(model)}
    path = folder / "HR18-COFW.npz"
    np.savez(path, **{f"module.{name}": each for name, each in tensors.items()})
    return convert(path, folder / "cofw.keras", input_shape=(64, 64, 3))[0]


def test_a_network_of_faces_goes_on_to_an_artefact(faces, asked_here, capsys):
    facts = json.loads(faces.with_suffix(".json").read_text())
    assert (facts["task"], facts["model"]) == ("landmarks", "HRNetLandmarks")
    path = export_converted(faces, ["onnx"])["onnx"]
    cli.main(["verify", str(path)])
    said = capsys.readouterr().out
    assert "heatmaps: as recorded" in said
    assert "NOT as recorded" not in said
    predictor = hrnet_tf.load(path)
    decoding = predictor.manifest.decoding
    assert predictor.manifest.landmarks.name == "cofw"
    assert (decoding.rule, decoding.stretched_twice) == ("official", False)
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    boxes = [[10, 20, 40, 50], [0, 0, 70, 90]]
    model = keras.models.load_model(faces)
    whole = LandmarkPredictor.from_model(model, predictor.manifest)
    found, expected = (each.predict(image, boxes) for each in (predictor, whole))
    assert found.landmarks.shape == (2, 29, 2)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-3)


def test_what_a_network_of_faces_has_learnt_must_be_known(faces):
    with pytest.raises(InputError, match=r"of no encoding udp \(official, affine\)"):
        export_converted(faces, ["tflite"], encoding="udp")


def test_a_network_of_everyone_goes_on_to_people(five, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("hrnet_tf.tasks.bottom_up.checkpoint.SIDE", 64)
    caplog.set_level("INFO")
    command = ["convert", str(tmp_path / "crowd.npz"), "--export", "onnx"]
    command += ["--out", str(tmp_path / "crowd.keras"), "--labels", str(five)]
    model = with_statistics(hrnet_tf.HigherHRNet(4, 5, **SMALL))
    tensors = {n: torch_layout(v.numpy()) for n, v in official_names(model)}
    np.savez(tmp_path / "crowd.npz", **tensors)
    cli.main(command)
    assert "looked at with a short side of 64 pixels" in caplog.text
    predictor = hrnet_tf.load(tmp_path / "crowd" / "model.onnx")
    manifest = predictor.manifest
    assert manifest.keypoints.names == tuple("abcde")
    assert (manifest.looks.short_side, manifest.input.any_size) == (64, True)
    assert (tmp_path / "crowd" / "people" / "grouping.py").is_file()
    views = np.random.default_rng(0).integers(0, 256, (1, 96, 64, 3), np.uint8)
    whole = BottomUpPredictor.from_model(model, manifest).answer(views)
    for name, values in predictor.answer(views).items():
        np.testing.assert_allclose(values, whole[name], atol=1e-3)


def test_a_labelling_network_goes_on_with_its_rule_and_classes(tmp_path):
    rule = "bilinear_align_corners"
    model = hrnet_tf.HRNetV2(4, 20, ocr=True, upsampling=rule, **SMALL)
    tensors = {n: torch_layout(v.numpy()) for n, v in official_names(model)}
    np.savez(tmp_path / "labels.npz", **tensors)
    command = ["convert", str(tmp_path / "labels.npz"), "--align-corners", "yes"]
    command += ["--out", str(tmp_path / "ocr.keras"), "--export", "onnx"]
    cli.main([*command, "--labels", "lip"])
    predictor = hrnet_tf.load(tmp_path / "ocr" / "model.onnx")
    assert predictor.manifest.output.align_corners
    assert predictor.manifest.classes.flip_pairs
    assert predictor.predict(np.zeros((37, 50, 3), np.uint8)).labels.shape == (37, 50)
    with pytest.raises(InputError, match="cityscapes has 19 classes, the model has 20"):
        export_converted(tmp_path / "ocr.keras", ["tflite"], "cityscapes")
