"""OpenVINO's files: two of them, which answer as the model does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from PIL import Image

import hrnet_tf
from hrnet_tf.cli import main
from hrnet_tf.common import extras
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.artefacts import check_free, chosen_formats, export_run, exports_of
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.export.choice import runtime_for, runtimes_for
from hrnet_tf.export.integrity import Changes, changes
from hrnet_tf.export.names import ALL, NAMES, require_packages
from hrnet_tf.export.onnx import write_onnx
from hrnet_tf.export.openvino import write_openvino, write_openvino_int8
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import open_artefact, open_openvino
from hrnet_tf.export.signatures import outputs_of
from hrnet_tf.export.verify import verify
from hrnet_tf.tasks import read_manifest
from hrnet_tf.training.run import Run
from support.networks import shallow_networks

FORMATS = ["openvino", "openvino_int8"]
TASKS = [
    "pose",
    "bottom_up",
    "landmarks",
    "classification",
    "segmentation",
    "regression",
    "ocr",
]
both_layouts = pytest.mark.parametrize("layout", ["NHWC", "NCHW"])


def images_for(manifest, rng, count=3):
    """Normalised images, where any size fits of another one."""
    height, width = manifest.input.size
    if manifest.input.any_size:
        height, width = height + manifest.input.multiple, width
    return rng.standard_normal((count, height, width, 3)).astype(np.float32)


# Numbers


@both_layouts
@pytest.mark.parametrize("task", TASKS)
def test_files_answer_as_their_models_at_any_size(
    task, layout, networks, rng, tmp_path
):
    model, manifest = networks[task]
    path = tmp_path / "model.xml"

    facts = write_openvino(model, manifest, path, Options(layout))

    images = images_for(manifest, rng)
    expected = outputs_of(model(images, training=False), manifest)
    found = open_artefact(path)(images)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        value = value.numpy()
        np.testing.assert_allclose(found[name], value, atol=1e-5 * np.ptp(value))
    assert facts.input.layout == layout
    inside = openvino.Core().read_model(path)
    stored = {x.get_element_type().get_type_name() for x in inside.get_ops()}
    assert stored & {"f32", "f16"} == {"f32"}
    assert inside.get_rt_info(["manifest"]).astype(str) == facts.as_json()
    assert inside.inputs[0].partial_shape[0].is_dynamic


def test_numbers_are_not_left_to_the_processor(networks, tmp_path, monkeypatch):
    asked = []
    compile_model = openvino.Core.compile_model

    def noted(core, graph, device, settings):
        asked.append((device, settings))
        return compile_model(core, graph, device, settings)

    monkeypatch.setattr(openvino.Core, "compile_model", noted)
    write_openvino(*networks["pose"], tmp_path / "model.xml", Options())
    open_openvino(str(tmp_path / "model.xml"), threads=1)
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    assert asked == [("CPU", settings)]


@both_layouts
def test_onnx_files_are_opened_too(layout, networks, rng, tmp_path):
    model, manifest = networks["pose"]
    write_onnx(model, manifest, tmp_path / "model.onnx", Options(layout))
    images = images_for(manifest, rng)
    network = open_artefact(tmp_path / "model.onnx", 1, "openvino")
    found = network(images)["heatmaps"]
    expected = model(images, training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


# int8


def kinds_of_convolutions(path):
    """What convolutions give in the compiled graph."""
    compiled = openvino.Core().compile_model(path, "CPU")
    told = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    kinds = [(x["layerType"].astype(str), x["runtimePrecision"]) for x in told]
    return [kind.astype(str) for layer, kind in kinds if layer == "Convolution"]


def test_int8_computes_in_whole_numbers_but_not_the_products_of_attention(
    networks, rng, tmp_path
):
    model, manifest = networks["ocr"]
    images = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    path, options = tmp_path / "model_int8.xml", Options(calibration=images)

    write_openvino_int8(model, manifest, path, options)

    kinds = kinds_of_convolutions(path)
    assert len(kinds) > 10
    assert sum(kind in ("u8", "i8") for kind in kinds) > 0.8 * len(kinds)
    operations = openvino.Core().read_model(path).get_ops()
    products = [x for x in operations if x.get_type_name() in ("MatMul", "Softmax")]
    given = [
        value.get_source_output().get_node().get_type_name()
        for operation in products
        for value in operation.inputs()
    ]
    assert given
    assert "FakeQuantize" not in given


def test_int8_needs_images(networks, tmp_path):
    with pytest.raises(InputError, match="openvino_int8 needs images to measure"):
        write_openvino_int8(*networks["pose"], tmp_path / "model.xml", Options())
    assert not list(tmp_path.iterdir())


# A run's export


@pytest.fixture(scope="module")
def run(shallow_run, tmp_path_factory):
    """A copy of the run with OpenVINO's files."""
    folder = tmp_path_factory.mktemp("openvino") / "run"
    shutil.copytree(shallow_run, folder, ignore=shutil.ignore_patterns("1*", "export"))
    with shallow_networks():
        export_run(folder, FORMATS)
    return folder


@pytest.fixture
def copied(run, tmp_path):
    """The float32 files with what lies beside them, far from their run."""
    for name in ("model.xml", "model.bin", "model.xml.json", "model.xml.npz"):
        shutil.copy(run / "export" / name, tmp_path / name)
    return tmp_path / "model.xml"


def test_a_run_is_exported_verified_and_found(run, asked_here):
    found = exports_of(Run.open(run))
    assert list(found) == FORMATS
    for name, path in found.items():
        result = verify(path)
        assert result.ok, result.report()
        assert result.differences.keys() == {"heatmaps"}
        artefact = read_manifest(path.with_name(f"{path.name}.json")).artefact
        weights = path.with_suffix(".bin").name
        assert {path.name, weights, f"{path.name}.npz"} == set(artefact.files)
        assert artefact.format == name


def test_loaded_files_find_what_the_run_finds(run, shallow, rng):
    image = rng.integers(0, 256, (90, 70, 3), np.uint8)
    boxes = [(0, 0, 70, 90), (10, 20, 30, 40)]
    expected = hrnet_tf.load(run, flip=True).predict(image, boxes)
    found = hrnet_tf.load(run / "export" / "model.xml", flip=True)
    found = found.predict(image, boxes)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_damage_to_either_file_is_named(name, copied):
    path = copied.with_name(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"not what was exported .{name}: altered"):
        hrnet_tf.load(copied)
    path.unlink()
    if name == "model.bin":
        with pytest.raises(InputError, match=r"model\.bin: missing"):
            hrnet_tf.load(copied)
        assert changes(copied, path.with_name("model.xml.json")).missing == (name,)


def test_both_files_are_renamed_together(copied):
    for ending in (".xml", ".bin", ".xml.json", ".xml.npz"):
        os.rename(copied.with_suffix(ending), copied.with_name(f"pose{ending}"))
    path = copied.with_name("pose.xml")
    assert changes(path, path.with_name("pose.xml.json")) == Changes()
    assert hrnet_tf.load(path).manifest.task == "pose"


def test_what_belongs_to_somebody_else_is_not_replaced(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"somebody's")
    with pytest.raises(InputError, match=r"model\.bin is there already; choose"):
        check_free({"openvino": tmp_path / "model.xml"})


@pytest.mark.slow
def test_the_benchmark_counts_both_files(run_folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("1*", "export"))
    export_run(run, FORMATS)
    found, _ = benchmark_run(run, FORMATS, threads=1, rounds=1, progress=False)
    rows = {row.format: row for row in found.flavours}
    files = [run / "export" / f"model.{kind}" for kind in ("xml", "bin")]
    size = sum(file.stat().st_size for file in files) / 1e6
    assert rows["openvino"].megabytes == pytest.approx(size)
    assert rows["openvino"].largest < 1e-4
    assert 1e-4 < rows["openvino_int8"].largest < 0.5
    assert rows["openvino"].score == pytest.approx(rows["keras"].score, abs=1e-6)


# What a run's network runs in


def test_a_run_takes_its_export_where_another_runtime_is_asked_for(run, shallow, rng):
    image = rng.integers(0, 256, (90, 70, 3), np.uint8)
    boxes = [(0, 0, 70, 90)]
    asked = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Run, "model", lambda run: asked.append(run))
        found = hrnet_tf.load(run, runtime="openvino")
    assert not asked  # Keras has not read the weights
    expected = hrnet_tf.load(run)
    assert found.manifest.decoding == expected.manifest.decoding
    assert found.manifest.artefact.format == "openvino"
    found, expected = found.predict(image, boxes), expected.predict(image, boxes)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)


def test_a_runtime_that_has_no_file_is_told_how_to_get_one(run):
    with pytest.raises(InputError, match=r"no export for litert; .* --format tflite`"):
        hrnet_tf.load(run, runtime="litert")
    with pytest.raises(InputError, match=r"must be one of keras, .*, got 'onnx'"):
        hrnet_tf.load(run, runtime="onnx")
    path = run / "export" / "model.xml"
    with pytest.raises(InputError, match=r"model\.xml runs in openvino, not in litert"):
        hrnet_tf.load(path, runtime="litert")
    assert runtime_for(path) == "openvino"
    assert runtime_for(path.with_suffix(".onnx")) == "onnxruntime"
    assert runtime_for(path.with_suffix(".onnx"), "openvino") == "openvino"
    assert runtime_for(run / "1") == "tensorflow"
    assert runtime_for(run) == "keras"
    assert runtimes_for(path) == ["openvino"]
    assert runtimes_for(path.with_suffix(".onnx")) == ["onnxruntime", "openvino"]
    assert runtimes_for(run)[0] == "keras"


def test_an_export_of_earlier_weights_is_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    with open(tmp_path / "run" / "checkpoints" / "best.keras", "ab") as file:
        file.write(b"trained on")
    with pytest.raises(InputError, match=r"was made of the weights .* has now .*anew"):
        hrnet_tf.load(tmp_path / "run", runtime="openvino")


def test_predict_says_what_it_took(run, data_folder, tmp_path, capsys):
    image = next((data_folder / "images" / "val").iterdir())
    words = ["predict", str(image), "--model", str(run), "--out", str(tmp_path / "out")]
    main([*words, "--runtime", "openvino"])
    assert "runtime: openvino\n" in capsys.readouterr().out
    words[3] = str(run / "export" / "model_int8.xml")
    main([*words[:-1], str(tmp_path / "whole")])
    said = capsys.readouterr().out
    assert "runtime: openvino\n" in said  # nothing else opens it


# Where it is not installed


@pytest.fixture
def without(monkeypatch):
    """As if neither OpenVINO nor NNCF were installed."""
    find = extras.find_spec
    lacking = ("openvino", "nncf")
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name in lacking else find(name)
    )


def test_all_means_the_other_formats_then(without, tiny_manifest, caplog):
    require_packages([ALL])
    with caplog.at_level("INFO"):
        found = chosen_formats([ALL], tiny_manifest)
    assert found == [name for name in NAMES if not name.startswith("openvino")]
    said = "left out: openvino, openvino_int8: needs openvino, nncf, which are not"
    assert said in caplog.text
    assert "hrnet-tf[openvino]" in caplog.text


@pytest.mark.parametrize("command", ["export", "verify"])
def test_what_to_install_is_said(command, without, run, tmp_path, capsys):
    words = {
        "export": [str(run), "--format", "openvino", "--out", str(tmp_path)],
        "verify": [str(run / "export" / "model.xml")],
    }
    with pytest.raises(SystemExit) as ended:
        main([command, *words[command]])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "openvino, which is not installed: pip install 'hrnet-tf[openv" in line


# What the documents say


def test_the_example_of_the_documents_runs(run, rng, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (code,) = [program for program in programs if "import openvino" in program]
    assert len(code.strip().splitlines()) <= 15
    shutil.copytree(run / "export", tmp_path / "export")
    photo = tmp_path / "export" / "photo.jpg"
    Image.fromarray(rng.integers(0, 256, (200, 120, 3), np.uint8)).save(photo)
    told = "\nnp.save('found.npy', keypoints)\n"
    subprocess.run(
        [sys.executable, "-c", code + told], cwd=tmp_path / "export", check=True
    )
    found = np.load(tmp_path / "export" / "found.npy")
    predictor = hrnet_tf.load(run / "export" / "model.xml")
    pose = predictor.predict(hrnet_tf.read_image(photo), [(20, 30, 80, 160)])
    np.testing.assert_allclose(found, pose.keypoints[..., :2], atol=0.1)
