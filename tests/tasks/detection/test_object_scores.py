"""COCO's metric of boxes and masks, on cases that can be counted by hand."""

import numpy as np
import pytest
from pycocotools import mask as run_lengths

from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.coco_objects import CocoObjects
from hrnet_tf.tasks.detection.objects import Wanted
from hrnet_tf.tasks.detection.scores import STATISTICS, judge
from support.objects import annotation, write_objects

ONE = pytest.approx(1)
SIZES = [(200, 200)] * 3


def truth_of(folder, rows, masks=False):
    section = write_objects(folder, rows, SIZES)
    return CocoObjects(section, "", Wanted(masks))


def found(image, box, score, category=3, **more):
    entry = {"image_id": image, "category_id": category, "bbox": list(box)}
    return {**entry, "score": score, **more}


BOX = (20, 30, 100, 100)


def test_boxes_that_are_all_found_have_an_ap_of_one(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX), annotation(2, 2, BOX, 7)])
    results = [found(1, BOX, 0.9), found(2, BOX, 0.2, 7), found(3, BOX, 0.1)]
    scores = judge(part.ground_truth, results, part.classes)
    assert tuple(scores.statistics) == STATISTICS
    for name in ("AP", "AP50", "AP75", "APL", "AR1", "AR100", "ARL"):
        assert scores.statistics[name] == ONE
    assert scores.statistics["APS"] == -1  # nothing small is annotated
    assert scores.per_class() == [
        ("plate", ONE, ONE, ONE, 1),
        ("cup", ONE, ONE, ONE, 1),
    ]
    # The one of image 2 is not sure enough to count as found.
    assert scores.mistakes == {1: 0, 2: 1, 3: 0}
    assert "plate" in scores.table()


def test_classes_are_named_in_the_order_of_labels(tmp_path):
    """Category ids need not rise with labels where a class set names them."""
    part = truth_of(tmp_path, [annotation(1, 1, BOX), annotation(2, 2, BOX, 7)])
    turned = ObjectClasses("turned", ("cup", "plate"), (7, 3))
    scores = judge(part.ground_truth, [found(1, BOX, 0.9)], turned)
    assert scores.statistics["AP"] == pytest.approx(0.5)
    assert scores.per_class() == [("cup", 0, 0, 0, 1), ("plate", ONE, ONE, ONE, 1)]


def test_overlap_decides_what_is_found(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX)])
    # 100 x 72 of 100 x 100: right at overlaps up to 0.7.
    results = [found(1, (20, 30, 100, 72), 0.9)]
    scores = judge(part.ground_truth, results, part.classes)
    assert scores.statistics["AP50"] == ONE
    assert scores.statistics["AP75"] == 0
    assert scores.statistics["AP"] == pytest.approx(5 / 10)


def test_a_wrong_box_with_a_better_score_halves_the_precision(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX)])
    results = [found(1, BOX, 0.5), found(2, BOX, 0.9)]
    scores = judge(part.ground_truth, results, part.classes)
    assert scores.statistics["AP"] == pytest.approx(0.5)
    assert scores.mistakes == {1: 0, 2: 1, 3: 0}


def test_crowds_are_neither_right_nor_wrong(tmp_path):
    rows = [annotation(1, 1, BOX), annotation(2, 2, (0, 0, 200, 200), iscrowd=1)]
    part = truth_of(tmp_path, rows)
    results = [found(1, BOX, 0.5), found(2, BOX, 0.9)]
    scores = judge(part.ground_truth, results, part.classes)
    assert scores.statistics["AP"] == ONE
    assert scores.per_class()[0][-1] == 1
    assert scores.mistakes[2] == 0


def test_images_may_be_left_out(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX), annotation(2, 2, BOX)])
    results = [found(1, BOX, 0.5), found(2, (0, 0, 5, 5), 0.9)]
    assert judge(part.ground_truth, results, part.classes, left_out=[2]).statistics[
        "AP"
    ] == pytest.approx(1)
    assert judge(part.ground_truth, results, part.classes).statistics["AP"] < 0.5


def test_nothing_found_is_nothing(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX), annotation(2, 1, BOX)])
    scores = judge(part.ground_truth, [], part.classes)
    assert scores.statistics["AP"] == 0
    assert scores.mistakes == {1: 2, 2: 0, 3: 0}
    assert scores.per_class()[1][1:] == (-1, -1, -1, 0)
    assert "nan" in scores.table()


def test_an_annotation_with_id_zero_counts(tmp_path):
    part = truth_of(tmp_path, [annotation(0, 1, BOX)])
    scores = judge(part.ground_truth, [found(1, BOX, 0.5)], part.classes)
    assert scores.statistics["AP"] == ONE


def test_masks_are_judged_by_their_pixels(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX)], masks=True)
    pixels = np.zeros((200, 200), np.uint8)
    pixels[30:130, 20:120] = 1
    pixels[30:50, 20:120] = 0  # four fifths of it
    outline = run_lengths.encode(np.asfortranarray(pixels))
    results = [found(1, BOX, 0.9, segmentation=outline)]
    scores = judge(part.ground_truth, results, part.classes, "segm")
    assert scores.statistics["AP50"] == ONE
    assert scores.statistics["AP"] == pytest.approx(7 / 10)
    # Both ways with the same results: pycocotools writes into its own.
    assert judge(part.ground_truth, results, part.classes).statistics["AP"] == ONE
    again = judge(part.ground_truth, results, part.classes, "segm")
    assert again.statistics == scores.statistics


def test_precision_is_drawn(tmp_path):
    part = truth_of(tmp_path, [annotation(1, 1, BOX), annotation(2, 2, BOX, 7)])
    scores = judge(part.ground_truth, [found(1, BOX, 0.9)], part.classes)
    scores.draw(tmp_path / "precision.png")
    assert (tmp_path / "precision.png").stat().st_size > 5000
