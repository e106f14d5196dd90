"""The programs of the deployment pages run as they stand and find what is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from PIL import Image

from hrnet_tf.export import decoder
from hrnet_tf.export.onnx import write_onnx
from hrnet_tf.export.openvino import write_openvino
from hrnet_tf.export.options import Options
from hrnet_tf.export.tflite import write_decoded, write_tflite
from hrnet_tf.tasks.pose.predictor import PosePredictor
from support.spots import spot_image, spot_manifest, spot_network

DOCS = Path(__file__).parents[2] / "docs"
BOX = [20, 30, 80, 160]  # of the pages
SPOTS = [(40, 60), (80, 110), (50, 150)]
QUARTER = {"refinement": "quarter"}
WRITERS = {
    "model.onnx": write_onnx,
    "model.xml": write_openvino,
    "model.tflite": write_tflite,
    "model_decoded.tflite": write_decoded,
}


def blocks(page, kind):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}(?: [^\n]*)?\n(.*?)^```$", text, re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An export's folder with a photograph."""
    path = tmp_path_factory.mktemp("export")
    model, manifest = spot_network(), spot_manifest(**QUARTER)
    for name, write in WRITERS.items():
        facts = write(model, manifest, path / name, Options())
        (path / f"{name}.json").write_text(facts.as_json(), encoding="utf-8")
    shutil.copy(decoder.__file__, path / "decoder.py")
    Image.fromarray(spot_image((220, 120), SPOTS, 8)).save(path / "photo.jpg")
    return path


@pytest.mark.parametrize(
    ("page", "needed"),
    [
        ("deployment/onnxruntime.md", "onnxruntime"),
        ("deployment/litert.md", "ai_edge_litert"),
        ("deployment.md", "onnxruntime"),
        ("deployment.md", "openvino.compile_model"),
    ],
)
def test_python_of_the_pages_finds_keypoints(page, needed, folder, monkeypatch):
    (code,) = (x for x in blocks(page, "python") if needed in x and "photo.jpg" in x)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "decoder", raising=False)
    names = {}
    exec(compile(code, page, "exec"), names)
    monkeypatch.delitem(sys.modules, "decoder", raising=False)

    np.testing.assert_allclose(names["keypoints"][0], SPOTS, atol=6)
    usual = PosePredictor.from_model(spot_network(), spot_manifest(**QUARTER))
    usual = usual.predict("photo.jpg", boxes=[BOX])
    np.testing.assert_allclose(names["keypoints"], usual.keypoints, atol=0.5)


def test_cpp_of_the_page_is_compiled_and_finds_keypoints(folder, tmp_path):
    (code,) = blocks("deployment/cpp.md", "cpp")
    (tmp_path / "pose.cpp").write_text(code)
    home = Path(openvino.__file__).parent
    (library,) = (home / "libs").glob("libopenvino.so.*")
    command = ["g++", "-std=c++17", "-w", "pose.cpp", f"-I{home / 'include'}"]
    command += [f"-L{library.parent}", f"-l:{library.name}", "-o", "pose"]
    command += [f"-Wl,-rpath,{library.parent}"]
    subprocess.run(command, cwd=tmp_path, check=True)
    facts = decoder.read_manifest(folder / "model.onnx.json")
    image = np.asarray(Image.open(folder / "photo.jpg"))
    crop = decoder.crop(image, decoder.crop_matrix(BOX, facts), facts)
    (tmp_path / "crop.rgb").write_bytes(np.asarray(crop, np.uint8).tobytes())

    words = ["./pose", str(folder / "model.onnx"), "crop.rgb"]
    said = subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)

    heatmaps = spot_network()(decoder.prepare(np.asarray(crop, np.uint8), facts))
    expected = decoder.decode(heatmaps.numpy(), facts)
    found = np.array([line.split() for line in said.stdout.splitlines()], np.float32)
    np.testing.assert_allclose(found[:, :2], expected["keypoints"][0], atol=1e-3)
    np.testing.assert_allclose(found[:, 2], expected["scores"][0], atol=1e-3)


def test_the_decoded_file_answers_as_the_phones_pages_take_it(folder):
    """Two outputs of float32: places, twice as many numbers as scores."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(folder / "model_decoded.tflite"))
    sizes = sorted(tuple(x["shape"]) for x in network.get_output_details())
    assert sizes == [(1, 3), (1, 3, 2)]
    assert {x["dtype"] for x in network.get_output_details()} == {np.float32}
