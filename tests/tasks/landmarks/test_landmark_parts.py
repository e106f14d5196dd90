"""Sets, losses, scores, pictures and facts of facial landmarks, each by itself."""

from pathlib import Path

import keras
import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.files import read_image
from hrnet_tf.images.plots import draw_error_curves
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.landmarks.checkpoint import NETWORK
from hrnet_tf.tasks.landmarks.drawing import (
    LEFT,
    MIDDLE,
    RIGHT,
    draw_landmarks,
    landmark_colors,
    show_landmarks,
)
from hrnet_tf.tasks.landmarks.evaluator import LandmarkEvaluation, in_crop
from hrnet_tf.tasks.landmarks.landmark_set import FOLDER, LandmarkSet
from hrnet_tf.tasks.landmarks.losses import LandmarkLoss
from hrnet_tf.tasks.landmarks.metrics import (
    LandmarkScores,
    face_errors,
    normalisers,
    statistics,
)

THREE = LandmarkSet(
    "three",
    ("left_eye", "right_eye", "tip"),
    (("left_eye", "right_eye"),),
    contours=(("left_eye", "tip", "right_eye", "left_eye"),),
    normaliser=("left_eye", "right_eye"),
)


# Sets


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_sets_are_whole(path):
    landmarks = LandmarkSet.read(path.stem)
    mirror = landmarks.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(landmarks)))
    others = [landmarks.names[index] for index in mirror]
    for name, other in zip(landmarks.names, others, strict=True):
        if name.startswith(("left_", "right_")):
            assert name.split("_")[0] != other.split("_")[0]
            assert name.split("_")[1] == other.split("_")[1]
    lines = {frozenset(line.tolist()) for line in landmarks.lines}
    assert lines == {frozenset(mirror[list(line)].tolist()) for line in lines}
    if landmarks.ends:
        first, second = landmarks.ends
        assert mirror[first] == second


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("contours: [[a]]", "`contours` must hold lists of two names or more"),
        ("contours: [[a, x]]", "unknown landmark x; did you mean"),
        ("normaliser: [a, a]", "`normaliser` must hold pairs of two names"),
        ("flip_pairs: [[a, b], [a, c]]", "names a twice"),
    ],
)
def test_mistakes_in_sets_are_named(change, sentence, tmp_path):
    path = tmp_path / "own.yaml"
    pairs = "" if "flip" in change else "flip_pairs: []\n"
    path.write_text(f"name: own\nnames: [a, b, c]\n{pairs}{change}\n")
    with pytest.raises(InputError, match="Landmark set own: ") as error:
        LandmarkSet.read(path)
    assert sentence in str(error.value)


# Scores


def test_statistics_by_hand():
    found = statistics(np.array([0.02, 0.08, 0.09, 0.2]))
    assert found == pytest.approx(
        {
            "NME": 0.0975,
            "FR@0.08": 0.5,  # strictly above
            "FR@0.10": 0.25,
            "AUC@0.08": 0.06 / 0.08 / 4,
            "AUC@0.10": (0.08 + 0.02 + 0.01) / 0.1 / 4,
        }
    )


def test_an_area_is_that_under_the_curve():
    errors = np.random.default_rng(0).gamma(2, 0.03, 500)
    bounds = np.linspace(0, 0.08, 20001)
    shares = (errors[None] <= bounds[:, None]).mean(axis=1)
    assert statistics(errors)["AUC@0.08"] == pytest.approx(shares.mean(), abs=1e-4)


def test_points_that_are_not_annotated_do_not_count():
    points = np.array([[[0, 0, 1], [10, 0, 1], [5, 5, 0]]] * 2, float)
    points[1, 1, 2] = 0
    divisors = normalisers(points, THREE, np.array([50.0, 50.0]))
    assert divisors[0] == 10
    assert np.isnan(divisors[1])
    found = points[..., :2] + np.array([3, 4])
    errors = face_errors(found, points, divisors)
    assert errors[0] == pytest.approx(0.5)
    assert np.isnan(errors[1])
    boxed = LandmarkSet("boxed", ("a",), ())
    assert normalisers(points[:, :1], boxed, np.array([50.0, 0.0]))[0] == 50


def test_a_table_has_a_line_for_each_subset():
    errors = np.array([0.02, 0.04, np.nan, np.nan])
    subsets = {
        "blur": np.array([True, False, False, False]),
        "none": np.array([False, False, True, False]),
    }
    scores = LandmarkScores(errors, subsets)
    evaluation = LandmarkEvaluation(scores, ("a", "b", "c", "d"), 1, 3)
    lines = evaluation.table().splitlines()
    assert lines[1].split()[:3] == ["all", "2", "3.00"]
    assert lines[2].split()[:3] == ["blur", "1", "2.00"]
    assert lines[3:] == [
        "4 faces, 1 skipped",
        "1 faces are not judged: what errors are divided by is not annotated",
        "3 more faces are in no detected box",
    ]
    assert evaluation.facts()["subsets"].keys() == {"all", "blur"}


def test_curves_are_drawn(tmp_path):
    path = tmp_path / "curves.png"
    errors = {"all": np.array([0.01, 0.3]), "blur": np.array([0.05])}
    draw_error_curves(errors, 0.1, "NME", path)
    assert read_image(path).std() > 10


# Losses


def test_the_loss_leaves_out_what_is_not_annotated():
    rng = np.random.default_rng(0)
    points = np.array([[[3, 4, 1], [5, 6, 0]], [[7, 8, 1], [2, 2, 1]]], np.float32)
    maps = rng.random((2, 16, 16, 2)).astype(np.float32)
    other = maps.copy()
    other[0, ..., 1] += 1
    loss = LandmarkLoss(1.5, whole=False)
    assert float(loss(points, maps)) == float(loss(points, other))
    weighted = float(loss(points, maps, np.array([1.0, 0.0])))
    assert 2 * weighted == pytest.approx(float(loss(points[:1], maps[:1])), rel=1e-5)


def test_the_loss_takes_another_one_between_heatmaps():
    points = np.array([[[3, 4, 1], [5, 6, 1]]], np.float32)
    maps = np.random.default_rng(0).random((1, 16, 16, 2)).astype(np.float32)
    own = LandmarkLoss(1.5)
    same = LandmarkLoss(1.5, loss=keras.losses.MeanSquaredError())
    assert float(own(points, maps)) == pytest.approx(float(same(points, maps)))
    again = LandmarkLoss.from_config(same.get_config())
    assert float(again(points, maps)) == float(same(points, maps))
    with pytest.raises(InputError, match=r"of shape \(batch, 2, 3\)"):
        own(points[:, :1], maps)


# Pictures


def face(scores=(1, 1, 1)):
    points = np.array([[40, 20], [20, 20], [30, 50]])
    return in_crop(points, np.array(scores), THREE, 64)


def test_colours_say_the_side():
    assert landmark_colors(THREE) == [LEFT, RIGHT, MIDDLE]


def test_points_and_contours_are_drawn_where_they_are():
    image = np.full((64, 64, 3), 90, np.uint8)
    drawn = draw_landmarks(image, face())
    assert (image == 90).all()
    np.testing.assert_array_equal(drawn[20, 40], LEFT)
    np.testing.assert_array_equal(drawn[20, 20], RIGHT)
    assert (drawn[20, 30] != 90).any()  # the line between the eyes
    hidden = draw_landmarks(image, face((1, 0.1, 1)))
    assert (hidden[20, 20] == 90).all()
    assert (hidden[20, 30] == 90).all()
    boxed = draw_landmarks(image, face(), boxes=True)
    assert (boxed[0, 30] != 90).any()


def test_small_pictures_are_enlarged_and_empty_ones_say_so():
    image = np.full((64, 80, 3), 90, np.uint8)
    assert show_landmarks(image, face()).shape == (256, 320, 3)
    nothing = show_landmarks(image, face((0, 0, 0)))
    assert (nothing != 90).any()


# Facts of checkpoints


def made(arguments, labels=None, encoding=NETWORK.encodings[0]):
    """The facts of a converted checkpoint."""
    given = ImageInput(256, 256)
    return NETWORK.manifest("t", given, arguments, labels, Path("x"), encoding=encoding)


@pytest.mark.parametrize(
    ("count", "name", "sigma"),
    [(98, "wflw", 1.5), (68, "300w", 1.0), (29, "cofw", 1.5)],
)
def test_a_checkpoint_tells_its_set_by_the_number_of_points(count, name, sigma):
    manifest = made({"landmarks": count})
    assert (manifest.landmarks.name, manifest.decoding.sigma) == (name, sigma)
    assert manifest.decoding.rule == "official"
    assert made({"landmarks": count}, encoding="affine").decoding.rule == "affine"
    assert manifest.decoding.stretched_twice is (name != "cofw")
    assert manifest.output.size == (64, 64)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [(None, "finds 5 landmarks, as no published set"), ("aflw", "the set aflw has 19")],
)
def test_other_numbers_of_points_need_a_set(labels, sentence):
    with pytest.raises(InputError, match=sentence):
        made({"landmarks": 5}, labels)
