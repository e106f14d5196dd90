"""CrowdPose's keypoint metric: average precision, also by how crowded images are."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import is_number, shortened
from hrnet_tf.tasks.keypoints.coco_scores import judged

CROWD_STATISTICS = (
    *("AP", "AP50", "AP75", "AR", "AR50", "AR75"),
    *("AP_easy", "AP_medium", "AP_hard"),
)

# What an area is of its box: CrowdPose has no outlines.
BOX_SHARE = 0.53
MOST = 20  # people of an image that count, the best first

# From these crowd indices on images are medium and hard. The paper writes 0.1, which is
# not what its program does.
MEDIUM, HARD = 0.2, 0.8


def check_crowd_indices(ground_truth: COCO, where: str) -> None:
    """Raise an InputError unless every image says how crowded it is.

    Args:
        ground_truth: CrowdPose's annotations.
        where: names them.
    """
    for image in ground_truth.imgs.values():
        crowded = image.get("crowdIndex")
        if not is_number(crowded):
            raise InputError(
                f"{where}: image {image['id']} must have a number as `crowdIndex`, got "
                f"{shortened(repr(crowded))}; data.format=coco judges without."
            )


def crowd_average_precision(
    ground_truth: COCO,
    results: list[dict[str, Any]],
    category: int,
    sigmas: Sequence[float],
    left_out: Collection[int] = (),
) -> dict[str, float]:
    """Average precision and recall as CrowdPose's program has them, by pycocotools.

    Areas are `BOX_SHARE` of the annotated boxes' whatever the annotations say.

    Args:
        ground_truth: annotations with keypoints, whose images have a `crowdIndex`; see
            `check_crowd_indices`.
        results: entries of a COCO result file.
        category: id of the category to judge.
        sigmas: of the keypoints.
        left_out: ids of images in which nobody is judged.

    Returns:
        A number in [0, 1] for each of `CROWD_STATISTICS` (-1: there is nothing of the
        kind).

    Source: Li et al., CrowdPose, https://arxiv.org/abs/1812.00324, section 4.1.

    Example:
        ```python
        part = CocoKeypoints(section, KeypointSet.read("crowdpose"))
        crowd_average_precision(part.ground_truth, results, part.category, sigmas)
        ```
    """
    data = ground_truth.dataset
    annotations = [
        {**item, "area": BOX_SHARE * item["bbox"][2] * item["bbox"][3]}
        if item["category_id"] == category
        else item
        for item in data["annotations"]
    ]
    changed = data | {"annotations": annotations}
    crowded = {number: x["crowdIndex"] for number, x in ground_truth.imgs.items()}
    images = {number for number in crowded if number not in set(left_out)}

    def judge(chosen: Collection[int]) -> tuple[np.ndarray, np.ndarray]:
        found = judged(changed, results, category, sigmas, chosen, MOST)
        return found["precision"][..., 0, 0], found["recall"][..., 0, 0]

    if not any(entry["image_id"] in images for entry in results):
        return dict.fromkeys(CROWD_STATISTICS, 0.0)
    precision, recall = judge(images)
    numbers = [_mean(part) for x in (precision, recall) for part in (x, x[:1], x[5:6])]
    for low, high in ((-np.inf, MEDIUM), (MEDIUM, HARD), (HARD, np.inf)):
        split = {number for number in images if low <= crowded[number] < high}
        numbers.append(float(judge(split)[0].mean()) if split else -1.0)
    return dict(zip(CROWD_STATISTICS, numbers, strict=True))


def _mean(values: np.ndarray) -> float:
    """Of what is there; -1 if nothing is."""
    there = values[values > -1]
    return float(there.mean()) if there.size else -1.0
