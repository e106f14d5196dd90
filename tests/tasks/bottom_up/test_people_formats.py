"""Every format of a network that finds spots: people, ranges, and the files beside."""

import importlib
import sys

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.export.artefacts import export_model, targets_of
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import open_artefact
from hrnet_tf.export.verify import verify
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.tasks import read_manifest
from support.spots import people_image, people_manifest, people_network

SPOTS = [[(60, 40), (48, 72), (82, 80)], [(20, 30), (100, 30), (25, 100)]]
IMAGE = people_image((128, 128), SPOTS, radius=6)
FORMATS = ["tflite", "tflite_float16", "tflite_int8", "tflite_decoded", "onnx"]
FORMATS += ["onnx_int8"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    samples = {
        "crops": IMAGE[None],
        "image_bytes": np.frombuffer(_png(IMAGE), np.uint8),
    }
    options = Options(calibration=np.stack([IMAGE, IMAGE[::-1], IMAGE[:, ::-1]]))
    targets = targets_of(FORMATS, folder, options)
    return export_model(people_network(), people_manifest(), samples, targets, options)


def _png(image):
    from hrnet_tf.common.opencv import cv2

    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_finds_the_people(name, exported):
    people = hrnet_tf.load(exported[name]).predict(IMAGE)
    assert len(people) >= len(SPOTS)
    np.testing.assert_allclose(people.keypoints[: len(SPOTS)], SPOTS, atol=3)


@pytest.mark.parametrize("name", FORMATS)
def test_the_folder_beside_exports_finds_what_they_find(name, exported, monkeypatch):
    folder = exported[name].parent
    monkeypatch.syspath_prepend(str(folder))
    for module in [x for x in sys.modules if x.partition(".")[0] in OWN]:
        monkeypatch.delitem(sys.modules, module)
    decoder, beside = (importlib.import_module(module) for module in OWN)
    assert beside.__file__ == str(folder / "people" / "__init__.py")
    facts = decoder.read_manifest(f"{exported[name]}.json")
    facts, matrix = beside.look(IMAGE.shape, facts)
    view = decoder.crop(IMAGE, matrix, facts)
    mean, std = facts["input"]["mean"], facts["input"]["std"]
    tensor = preprocess_input(view[None], mean, std).numpy()
    maps = open_artefact(exported[name])(tensor)
    # The runtime here has undone what integers and layouts are.
    real = {**facts, "output": {**facts["output"], **dict.fromkeys(maps, NO_STEPS)}}
    answer = beside.decode(maps, real, matrix)
    expected = hrnet_tf.load(exported[name]).predict(IMAGE)
    assert len(answer["scores"]) == len(expected)
    points = answer["keypoints"][..., :2]
    np.testing.assert_allclose(points, expected.keypoints, atol=0.6)


OWN = ("decoder", "people")
NO_STEPS = {"quantisation": None}


def test_each_map_has_a_range_of_its_own(exported):
    facts = read_manifest(f"{exported['tflite_int8']}.json").output
    scales = {
        name: getattr(facts, name).quantisation.scale
        for name in ("quarter_heatmaps", "heatmaps", "tags")
    }
    assert facts.tags.dtype == "int8"
    assert facts.quantisation is None
    assert scales["tags"] > 5 * scales["quarter_heatmaps"]
    assert read_manifest(f"{exported['tflite']}.json").output.tags.quantisation is None


@pytest.mark.parametrize("name", ["tflite_int8", "tflite_decoded"])
def test_formats_are_verified(name, exported):
    found = verify(exported[name])
    assert found.ok, found.report()
