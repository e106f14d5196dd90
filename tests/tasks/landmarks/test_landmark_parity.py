"""Crops, targets, decoding and errors of the official program, recorded."""

import json

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.landmarks.codec import NOWHERE, LandmarkCodec
from hrnet_tf.tasks.landmarks.crop import crop_face
from hrnet_tf.tasks.landmarks.geometry import (
    FaceGeometry,
    Views,
    face_matrices,
    upright,
    whole_cells,
    whole_pixels,
)
from hrnet_tf.tasks.landmarks.in_graph import crop_faces
from hrnet_tf.tasks.landmarks.in_graph import whole_pixels as whole_pixels_in_graph
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.losses import LandmarkLoss
from hrnet_tf.tasks.landmarks.metrics import face_errors, normalisers
from support.official import FIXTURES, read_arrays

SETS = {"AFLW": 19, "COFW": 29, "300W": 68, "WFLW": 98}


def one_view(center, scale, rotation=0.0):
    return Views(
        np.asarray(center, np.float32)[None],
        np.array([scale]),
        np.array([rotation]),
        np.zeros(1, bool),
        np.zeros(1, np.int64),
    )


def with_weight(points):
    return np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)


def test_transforms():
    case = read_arrays("landmarks", "transforms")
    for row in range(len(case["scale"])):
        names = ("center", "scale", "rotation_degrees")
        view = one_view(*(case[name][row] for name in names))
        matrices = face_matrices(view, int(case["size"][row]))
        np.testing.assert_allclose(matrices[0], case["matrix"][row], atol=1e-9)
        cells = whole_cells(case["points"][row][None], matrices)
        np.testing.assert_array_equal(cells[0] + 1, case["points_plus_1_forward"][row])
        pixels = whole_pixels(case["map_points"][row][None] - 1, matrices)
        np.testing.assert_array_equal(pixels[0], case["map_points_inverse"][row])


@pytest.mark.parametrize("number", range(7))
def test_crops(number):
    case = read_arrays("landmarks", "crops")
    name = f"crop{number}"
    image, center = case[f"{name}_image"], case[f"{name}_center"]
    scale, rotation = float(case[f"{name}_scale"]), float(case[f"{name}_rotation"])
    crop = crop_face(image, center, scale, rotation, 256)
    np.testing.assert_array_equal(crop[::4, ::4], case[f"{name}_output_every_4th"])
    np.testing.assert_array_equal(crop[100:108], case[f"{name}_output_rows_100_to_108"])
    np.testing.assert_allclose(crop.mean(axis=(0, 1)), case[f"{name}_mean"])
    if rotation:
        return
    sides = np.array([200 * scale], np.float32)
    served = crop_faces(image, np.float32(center[None]), sides, 256, True)[0].numpy()
    assert np.abs(served.astype(int) - crop).max() <= 1


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_targets(sigma):
    case = read_arrays("landmarks", "heatmap_targets")
    points = with_weight(case[f"sigma{sigma}_zero_based_points"])
    maps, weights = LandmarkCodec(sigma).encode(tf.constant(points[None]), (64, 64))
    recorded = case[f"sigma{sigma}_heatmaps"].transpose(1, 2, 0)
    np.testing.assert_allclose(maps[0], recorded, atol=1e-6)
    assert weights.numpy().all()


def test_a_landmark_nowhere_has_an_empty_map():
    points = np.array([[[NOWHERE, 5, 1], [5, NOWHERE, 1]]])
    for whole in (True, False):
        maps, _ = LandmarkCodec(whole=whole).encode(points, (16, 16))
        assert not maps.numpy().any()


def test_decoding():
    case = read_arrays("landmarks", "decode")
    heatmaps = case["heatmaps"].astype(np.float32).transpose(0, 2, 3, 1)
    highest, _ = LandmarkCodec(refinement="none").decode(heatmaps)
    np.testing.assert_array_equal(highest.numpy() + 1, case["argmax_1_based"])
    cells, scores = LandmarkCodec().decode(heatmaps)
    np.testing.assert_array_equal(scores, heatmaps.max(axis=(1, 2)))
    views = upright(case["center"], case["scale"], 1.0)
    found = FaceGeometry().to_image(cells.numpy(), views)
    np.testing.assert_array_equal(found, case["points"])
    sides = np.float32(200 * case["scale"])
    served = whole_pixels_in_graph(cells, np.float32(case["center"]), sides, 64)
    assert np.abs(served.numpy() - case["points"]).max() <= 1
    assert (served.numpy() == case["points"]).mean() > 0.999


@pytest.mark.parametrize(("name", "count"), SETS.items())
def test_errors(name, count):
    case = read_arrays("protocol", "landmark_nme")
    landmarks = LandmarkSet.read(name.lower())
    points = with_weight(case[f"target_{count}"])
    divisors = normalisers(points, landmarks, case[f"box_size_{count}"])
    errors = face_errors(case[f"pred_{count}"], points, divisors)
    np.testing.assert_allclose(errors, case[f"nme_{count}"], rtol=1e-6)


@pytest.mark.parametrize(("name", "count"), SETS.items())
def test_mirrors(name, count):
    path = FIXTURES / "landmarks" / "flip_permutations.json"
    recorded = json.loads(path.read_text())[name]
    landmarks = LandmarkSet.read(name.lower())
    assert len(landmarks) == count
    np.testing.assert_array_equal(landmarks.mirror, recorded)


def test_the_loss_draws_the_recorded_targets():
    case = read_arrays("landmarks", "training_landmarks_w18_adam")
    targets = case["targets"].transpose(0, 2, 3, 1)
    points = with_weight(case["points"])
    points[:, 5, :2] = NOWHERE  # has no target, but its empty map counts
    maps, _ = LandmarkCodec(1.5).encode(points, (32, 32))
    np.testing.assert_allclose(maps, targets, atol=1e-6)
    predicted = np.random.default_rng(0).random(targets.shape).astype(np.float32)
    loss = LandmarkLoss(1.5)(points, predicted)
    assert float(loss) == pytest.approx(np.square(predicted - targets).mean(), rel=1e-5)
