"""CrowdPose's metric, as its program has it."""

import copy

import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.coco_files import index
from hrnet_tf.tasks.keypoints.config import CocoSection
from hrnet_tf.tasks.keypoints.crowd_scores import (
    BOX_SHARE,
    crowd_average_precision,
)
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from support.official import read_case

CASE = read_case("bottom_up", "crowdpose_ap")
SIGMAS = KeypointSet.read("crowdpose").sigmas
# Of that program's statistics, what ours are called.
NAMES = {
    "AP": "AP",
    "AP .5": "AP50",
    "AP .75": "AP75",
    "AR": "AR",
    "AR .5": "AR50",
    "AR .75": "AR75",
    "AP easy": "AP_easy",
    "AP medium": "AP_medium",
    "AP hard": "AP_hard",
}


def judged(change=lambda data: None, **given):
    data = copy.deepcopy(CASE["ground_truth"])
    change(data)
    return crowd_average_precision(index(data), CASE["results"], 1, SIGMAS, **given)


def test_precision_is_that_of_the_original():
    found, expected = judged(), CASE["expected"]
    assert set(NAMES) == set(expected)
    for theirs, ours in NAMES.items():
        # The program rounds those by crowdedness to four digits.
        limit = 5.1e-5 if theirs.endswith(("easy", "medium", "hard")) else 1e-9
        assert found[ours] == pytest.approx(expected[theirs], abs=limit)


def test_areas_are_those_of_boxes_whatever_is_annotated():
    def with_areas(data):
        for item in data["annotations"]:
            item["area"] = 7.0

    assert judged(with_areas) == judged()


def test_images_are_parted_as_by_the_original():
    for split in ("easy", "medium", "hard"):
        others = [
            number
            for name, numbers in CASE["splits"].items()
            if name != split
            for number in numbers
        ]
        found = judged(left_out=others)
        assert found[f"AP_{split}"] == pytest.approx(judged()[f"AP_{split}"])
        empty = {"easy", "medium", "hard"} - {split}
        assert all(found[f"AP_{name}"] == -1 for name in empty)


def test_without_predictions_nothing_is_found():
    everywhere = [image["id"] for image in CASE["ground_truth"]["images"]]
    assert set(judged(left_out=everywhere).values()) == {0.0}


# Its files


@pytest.fixture
def crowd(edited, coco_set):
    """The drawn people as CrowdPose has them: with a crowd index, without areas."""

    def make(crowds=True, change=lambda data: None):
        def as_crowd(data):
            for number, image in enumerate(data["images"]):
                image["crowdIndex"] = number / len(data["images"])
            for item in data["annotations"]:
                del item["area"]
            change(data)

        section = edited(as_crowd)
        assert isinstance(section, CocoSection)
        return CocoKeypoints(section, coco_set, "stop", crowds)

    return make


def test_areas_of_crowdpose_are_a_share_of_the_boxes(crowd):
    part = crowd()
    (line,) = (line for line in part.notes if "`area`" in line)
    assert "0.53 of the box's is taken, as the data set's own metric has it" in line
    own = part.ground_truth.loadAnns(part.ground_truth.getAnnIds(catIds=part.category))
    for item in own:
        _, _, width, height = item["bbox"]
        np.testing.assert_allclose(item["area"], BOX_SHARE * width * height)


def test_a_crowd_index_is_told_where_it_is_not_used(crowd):
    assert any("data.format=crowdpose" in line for line in crowd(False).notes)
    assert not any("data.format=crowdpose" in line for line in crowd().notes)


def test_an_image_without_crowd_index_is_refused(crowd):
    def forget(data):
        data["images"][3]["crowdIndex"] = "many"

    with pytest.raises(InputError, match=r"image \d+ must have a number as `crowdInd"):
        crowd(change=forget)


def test_the_number_of_keypoints_is_taken_as_it_is(crowd):
    def hide(data):
        data["annotations"][0]["num_keypoints"] = 0
        del data["annotations"][1]["num_keypoints"]

    first, second = list(crowd(change=hide).ground_truth.anns.values())[:2]
    assert first["num_keypoints"] == 0
    assert second["num_keypoints"] == sum(v > 0 for v in second["keypoints"][2::3])
    again = next(iter(crowd(False, hide).ground_truth.anns.values()))
    assert again["num_keypoints"] > 0
