"""MPII's files, and its metric as the official program has it."""

import json

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.pictures import write_image
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

SIZES = {"a.jpg": (120, 160), "b.png": (90, 140)}


def people():
    """Three people of two images, as the official JSON has them, near one another."""
    rng = np.random.default_rng(3)
    found = []
    for image, center in (("a.jpg", 60.0), ("a.jpg", 100.0), ("b.png", 70.0)):
        joints = np.round(rng.uniform(-25, 25, (16, 2)) + np.array([center, 50]), 1)
        visible = np.ones(16, int)
        visible[2], joints[2] = 0, -1
        found.append(
            {
                "image": image,
                "center": [center, 50.0],
                "scale": 0.4,
                "joints": joints.tolist(),
                "joints_vis": visible.tolist(),
            }
        )
    return found


def heads_of(found, path):
    """The official ground truth of these people."""
    joints = np.array([person["joints"] for person in found])
    visible = np.array([person["joints_vis"] for person in found])
    corners = np.array([[[10.0, 10.0], [22.0, 26.0]]] * len(found))
    savemat(
        path,
        {
            "dataset_joints": np.array([["rank"]], dtype=object),
            "jnt_missing": 1 - visible.T,
            "pos_gt_src": joints.transpose(1, 2, 0),
            "headboxes_src": corners.transpose(1, 2, 0),
        },
    )


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in SIZES.items():
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        write_image(tmp_path / "images" / name, image)
    return tmp_path


@pytest.fixture
def part(folder):
    """`part(change, ...)`: a part of the people above, changed."""

    def make(change=lambda found: None, on_error="stop", heads=True):
        found = people()
        heads_of(found, folder / "gt_valid.mat")
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


def structures(rows):
    """An array of MATLAB's structures with the same fields."""
    array = np.zeros(len(rows), [(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        for name, value in row.items():
            array[place][name] = value
    return array


def test_the_release_gives_the_same_people(folder, part):
    found = people()
    annolist = []
    for image in SIZES:
        rectangles = [rectangle(each) for each in found if each["image"] == image]
        alone = dict.fromkeys(rectangles[0], NOTHING)  # a head alone
        alone |= {"x1": 1.0, "y1": 1.0, "x2": 2.0, "y2": 2.0}
        rectangles.append(alone)
        annolist.append({"image": {"name": image}, "annorect": structures(rectangles)})
    annolist.append({"image": {"name": "test.jpg"}, "annorect": NOTHING})
    released = {"annolist": structures(annolist), "img_train": np.array([1, 1, 0])}
    path = folder / "release.mat"
    savemat(path, {"RELEASE": released})
    ours = MpiiPeople(PartSection(str(path), str(folder / "images")), MPII)
    official = part()
    for column in ("boxes", "keypoints", "image_sizes", "image_ids"):
        expected = getattr(official.annotated(), column)
        np.testing.assert_allclose(getattr(ours.annotated(), column), expected)
    for column in ("places", "annotated", "boxes"):
        seen = official.heads().annotated
        expected = getattr(official.heads(), column)
        given = getattr(ours.heads(), column)
        if column == "places":
            expected, given = expected[seen], given[seen]
        np.testing.assert_allclose(given, expected)
    assert "3 people with keypoints in the training images" in ours.notes[0]


NOTHING = np.zeros((0, 0))  # MATLAB's []


def rectangle(person, **changes):
    """A person of the release; the visibility of a keypoint is text, or nothing."""
    points = [
        {"id": i, "x": x, "y": y, "is_visible": "1" if i < 8 else NOTHING}
        for i, (x, y) in enumerate(person["joints"])
        if person["joints_vis"][i]
    ]
    return {
        **{"x1": 10.0, "y1": 10.0, "x2": 22.0, "y2": 26.0},
        "annopoints": {"point": structures(points)},
        "scale": person["scale"],
        "objpos": dict(zip("xy", person["center"], strict=True)),
        **changes,
    }


def test_the_release_lacks_this_and_that(folder):
    """Fields differ from image to image, and may be empty; one of a kind is no list."""
    first, second, third = people()
    one_point = {"point": {"id": 9, "x": 55.0, "y": 21.0, "is_visible": NOTHING}}
    faceless = rectangle(third)
    for corner in ("x1", "y1", "x2", "y2"):
        del faceless[corner]
    trained = {
        "several people": structures(
            [
                rectangle(first, annopoints=NOTHING),
                rectangle(first, scale=NOTHING),
                rectangle(first, objpos=NOTHING),
                rectangle(first, objpos={"x": NOTHING, "y": NOTHING}),
                rectangle(second),
            ]
        ),
        "one person": rectangle(first, annopoints=one_point, head_r11=3, part_occ1=0),
        "no head": faceless,
        "nobody": NOTHING,
        "no points": structures([{"scale": 1.0, "objpos": {"x": 3, "y": 4}}] * 2),
        "no keypoint": rectangle(first, annopoints={"point": NOTHING}),
    }
    names = ["a.jpg", "a.jpg", "b.png", *["missing.jpg"] * 3]
    annolist = [
        {"image": {"name": name}, "annorect": each, "frame_sec": NOTHING}
        for name, each in zip(names, trained.values(), strict=True)
    ]
    unlabelled = structures([{"scale": 1.0, "objpos": {"x": 3, "y": 4}}])
    annolist.append(
        {"image": {"name": "t.jpg"}, "annorect": unlabelled, "frame_sec": 7}
    )
    flags = np.array([1] * 6 + [0], np.uint8)
    path = folder / "release.mat"
    release = {"annolist": structures(annolist), "img_train": flags, "version": "12"}
    savemat(path, {"RELEASE": release})
    ours = MpiiPeople(PartSection(str(path), str(folder / "images")), MPII)
    found = ours.annotated()
    assert [name.split(" (")[0] for name in found.sources] == [
        "person 4 of a.jpg",
        "person 0 of a.jpg",
        "person 0 of b.png",
    ]
    assert found.keypoints[1, :, 2].tolist() == [*[0] * 9, 1, *[0] * 6]
    np.testing.assert_allclose(found.keypoints[1, 9, :2], [54, 20])
    heads = ours.heads()
    assert heads.annotated.sum(axis=1).tolist() == [15, 1, 0]
    for start in (
        "6 people with keypoints in the training images",
        "3 of them have no centre (objpos) or no scale and are left out",
        "1 people have no box of the head and are not judged",
    ):
        assert any(line.startswith(start) for line in ours.notes)
    statistics = head_statistics(
        *(heads.places, heads.places, heads.annotated, heads.boxes), MPII.names
    )
    assert statistics["Mean"] == 1


def test_a_release_of_another_version_says_what_to_do(folder):
    with h5py.File(folder / "release.mat", "w") as file:
        file["RELEASE"] = 1
    section = PartSection(str(folder / "release.mat"), str(folder))
    with pytest.raises(InputError, match=r"version 7\.3, .* save its variables again"):
        MpiiPeople(section, MPII)


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
