import json
import platform
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated

import hrnet_tf
from hrnet_tf.export import compare as compare_module
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.compare import ExportError, compare
from hrnet_tf.export.formats import FORMATS, Format
from hrnet_tf.export.names import DEFAULTS
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import call_signature, open_artefact
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.export.signatures import signature_of
from hrnet_tf.export.tflite import write_tflite
from hrnet_tf.tasks import make_experiment, read_manifest
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.training.run import Run
from support.networks import rescaled
from support.spots import spot_image, spot_manifest, spot_network

every_format = pytest.mark.parametrize("name", DEFAULTS)


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


# What an artefact answers


@every_format
@pytest.mark.parametrize("count", [1, 3])
def test_artefacts_answer_as_the_model(name, count, exported, tiny_model, rng):
    images = rng.standard_normal((count, 64, 32, 3)).astype(np.float32)
    expected = tiny_model(images, training=False).numpy()
    answer = open_artefact(exported[name])(images)["heatmaps"]
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.ptp(expected))


def test_a_savedmodel_names_what_it_takes_and_gives(exported):
    signatures = tf.saved_model.load(str(exported["savedmodel"])).signatures
    names = {
        key: (list(graph.structured_input_signature[1]), list(graph.structured_outputs))
        for key, graph in signatures.items()
    }
    assert {key: tuple(map(sorted, value)) for key, value in names.items()} == {
        "serving_default": (["image"], ["heatmaps"]),
        "keypoints": (["boxes", "image_bytes", "people"], ["keypoints", "scores"]),
    }


def test_tflite_names_what_it_takes_and_gives(exported):
    signatures = Interpreter(str(exported["tflite"])).get_signature_list()
    assert signatures == {
        "serving_default": {"inputs": ["image"], "outputs": ["heatmaps"]}
    }


def test_onnx_names_what_it_takes_and_gives(exported):
    session = onnxruntime.InferenceSession(exported["onnx"])
    assert [x.name for x in session.get_inputs()] == ["image"]
    assert [x.name for x in session.get_outputs()] == ["heatmaps"]


def test_tflite_takes_one_crop_at_a_time(exported):
    interpreter = Interpreter(str(exported["tflite"]))
    (source,), (target,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    assert source["shape_signature"].tolist() == [1, 64, 32, 3]
    assert target["shape_signature"].tolist() == [1, 16, 8, 17]
    assert (source["dtype"], target["dtype"]) == (np.float32, np.float32)


def test_tflite_needs_no_operation_from_outside(exported):
    content = exported["tflite"].read_bytes()
    model = schema_py_generated.Model.GetRootAsModel(content)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    custom = schema_py_generated.BuiltinOperator.CUSTOM
    assert len(codes) > 3
    assert [code for code in codes if code.CustomCode()] == []
    assert custom not in {code.BuiltinCode() for code in codes}


def test_onnx_takes_any_number_of_crops(exported):
    session = onnxruntime.InferenceSession(exported["onnx"])
    shapes = [x.shape for x in (*session.get_inputs(), *session.get_outputs())]
    assert [isinstance(shape[0], str) for shape in shapes] == [True, True]
    assert [shape[1:] for shape in shapes] == [[64, 32, 3], [16, 8, 17]]


@pytest.fixture(scope="module")
def spots_served(tmp_path_factory):
    path = tmp_path_factory.mktemp("spots") / "1"
    write_savedmodel(spot_network(), spot_manifest(), path, Options())
    return str(path)


SPOTS = spot_image((120, 140), [(60, 40), (48, 72), (82, 80)], radius=6)
SPOTS_PNG = cv2.imencode(".png", SPOTS[..., ::-1])[1]


def call_keypoints(path, boxes):
    given = {
        "image_bytes": SPOTS_PNG.ravel(),
        "boxes": np.array([boxes], np.float32),
        "people": np.array([len(boxes)], np.int32),
    }
    answer = call_signature(path, "keypoints", given)
    return {name: values[0] for name, values in answer.items()}


@pytest.mark.parametrize("boxes", [[(20, 10, 90, 100)], [(30, 20, 60, 80)] * 3])
def test_a_savedmodel_serves_keypoints_of_encoded_images(boxes, spots_served):
    answer = call_keypoints(spots_served, boxes)
    predictor = PosePredictor.from_model(spot_network(), spot_manifest())
    pose = predictor.predict(SPOTS, boxes)
    np.testing.assert_allclose(answer["keypoints"], pose.keypoints, atol=1e-3)
    np.testing.assert_allclose(answer["scores"], pose.scores, atol=0.02)


def test_a_savedmodel_refuses_boxes_without_area(spots_served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="positive width"):
        call_keypoints(spots_served, [(20, 10, 0, 100)])


# What lies beside it


@every_format
def test_the_facts_lie_beside_every_artefact(name, exported):
    path = exported[name]
    facts = json.loads(path.with_name(f"{path.name}.json").read_text())
    coco = hrnet_tf.KeypointSet.read("coco")
    assert facts["input"] == {
        "height": 64,
        "width": 32,
        "name": "image",
        "color_order": "RGB",
        "layout": "NHWC",
        "dtype": "float32",
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "any_size": False,
        "orientation": "upright",
        "quantisation": None,
    }
    assert facts["output"] == {
        "height": 16,
        "width": 8,
        "stride": 4,
        "name": "heatmaps",
        "layout": "NHWC",
        "dtype": "float32",
        "quantisation": None,
    }
    assert facts["keypoints"]["names"] == list(coco.names)
    assert facts["keypoints"]["flip_pairs"] == [list(pair) for pair in coco.flip_pairs]
    assert facts["decoding"] == {
        "refinement": "quarter",
        "sigma": 2.0,
        "padding": 1.25,
        "flip": False,
        "shift": True,
        "encoding": "plain",
    }
    assert facts["versions"] == {
        "hrnet_tf": hrnet_tf.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def test_a_manifest_is_read_as_it_was_written(tiny_manifest, tmp_path):
    tiny_manifest.write(tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == tiny_manifest


def test_artefacts_lie_in_the_folder_of_their_run(exported, run_folder):
    assert files_in(run_folder / "export") == [
        "README.md",
        "decoder.py",
        "model.onnx",
        "model.onnx.json",
        "model.onnx.npz",
        "model.tflite",
        "model.tflite.json",
        "model.tflite.npz",
    ]
    assert exported == {
        "savedmodel": run_folder / "1",
        "tflite": run_folder / "export" / "model.tflite",
        "onnx": run_folder / "export" / "model.onnx",
    }
    assert {"1", "1.json", "1.npz", "README.md"} <= set(files_in(run_folder))


# What is not kept


def test_an_artefact_that_differs_is_removed(
    shallow_run, shallow, tmp_path, monkeypatch
):
    def write(model, manifest, path, options):
        return write_tflite(rescaled(model, 1.1), manifest, path, options)

    monkeypatch.setitem(FORMATS, "tflite", Format("model.tflite", write))
    with pytest.raises(ExportError, match=r"model\.tflite differs .* was removed"):
        export_run(shallow_run, ["tflite"], tmp_path)
    assert files_in(tmp_path) == []


@pytest.fixture
def spot_samples(rng):
    crops = rng.integers(0, 256, (4, 64, 48, 3), np.uint8)
    crops[0, 0, 0], crops[0, 4, 4] = 0, 255  # heatmaps of the range 0..1
    return {
        "crops": crops,
        "image_bytes": SPOTS_PNG.ravel(),
        "boxes": np.array([(20, 10, 90, 100)], np.float32),
    }


def raised_by(value):
    network = spot_network()
    kernel, bias = network.get_weights()
    network.set_weights([kernel, bias + value])
    return network


def test_the_difference_is_a_share_of_the_range(spot_samples, tmp_path):
    path = tmp_path / "model.tflite"
    write_tflite(raised_by(0.0005), spot_manifest(), path, Options())
    found = compare(
        path, spot_network(), spot_manifest(), spot_samples, FORMATS["tflite"]
    )
    assert found.difference == pytest.approx(0.0005, rel=0.01)


@pytest.mark.parametrize("value", [0.0015, np.nan])
def test_a_thousandth_of_the_range_is_the_limit(value, spot_samples, tmp_path):
    path = tmp_path / "model.tflite"
    write_tflite(raised_by(value), spot_manifest(), path, Options())
    with pytest.raises(
        ExportError, match="of its range on real images, more than 1e-03"
    ):
        compare(path, spot_network(), spot_manifest(), spot_samples, FORMATS["tflite"])


def test_an_artefact_that_does_not_run_is_refused(spot_samples, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(ExportError, match=r"model\.onnx does not run"):
        compare(path, spot_network(), spot_manifest(), spot_samples, FORMATS["tflite"])


@pytest.mark.parametrize(
    ("name", "change"), [("keypoints", 13), ("scores", 0.0015), ("keypoints", np.nan)]
)
def test_an_artefact_with_other_people_is_refused(
    name, change, spot_samples, spots_served, monkeypatch
):
    def ask(artefact, signature, inputs):
        given = {key: inputs[key] for key in ("image_bytes", "boxes", "people")}
        answers = call_signature(artefact, signature.name, given)
        answers |= open_artefact(artefact)(inputs["images"])
        return {**answers, name: answers[name] + change}

    monkeypatch.setattr(compare_module, "ask_in_fresh_process", ask)
    with pytest.raises(ExportError, match=f"{name} of SavedModel 1 differ"):
        compare(
            Path(spots_served),
            spot_network(),
            spot_manifest(),
            spot_samples,
            FORMATS["savedmodel"],
        )


def test_differences_are_said_in_numbers(shallow_run, shallow, tmp_path, caplog):
    with caplog.at_level("INFO", "hrnet_tf"):
        export_run(shallow_run, ["tflite", "tflite_float16"], tmp_path)
    exact, small = (line for line in caplog.messages if "differs" in line)
    number = r"\d\.\de[-+]\d\d of its range"
    assert re.search(rf"model\.tflite differs .* by {number} .allowed: 1e-03", exact)
    assert re.search(rf"float16\.tflite differs .* {number} .allowed: any diff", small)
    assert not any("equal" in line for line in caplog.messages)


# Where it is written


def test_a_new_export_replaces_the_old_one_of_the_same_run(
    shallow_run, shallow, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(shallow_run, folder)
    old = folder / "export" / "model.tflite"
    old.parent.mkdir()
    old.write_bytes(b"old")
    assert export_run(folder, ["tflite"]) == {"tflite": old}
    assert old.stat().st_size > 1000


def test_versions_lie_side_by_side_wherever_they_are_wanted(
    shallow_run, shallow, asked_here, tmp_path
):
    (tmp_path / "1").mkdir()
    with pytest.raises(hrnet_tf.InputError, match="1 is there already; choose another"):
        export_run(shallow_run, ["savedmodel"], tmp_path)
    made = export_run(shallow_run, ["savedmodel"], tmp_path, Options(version=12))
    assert made == {"savedmodel": tmp_path / "12"}
    assert files_in(tmp_path) == ["1", "12", "12.json", "12.npz", "README.md"]


def test_a_version_below_one_is_refused():
    with pytest.raises(hrnet_tf.InputError, match="must be at least 1, got 0"):
        Options(version=0)


def test_a_savedmodel_says_its_limits_and_what_all_its_files_are(exported):
    facts = read_manifest(exported["savedmodel"].with_name("1.json"))
    assert facts.limits == signature_of(facts).limits
    assert {
        "1/saved_model.pb",
        "1/assets.extra/manifest.json",
        "1/assets.extra/tf_serving_warmup_requests",
    } < facts.artefact.files.keys()
    own = read_manifest(exported["savedmodel"] / "assets.extra" / "manifest.json")
    assert replace(own, artefact=None) == replace(facts, artefact=None)
    stated = facts.artefact.files.items() - own.artefact.files.items()
    assert {name for name, _ in stated} == {"1.npz", "1/assets.extra/manifest.json"}


def test_the_export_of_another_run_is_not_overwritten(run_folder, tmp_path):
    other = tmp_path / "model.tflite"
    other.write_bytes(b"of another run")
    with pytest.raises(hrnet_tf.InputError, match=r"model\.tflite is there already"):
        export_run(run_folder, ["onnx", "tflite"], tmp_path)
    assert other.read_bytes() == b"of another run"
    assert files_in(tmp_path) == ["model.tflite"]


@pytest.mark.parametrize("formats", [["coreml"], "tflite"])
def test_an_unknown_format_is_refused_with_the_known_ones(formats, run_folder):
    with pytest.raises(
        hrnet_tf.InputError, match=r"list of savedmodel, tflite, .*, onnx"
    ):
        export_run(run_folder, formats)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(hrnet_tf.InputError, match=r"no run: there is no config\.yaml"):
        export_run(tmp_path)


def test_a_run_without_weights_is_refused(experiment, tmp_path):
    config = hrnet_tf.read_config(experiment, [f"output={tmp_path}/new"])
    Run.prepare(config).create(make_experiment(config).make_manifest())
    with pytest.raises(hrnet_tf.InputError, match="has no trained weights yet"):
        export_run(tmp_path / "new")
