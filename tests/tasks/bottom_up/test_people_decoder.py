"""People from what exports answer, in NumPy alone: the files beside exports."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from hrnet_tf.common.opencv import cv2
from hrnet_tf.export import decoder
from hrnet_tf.tasks.base.manifest import Quantisation
from hrnet_tf.tasks.bottom_up import decoder as people
from hrnet_tf.tasks.bottom_up import filters
from hrnet_tf.tasks.bottom_up.grouping import Grouping
from hrnet_tf.tasks.bottom_up.manifest import BottomUpManifest, SceneInput
from hrnet_tf.tasks.bottom_up.parts import BESIDE
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from support.spots import people_image, people_manifest, people_network
from tasks.bottom_up.test_grouping import Case

SPOTS = [[(60, 40), (48, 72), (82, 80)], [(20, 30), (100, 30), (25, 100)]]
IMAGE = people_image((120, 140), SPOTS)


def facts_of(manifest):
    """A manifest as the decoder reads it."""
    return json.loads(json.dumps(asdict(manifest)))


@pytest.fixture(params=[True, False], ids=["opencv", "numpy"])
def with_opencv(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(filters, "cv2", None)


def test_maps_are_resized_alike_with_and_without_opencv(monkeypatch, rng):
    maps = rng.random((6, 9, 3), np.float32)
    sizes = [(12, 18), (6, 9), (24, 27), (3, 5)]
    right = [filters.resize(maps, size) for size in sizes]
    monkeypatch.setattr(filters, "cv2", None)
    for size, expected in zip(sizes, right, strict=True):
        np.testing.assert_allclose(filters.resize(maps, size), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("side", "anchor"), [(3, (-1, -1)), (4, (1, 1)), (4, (0, 0)), (5, (-1, -1))]
)
def test_neighbours_are_those_of_opencv(channels, side, anchor, monkeypatch, rng):
    maps = rng.normal(0, 1, (7, 9, channels)).astype(np.float32)
    square = np.ones((side, side), np.uint8)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    above = (maps > 1).view(np.uint8)

    def found():
        return (
            filters.highest(maps, square, anchor),
            filters.lowest(maps, square if side % 2 else cross),
            filters.highest(above, cross),
        )

    right = found()
    assert isinstance(filters.cv2, type(cv2))
    monkeypatch.setattr(filters, "cv2", None)
    for ours, theirs in zip(found(), right, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("project", [True, False])
def test_people_are_those_of_the_predictor(project, with_opencv):
    manifest, network = people_manifest(project=project), people_network()
    predictor = BottomUpPredictor.from_model(network, manifest)
    expected = predictor.predict(IMAGE)
    facts, matrix = people.look(IMAGE.shape, facts_of(manifest))
    view = decoder.crop(IMAGE, matrix, facts)
    assert view.shape == (128, 192, 3)
    maps = predictor.answer(view[None])
    answer = people.decode(maps, facts, matrix)
    assert len(expected) == len(answer["keypoints"]) == 2
    points = answer["keypoints"]
    np.testing.assert_allclose(points[..., :2], expected.keypoints, atol=0.6)
    np.testing.assert_allclose(points[..., 2], expected.scores, atol=0.02)
    np.testing.assert_allclose(answer["scores"], expected.person_scores, atol=0.02)


def test_integers_and_layouts_are_read_as_the_manifest_says():
    manifest, network = people_manifest(), people_network()
    predictor = BottomUpPredictor.from_model(network, manifest)
    plain, matrix = people.look(IMAGE.shape, facts_of(manifest))
    maps = predictor.answer(decoder.crop(IMAGE, matrix, plain)[None])
    expected = people.decode(maps, plain, matrix)
    tensors, integers = {}, {}
    for name, values in maps.items():
        steps = Quantisation(float(np.ptp(values)) / 30000, -100)
        tensor = getattr(manifest.output, name)
        tensors[name] = replace(tensor, dtype="int16", quantisation=steps)
        whole = np.round(values / steps.scale) + steps.zero_point
        integers[name] = whole.astype(np.int16).transpose(0, 3, 1, 2)
    output = replace(manifest.output, layout="NCHW", **tensors)
    facts, _ = people.look(IMAGE.shape, facts_of(replace(manifest, output=output)))
    found = people.decode(integers, facts, matrix)
    assert len(found["scores"]) == len(expected["scores"])
    apart = np.abs(found["keypoints"] - expected["keypoints"])
    assert apart.max() < 0.6
    with pytest.raises(ValueError, match="must be about one image, got 2"):
        people.decode({"heatmaps": np.zeros((2, 4, 4, 3))}, plain, matrix)
    with pytest.raises(ValueError, match="not finite"):
        people.decode({k: v * np.nan for k, v in maps.items()}, plain, matrix)


def test_images_are_looked_into_one_size_as_by_the_predictor():
    given = SceneInput(64, 96, any_size=False)
    manifest = replace(people_manifest(), input=given)
    predictor = BottomUpPredictor(lambda views: views, manifest)
    for size in ((120, 140), (200, 50), (30, 300)):
        facts, matrix = people.look(size, facts_of(manifest))
        (look,) = predictor.looks(size)
        assert (facts["input"]["height"], facts["input"]["width"]) == look.size
        np.testing.assert_allclose(matrix, look.matrix_from(look.size), atol=2e-3)


SCRIPT = """
import sys
for name in ("tensorflow", "keras", "cv2", "hrnet_tf"):
    sys.modules[name] = None  # importing it raises
import json
import numpy as np
import people
facts = json.loads(open("facts.json").read())
maps = dict(np.load("maps.npz"))
size = maps.pop("image_hw")
facts, matrix = people.look(size, facts)
answer = people.decode(maps, facts, matrix)
np.savez("answer.npz", **answer)
"""


@pytest.mark.parametrize("name", ["people1_noflip"])
def test_copies_beside_exports_need_numpy_alone(name, tmp_path):
    case = Case(name)
    for place, file in BESIDE.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(Path(file).read_bytes())
    manifest = people_manifest()
    side = int(case("input_size"))
    manifest = replace(manifest, looks=replace(manifest.looks, short_side=side))
    assert isinstance(manifest, BottomUpManifest)
    assert manifest.grouping == Grouping()
    (tmp_path / "facts.json").write_text(json.dumps(asdict(manifest)))
    maps = {name: values[None] for name, values in case.outputs(1.0).items()}
    np.savez(tmp_path / "maps.npz", image_hw=case("image_hw"), **maps)
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "answer.npz")
    expected = case("final_keypoints")
    there = expected[..., 2] > 0
    np.testing.assert_allclose(
        found["keypoints"][there], expected[there][:, :3], atol=1e-3
    )
    np.testing.assert_allclose(found["scores"], case("scores"), atol=1e-5)
