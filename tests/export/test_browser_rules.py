"""The page's modules, in Chromium: the rules of decoder.py and of reading images."""

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hrnet_tf.export import decoder
from hrnet_tf.images.files import read_image
from hrnet_tf.tasks.keypoints.encodings import REFINEMENTS
from support.spots import spot_manifest


def facts_of(manifest):
    """A manifest as the page reads it."""
    return json.loads(manifest.as_json())


def as_map(array):
    height, width, channels = array.shape
    data = array.ravel().tolist()
    return {"height": height, "width": width, "channels": channels, "data": data}


@pytest.mark.parametrize("draw", ["noise", "hills", "nothing"])
def test_keypoints_are_decoded_by_the_same_rules(page, draw, rng):
    maps = rng.standard_normal((16, 12, 6))
    if draw == "hills":
        y, x = np.mgrid[:16, :12]
        centers = rng.uniform(-1, 13, (6, 2))
        distance = [(x - a) ** 2 + (y - b) ** 2 for a, b in centers]
        maps = np.exp(-np.stack(distance, -1) / 8) + 0.01 * maps
    if draw == "nothing":
        maps = -np.abs(maps)
    maps = maps.astype(np.float32)
    kinds = [{"refinement": x} for x in REFINEMENTS]
    kinds += [{"encoding": "udp", "refinement": "udp"}, {"encoding": "udp_offsets"}]
    all_facts = [facts_of(spot_manifest(**kind)) for kind in kinds]
    for facts in all_facts[:-1]:
        facts["decoding"]["sigma"] = 3.0
    faces = [replace_task(facts) for facts in all_facts[: len(REFINEMENTS)]]
    source = """
      const { decodePose, decodeLandmarks } = await there("decoding.js");
      const { map, all } = given;
      return all.map((facts) => facts.task === "pose" ? decodePose(map, facts) :
        decodeLandmarks(map, facts));
    """
    found = page.ask(source, {"map": as_map(maps), "all": [*all_facts, *faces]})
    for facts, answer in zip([*all_facts, *faces], found, strict=True):
        expected = decoder.decode(maps[None], facts)
        points = expected["keypoints" if facts["task"] == "pose" else "landmarks"]
        # In noise a parabola's top may lie anywhere, and rounding is blown up with it.
        np.testing.assert_allclose(answer["points"], points[0], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(answer["scores"], expected["scores"][0], rtol=1e-5)


def replace_task(facts):
    return {**facts, "task": "landmarks"}


def test_pictures_are_cut_by_the_same_rules(page, networks, rng):
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    boxes = [[20, 10, 90, 100], [-20, -15, 150, 160], [5, 3, 100, 7], [40, 30, 9, 14]]
    pose = facts_of(spot_manifest())
    udp = facts_of(spot_manifest(encoding="udp"))
    official = facts_of(networks["landmarks"][1])
    affine = {**official, "decoding": {**official["decoding"], "rule": "affine"}}
    classes = facts_of(networks["classification"][1])
    source = """
      const g = await there("geometry.js");
      const { picture, boxes, pose, udp, official, affine, classes } = given;
      const cut = (facts) => boxes.map((box) =>
        g.cutOut(picture, g.cropOfBox(box, facts), facts).data);
      const faces = (facts) => boxes.map((box) => g.cutFace(picture, box, facts).data);
      return { pose: cut(pose), udp: cut(udp), official: faces(official),
        affine: faces(affine), classes: [g.centralCrop(picture, classes).data] };
    """
    facts = {"pose": pose, "udp": udp, "official": official, "affine": affine}
    facts["classes"] = classes
    found = page.ask(source, {"picture": as_map(image), "boxes": boxes, **facts})
    for name, kind in facts.items():
        expected = {
            "pose": lambda box, k=kind: decoder.crop(
                image, decoder.crop_matrix(box, k), k
            ),
            "official": lambda box, k=kind: decoder.crop_face(image, box, k),
            "classes": lambda box, k=kind: decoder.central_crop(image, k),
        }
        same = {"udp": "pose", "affine": "official"}.get(name, name)
        for data, box in zip(found[name], boxes, strict=False):
            right = expected[same](box).astype(int)
            off = np.abs(np.reshape(data, right.shape) - right)
            assert off.max() <= 1, (name, box)
            assert off.mean() < 0.01, (name, box)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_pictures_are_normalised_by_the_same_rules(page, order, rng):
    image = rng.integers(0, 256, (5, 7, 3), np.uint8)
    facts = facts_of(spot_manifest())
    facts["input"]["color_order"] = order
    source = """
      const { prepare } = await there("decoding.js");
      return [...prepare(given.picture, given.facts)];
    """
    found = page.ask(source, {"picture": as_map(image), "facts": facts})
    expected = decoder.prepare(image, facts)
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize("orientation", ["upright", "stored"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_as_the_manifest_says(
    page, figure, kind, orientation, tmp_path
):
    source = """
      const { readPicture } = await there("pictures.js");
      const file = await (await fetch(`data:image/png;base64,${given[0]}`)).blob();
      const { picture } = await readPicture(file, given[1]);
      return { ...picture, data: picture.data.filter((_, i) => i % 4 !== 3) };
    """
    for turn in range(1, 9) if kind == "JPEG" else (1, 6):
        exif, content = Image.Exif(), BytesIO()
        exif[0x0112] = turn
        picture = Image.fromarray(figure[:90])
        picture.save(content, kind, exif=exif, quality=95)
        path = tmp_path / f"turned.{kind.lower()}"
        path.write_bytes(content.getvalue())
        expected = read_image(path, orientation)
        encoded = base64.b64encode(content.getvalue()).decode()
        found = page.ask(source, [encoded, orientation])
        assert (found["height"], found["width"]) == expected.shape[:2]
        off = np.abs(np.reshape(found["data"], expected.shape) - expected.astype(int))
        assert off.mean() < (0.1 if kind == "PNG" else 2), turn
