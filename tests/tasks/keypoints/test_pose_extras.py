"""UDP and DARK, and suppression of people, as the original programs have them."""

import json

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import HeatmapCodec, KeypointSet
from hrnet_tf.images.preprocess import crop_matrix
from hrnet_tf.tasks.keypoints.coco_scores import suppress, suppress_softly
from hrnet_tf.tasks.keypoints.heatmaps import flip_back
from support.official import FIXTURES, read_arrays

ARRAYS = read_arrays("pose_extras", "udp_dark")
# Of the recorded programs: how targets are drawn, and how they are decoded.
RULES = {
    "udp": ("udp", "udp"),
    "dark": ("dark", "dark"),
    "plain": ("plain", "quarter_by_axis"),
}


def of_case(case):
    """Arrays of a case, the size of its maps, and of its crops (width, height)."""
    found = {
        name.removeprefix(f"{case}/"): array
        for name, array in ARRAYS.items()
        if name.startswith(f"{case}/")
    }
    return found, tuple(map(int, found["map_size_wh"][::-1])), found["input_size_wh"]


def codec_of(rule, arrays):
    encoding, refinement = RULES[rule]
    return HeatmapCodec(4, float(arrays["sigma"]), refinement, encoding)


def with_weights(arrays):
    return np.concatenate([arrays["keypoints"], arrays["visible"][..., None]], axis=-1)


def in_pixels(cells, size, input_wh, unbiased):
    """Cells to pixels of the input, as the recorded program counts them."""
    width_height = np.array(size[::-1]) - (1 if unbiased else 0)
    return cells / width_height * input_wh


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("case", "step"), [("a", 1), ("b", 3)])
def test_targets_are_those_of_the_original(case, step, rule):
    arrays, size, _ = of_case(case)
    codec = codec_of(rule, arrays)
    heatmaps, weights = codec.encode(tf.constant(with_weights(arrays)), size)
    found = heatmaps.numpy()[0].transpose(2, 0, 1)[:, ::step, ::step]
    np.testing.assert_allclose(found, arrays[f"{rule}_targets"], atol=1e-5)
    np.testing.assert_array_equal(weights, arrays[f"{rule}_weights"])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("case", ["a", "b"])
def test_decoding_is_that_of_the_original(case, rule):
    arrays, size, input_wh = of_case(case)
    codec = codec_of(rule, arrays)
    heatmaps = arrays["heatmaps"].astype(np.float32).transpose(1, 2, 0)[None]
    cells, scores = codec.decode(tf.constant(heatmaps))
    np.testing.assert_array_equal(scores, arrays[f"{rule}_scores"])
    found = in_pixels(cells.numpy(), size, input_wh, codec.unbiased)
    # The first two maps have no value above 0, for which the programs give no place.
    np.testing.assert_array_equal(cells[0, :2], np.zeros((2, 2)))
    expected = arrays[f"{rule}_points"]
    np.testing.assert_allclose(found[:, 2:], expected[:, 2:], rtol=0, atol=1e-3)


OFFSETS = HeatmapCodec(4, 2.0, "none", "udp_offsets")


def test_targets_with_offsets_are_those_of_the_original():
    arrays = {name: ARRAYS[f"combined/{name}"] for name in ("keypoints", "visible")}
    maps, weights = OFFSETS.encode(tf.constant(with_weights(arrays)), (64, 48))
    found = maps.numpy()[0].transpose(2, 0, 1)[:18, ::2, ::2]
    expected = ARRAYS["combined/targets_first_6_joints_every_2nd"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(weights, ARRAYS["combined/weights"])


def test_decoding_with_offsets_is_that_of_the_original():
    maps = ARRAYS["combined/predicted"].astype(np.float32).transpose(1, 2, 0)[None]
    cells, scores = OFFSETS.decode(tf.constant(maps))
    found = in_pixels(cells.numpy(), (64, 48), (192, 256), True)
    np.testing.assert_allclose(found, ARRAYS["combined/points"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(scores, ARRAYS["combined/scores"], rtol=1e-3)


def test_crops_are_those_of_the_original():
    centers, boxes = ARRAYS["warp/center"], ARRAYS["warp/box_wh"]
    rotations, size = ARRAYS["warp/rotation"], (256, 192)
    plain = crop_matrix(centers, boxes[:, 0], rotations, size)
    np.testing.assert_allclose(plain, ARRAYS["warp/plain"], rtol=1e-6, atol=1e-4)
    # The recorded program turns the other way round here; our sign is the same in both.
    ours = crop_matrix(centers, boxes[:, 0], -rotations, size, unbiased=True)
    np.testing.assert_allclose(ours, ARRAYS["warp/udp"], rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("encoding", ["udp", "udp_offsets"])
def test_a_mirrored_crop_answers_at_the_same_places(encoding, rng):
    # Middles of pixels are mirrored onto middles of pixels: there is nothing to shift.
    refinement = "udp" if encoding == "udp" else "none"
    codec = HeatmapCodec(4, 2.0, refinement, encoding)
    points = np.ones((1, 4, 3), np.float32)
    points[..., :2] = rng.uniform(30, 160, (1, 4, 2))
    mirror = np.array([1, 0, 2, 3])
    mirrored = points[:, mirror] * [-1, 1, 1] + [191, 0, 0]
    maps, _ = codec.encode(tf.constant(points), (64, 48))
    there, _ = codec.encode(tf.constant(mirrored, tf.float32), (64, 48))
    back = flip_back(there, mirror, encoding=encoding)
    np.testing.assert_allclose(back, maps, atol=1e-5)
    cells, _ = codec.decode(back)
    found = codec.in_pixels(cells.numpy(), (64, 48))
    np.testing.assert_allclose(found, points[..., :2], atol=0.05)


@pytest.mark.parametrize("encoding", ["plain", "dark", "udp"])
def test_pixels_and_cells_are_told_from_one_another(encoding):
    codec = HeatmapCodec(4, encoding=encoding)
    last = [191.0, 255.0]
    expected = [47, 63] if codec.unbiased else [47.75, 63.75]
    np.testing.assert_allclose(codec.in_cells(np.array(last), (64, 48)), expected)
    back = codec.in_pixels(np.array(expected), (64, 48))
    np.testing.assert_allclose(back, last, rtol=1e-6)


# Who is reported


SUPPRESSED = read_arrays("pose_extras", "oks_nms")


@pytest.mark.parametrize("name", [n for n in SUPPRESSED if "keep" in n])
def test_people_are_suppressed_as_by_the_original(name):
    kind, threshold = name.rsplit("_", 1)
    crowd = kind.startswith("crowdpose")
    keypoints = KeypointSet.read("crowdpose" if crowd else "coco")
    points = SUPPRESSED["keypoints"][:, : len(keypoints), :2]
    choose = suppress_softly if kind.startswith("soft") else suppress
    people = points, SUPPRESSED["scores"], SUPPRESSED["areas"]
    found = choose(*people, keypoints.sigmas, float(threshold))
    np.testing.assert_array_equal(found, SUPPRESSED[name])


def test_the_keypoints_of_crowdpose_are_those_of_its_program():
    path = FIXTURES / "pose_extras" / "crowdpose_meta.json"
    recorded, ours = json.loads(path.read_text()), KeypointSet.read("crowdpose")
    # The annotations themselves say `head` for what that program calls `top_head`.
    names = [name.replace("top_head", "head") for name in recorded["joints"]]
    assert list(ours.names) == names
    np.testing.assert_array_equal(ours.mirror, recorded["flip_index"])
    assert list(ours.sigmas) == recorded["oks_sigmas"]
    assert list(ours.weights) == recorded["joint_weights_mmpose"]
    np.testing.assert_array_equal(np.flatnonzero(ours.upper), recorded["upper_body"])
