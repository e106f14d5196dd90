"""MPII's release, MATLAB's structures, with all that may be missing in them."""

import json

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.pose.config import PartSection
from hrnet_tf.tasks.pose.head_scores import head_statistics
from hrnet_tf.tasks.pose.mpii import MpiiPeople
from support.mpii import (
    NOTHING,
    SIZES,
    people,
    rectangle,
    structures,
    write_heads,
    write_images,
)

MPII = KeypointSet.read("mpii")


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path)
    return tmp_path


def test_the_release_gives_the_same_people(folder):
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
    write_heads(found, folder / "gt_valid.mat")
    (folder / "valid.json").write_text(json.dumps(found))
    places = (str(folder / name) for name in ("valid.json", "images"))
    section = PartSection(*places, heads=str(folder / "gt_valid.mat"))
    official = MpiiPeople(section, MPII)
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
