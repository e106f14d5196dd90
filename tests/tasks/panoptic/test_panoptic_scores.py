"""PQ of cases that are counted by hand, and its rules for void and crowds."""

import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.panoptic.classes import PanopticClasses
from hrnet_tf.tasks.panoptic.scores import COLUMNS, PanopticScores, compare_segments
from hrnet_tf.tasks.panoptic.segments import CROWD, VOID

GROUND, CAR, CARS = 0, 1000, 1000 + CROWD
CLASSES = PanopticClasses(("ground", "car", "tree"), things=("car", "tree"))


def rows(*counts):
    """A map of one row from pairs of a value and how many pixels have it."""
    return np.concatenate([np.full(n, value, np.int32) for value, n in counts])[None]


def sums_of(target, predicted):
    return compare_segments(target, predicted, len(CLASSES)).T.tolist()


def test_what_is_found_counts_with_its_iou():
    target = rows((GROUND, 10), (CAR + 1, 10))
    found = rows((GROUND, 12), (CAR + 1, 8))
    ground, car, tree = sums_of(target, found)
    assert ground == pytest.approx([10 / 12, 1, 0, 0])
    assert car == pytest.approx([8 / 10, 1, 0, 0])
    assert tree == [0, 0, 0, 0]


def test_half_of_the_union_is_not_enough():
    target = rows((GROUND, 6), (CAR + 1, 6))
    found = rows((GROUND, 9), (CAR + 1, 3))  # 3 of 6, and 6 of 9
    ground, car, _ = sums_of(target, found)
    assert ground == pytest.approx([6 / 9, 1, 0, 0])
    assert car == [0, 0, 1, 1]


def test_numbers_of_things_are_only_names():
    target = rows((CAR + 1, 5), (CAR + 2, 7))
    assert sums_of(target, rows((CAR + 2, 5), (CAR + 1, 7)))[1] == [2, 2, 0, 0]
    merged = sums_of(target, rows((CAR + 1, 12)))[1]
    assert merged == pytest.approx([7 / 12, 1, 0, 1])


def test_another_class_is_wrong_and_missed():
    _, car, tree = sums_of(rows((CAR + 1, 5)), rows((2001, 5)))
    assert car == [0, 0, 0, 1]
    assert tree == [0, 0, 1, 0]


def test_void_pixels_of_the_target_are_not_in_the_union():
    target = rows((CAR + 1, 6), (VOID, 4))
    assert sums_of(target, rows((CAR + 1, 10)))[1] == [1, 1, 0, 0]


def test_void_pixels_of_the_prediction_are_missed_ones():
    target = rows((CAR + 1, 10))
    assert sums_of(target, rows((CAR + 1, 6), (VOID, 4)))[1] == [0.6, 1, 0, 0]
    assert sums_of(target, rows((VOID, 10)))[1] == [0, 0, 0, 1]


@pytest.mark.parametrize(("in_void", "wrong"), [(5, 1), (6, 0)])
def test_what_lies_mostly_in_void_is_not_wrong(in_void, wrong):
    target = rows((GROUND, 20), (VOID, in_void))
    found = rows((GROUND, 20 - (10 - in_void)), (CAR + 1, 10))
    assert sums_of(target, found)[1] == [0, 0, wrong, 0]


def test_a_crowd_is_neither_missed_nor_found_and_what_lies_in_it_is_not_wrong():
    target = rows((GROUND, 10), (CARS, 10))
    assert sums_of(target, rows((GROUND, 10), (VOID, 10)))[1] == [0, 0, 0, 0]
    assert sums_of(target, rows((GROUND, 10), (CAR + 1, 10)))[1] == [0, 0, 0, 0]
    # Of another class it is, and what reaches out of it by half.
    assert sums_of(target, rows((GROUND, 10), (2001, 10)))[2] == [0, 0, 1, 0]
    assert sums_of(target, rows((GROUND, 5), (CAR + 1, 10), (VOID, 5)))[1][2] == 1


def test_void_and_crowd_add_up_and_a_crowd_is_part_of_the_union():
    target = rows((GROUND, 4), (VOID, 3), (CARS, 3))
    assert sums_of(target, rows((CAR + 1, 10)))[1] == [0, 0, 0, 0]
    target = rows((CAR + 1, 6), (CARS, 4))
    assert sums_of(target, rows((CAR + 1, 10)))[1] == pytest.approx([0.6, 1, 0, 0])


def test_quality_is_the_product_of_both_and_absent_classes_do_not_count():
    sums = np.array([[1.5, 0.8, 0], [2, 1, 0], [0, 1, 0], [1, 0, 0]], float)
    scores = PanopticScores(sums, CLASSES)
    assert scores.pq == pytest.approx([1.5 / 2.5, 0.8 / 1.5, 0])
    assert scores.sq == pytest.approx([0.75, 0.8, 0])
    assert scores.rq == pytest.approx([2 / 2.5, 1 / 1.5, 0])
    assert scores.pq == pytest.approx(scores.sq * scores.rq)
    found = scores.statistics()
    assert found["pq"] == pytest.approx((1.5 / 2.5 + 0.8 / 1.5) / 2)
    assert found["pq_things"] == pytest.approx(0.8 / 1.5)
    assert found["sq_stuff"] == pytest.approx(0.75)
    assert [row[0] for row in scores.rows()] == ["ground", "car"]
    assert scores.by_class()["car"]["wrong"] == 1
    assert scores.table().splitlines()[0].split() == list(COLUMNS)
    nothing = PanopticScores(np.zeros((4, 3)), CLASSES).statistics()
    assert set(nothing.values()) == {0.0}
    assert len(nothing) == 9


def test_other_sizes_are_refused():
    with pytest.raises(InputError, match=r"target is \(1, 5\)"):
        compare_segments(rows((GROUND, 5)), rows((GROUND, 6)), 3)
