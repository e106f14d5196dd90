"""MPII's files, and its metric as the official program has it."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import crop_matrix, crop_of_box, transform
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.pose.config import PartSection
from hrnet_tf.tasks.pose.head_scores import (
    GROUPS,
    NOT_JUDGED,
    head_statistics,
    pckh,
)
from hrnet_tf.tasks.pose.judges import HeadJudge
from hrnet_tf.tasks.pose.mpii import MpiiPeople
from support.memory import Memory
from support.mpii import people, write_heads, write_images
from support.official import read_arrays

MPII = KeypointSet.read("mpii")
ARRAYS = read_arrays("pose_extras", "mpii_pckh")
GIVEN = (
    ARRAYS["predictions_0_based"][..., :2] + 1,
    ARRAYS["ground_truth_1_based"],
    ARRAYS["missing"] == 0,
    ARRAYS["head_boxes"],
    MPII.names,
)


# The metric


def test_shares_are_those_of_the_original():
    found = head_statistics(*GIVEN)
    names = [str(name) for name in ARRAYS["measure_names"]]
    assert names == [*GROUPS, "Mean", "Mean@0.1"]
    ours = [found[name] for name in names[:-1]]
    # What the program prints as Mean@0.1 is taken at 0.11.
    ours.append(found["Mean@0.11"])
    np.testing.assert_allclose(100 * np.array(ours), ARRAYS["measures"], rtol=1e-12)
    tenth = ARRAYS["true_mean_at_0_1"]
    np.testing.assert_allclose(100 * found["Mean@0.1"], tenth, rtol=1e-12)


def test_shares_of_single_keypoints_are_those_of_the_original():
    for place, expected in enumerate(ARRAYS["pckh_by_joint"]):
        annotated = np.zeros_like(GIVEN[2])
        annotated[:, place] = GIVEN[2][:, place]
        found = pckh(*GIVEN[:2], annotated, *GIVEN[3:])
        groups = [g for g, members in GROUPS.items() if MPII.names[place] in members]
        groups += ["Mean"] * (MPII.names[place] not in NOT_JUDGED)
        for group in groups:
            assert 100 * found[group] == pytest.approx(expected)


def test_nothing_annotated_has_no_share():
    found = pckh(*GIVEN[:2], np.zeros_like(GIVEN[2]), *GIVEN[3:])
    assert set(found.values()) == {-1.0}


# Files


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path)
    return tmp_path


@pytest.fixture
def part(folder):
    """`part(change, ...)`: a part of the people above, changed."""

    def make(change=lambda found: None, on_error="stop", heads=True):
        found = people()
        write_heads(found, folder / "gt_valid.mat")
        change(found)
        (folder / "valid.json").write_text(json.dumps(found))
        section = PartSection(
            str(folder / "valid.json"),
            str(folder / "images"),
            heads=str(folder / "gt_valid.mat") if heads else None,
        )
        return MpiiPeople(section, MPII, on_error)

    return make


def test_people_are_cut_out_as_by_the_original(part):
    found = part().annotated()
    assert len(found) == 3
    np.testing.assert_array_equal(found.image_ids, [0, 0, 1])
    np.testing.assert_array_equal(found.image_sizes[:, 0], [120, 120, 90])
    # The official code: the centre moves down by 15 times the scale, the scale grows by
    # a quarter, and one is taken off the centre and all keypoints.
    centers, widths = crop_of_box(found.boxes, 1.0, 1.25)
    np.testing.assert_allclose(centers[0], [60 - 1, 50 + 15 * 0.4 - 1])
    np.testing.assert_allclose(widths, 0.4 * 1.25 * 200)
    expected = np.array(people()[0]["joints"]) - 1
    expected[2] = 0
    np.testing.assert_allclose(found.keypoints[0, :, :2], expected)
    np.testing.assert_array_equal(found.keypoints[0, :, 2], [1, 1, 0, *[1] * 13])
    matrices = crop_matrix(centers, widths, 0.0, (256, 256))
    middle = transform(centers[:, None], matrices)
    np.testing.assert_allclose(middle, np.full((3, 1, 2), 128.0), atol=1e-3)


def test_people_are_judged_by_the_official_ground_truth(part):
    heads = part().heads()
    assert len(heads) == 3
    np.testing.assert_allclose(heads.places[1], people()[1]["joints"])
    assert not heads.annotated[:, 2].any()
    assert heads.annotated.sum() == 45
    np.testing.assert_allclose(heads.boxes[0], [[10, 10], [22, 26]])


def broken(**changes):
    def change(found):
        found[1].update(changes)

    return change


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"center": [-1, -1]}, r"person 1 \(a\.jpg\): `center` must be x and y"),
        ({"center": "left"}, "`center` must be x and y in pixels, got 'left'"),
        ({"scale": 0}, "`scale` must be a positive number, got 0"),
        ({"joints": [[1, 2]]}, "`joints` must be 16 pairs of x and y"),
        ({"joints_vis": None}, "`joints_vis` must be 16 numbers, got None"),
        ({"image": 7}, "`image` must name a file, got 7"),
        ({"image": "../../x.jpg"}, "leads out of the folder"),
        ({"image": "c.jpg"}, "the image file does not exist"),
        ({"center": [5000.0, 50.0]}, "lies outside the image of 160x120"),
    ],
)
def test_broken_people_are_named_or_skipped(part, changes, text):
    with pytest.raises(InputError, match=text):
        part(broken(**changes)).annotated()
    kept = part(broken(**changes), "skip")
    assert len(kept.annotated()) == 2
    assert len(kept.broken) == 1


def test_the_ground_truth_must_be_of_the_same_people(part):
    with pytest.raises(InputError, match="is of 3 people, the annotations are of 2"):
        part(lambda found: found.pop()).heads()

    def others(found):
        for person in found:
            person["joints"] = [[x + 30, y] for x, y in person["joints"]]

    with pytest.raises(InputError, match="has other places than the annotations"):
        part(others).heads()
    with pytest.raises(InputError, match=r"`data\.validation\.heads` must name"):
        part(heads=False).heads()


def test_other_files_are_told_from_mpiis(folder, part):
    made = part()
    (folder / "gt_valid.mat").write_bytes(b"no such thing")
    with pytest.raises(InputError, match="is no MATLAB file"):
        made.heads()
    savemat(folder / "gt_valid.mat", {"something": np.ones(3)})
    with pytest.raises(InputError, match="it has no pos_gt_src"):
        made.heads()
    with pytest.raises(InputError, match="it must hold a list of people"):
        _of(folder, {"images": []})
    with pytest.raises(InputError, match="nobody has `joints`; MPII's test set"):
        _of(folder, [{"image": "a.jpg", "center": [1, 2], "scale": 1.0}])
    with pytest.raises(InputError, match="it has no RELEASE"):
        MpiiPeople(PartSection(str(folder / "gt_valid.mat"), str(folder)), MPII)
    with pytest.raises(InputError, match="must be mpii, or have its 16 names"):
        MpiiPeople(PartSection("x.json", "y"), KeypointSet.read("coco"))
    with pytest.raises(InputError, match=r"leave `boxes` \(z\.json\) out"):
        MpiiPeople(PartSection("x.json", "y", "z.json"), MPII)


def _of(folder, content):
    (folder / "other.json").write_text(json.dumps(content))
    return MpiiPeople(PartSection(str(folder / "other.json"), str(folder)), MPII)


# The whole way


def test_what_training_shows_is_found_by_an_evaluation(folder, part, configured):
    """Whoever reads, cuts or maps back otherwise in one of both finds nobody."""
    part()
    settings = [
        f"data.{section}.{key}={value}"
        for section in ("train", "validation")
        for key, value in (
            ("annotations", folder / "valid.json"),
            ("images", folder / "images"),
        )
    ]
    heads = f"data.validation.heads={folder / 'gt_valid.mat'}"
    still = ("rotation", "scale", "flip_probability", "half_body_probability")
    config = configured(
        *settings,
        heads,
        *("data.format=mpii", "data.keypoints=mpii", "model.size=[64,64]"),
        *(f"data.augmentation.{name}=0" for name in still),
        *("train.batch_size=3", "evaluate.flip=false"),
    )
    experiment = make_experiment(config)
    manifest = experiment.make_manifest()
    training = experiment.training_data(manifest)
    images, keypoints = next(iter(training.batches(range(1), 1)))
    maps, _ = manifest.codec.encode(keypoints, manifest.output.size)
    evaluator = experiment.evaluator(manifest)
    assert evaluator.monitor == "Mean"
    network = Memory([images], [maps])
    predictor = experiment.predictor.from_network(network, evaluator.manifest)
    evaluation = evaluator.evaluate(predictor)
    assert evaluation.statistics["Mean"] == 1
    assert [entry["image"] for entry in evaluation.results] == ["a.jpg"] * 2 + ["b.png"]
    lines = evaluation.table().splitlines()
    assert lines[0].split() == [*GROUPS, "Mean"]
    assert lines[2].split()[0] == "Head@0.1"
    assert lines[4].split() == ["Mean@0.11"]
    assert lines[6] == "3 people, 0 skipped"
    for survey in (training.survey(), evaluator.survey()):
        assert survey.counts["right_hip"] == 0
        assert survey.counts["head_top"] == 3


def test_whoever_cannot_be_read_does_not_count(folder, part, configured):
    part()
    broken = (folder / "images" / "b.png").read_bytes()
    (folder / "images" / "b.png").write_bytes(broken[: len(broken) // 2])
    section = PartSection(
        str(folder / "valid.json"),
        str(folder / "images"),
        heads=str(folder / "gt_valid.mat"),
    )
    judge = HeadJudge(MpiiPeople(section, MPII, "skip"), MPII)
    people = judge.part.annotated()  # its header is whole, its pixels are not
    assert len(people) == 3
    kept = people.take(np.arange(2))
    places = judge.heads.places[:2] - 1
    statistics, results = judge.judge(kept, places, np.ones((2, 16)), set())
    assert statistics["Mean@0.1"] == 1
    assert [entry["person"] for entry in results] == [0, 1]
