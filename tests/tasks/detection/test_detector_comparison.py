"""When two sets of detections are the same, and how far apart they are else."""

import numpy as np
import pytest

from hrnet_tf.tasks.detection.comparison import differences


def answers(scores, boxes, labels, most=4):
    count = len(scores)
    rest = most - count
    return {
        "boxes": np.pad(
            np.array(boxes, np.float32).reshape(-1, 4), ((0, rest), (0, 0))
        )[None],
        "scores": np.pad(np.array(scores, np.float32), (0, rest))[None],
        "labels": np.pad(np.array(labels, np.int32), (0, rest), constant_values=-1)[
            None
        ],
        "counts": np.array([count], np.int32),
    }


A, B, C = (0, 0, 10, 10), (5, 5, 30, 30), (40, 0, 60, 9)


def test_the_same_set_in_another_order_is_the_same():
    one = answers([0.9, 0.9, 0.5], [A, B, C], [0, 1, 1])
    other = answers([0.9, 0.9, 0.5], [B, A, C], [1, 0, 1])

    assert max(differences(one, other).values()) == 0


def test_differences_of_boxes_and_scores_are_told():
    moved = (5, 5, 30.1, 30)
    told = differences(
        answers([0.9, 0.7], [A, B], [0, 1]), answers([0.9, 0.699], [A, moved], [0, 1])
    )

    assert told["boxes"] == pytest.approx(1e-3, rel=1e-3)
    assert told["scores"] == pytest.approx(1e-3, rel=1e-2)
    assert told["labels"] == 0


@pytest.mark.parametrize(
    ("scores", "boxes", "labels"),
    [
        ([0.9], [A], [0]),  # one is missing
        ([0.9, 0.7], [A, B], [0, 2]),  # of another class
        ([0.9, 0.7], [A, C], [0, 1]),  # elsewhere
        ([0.9, 0.7, 0.6], [A, B, C], [0, 1, 1]),  # one too many
        ([0.9, float("nan")], [A, B], [0, 1]),
    ],
)
def test_other_detections_are_told(scores, boxes, labels):
    told = differences(
        answers([0.9, 0.7], [A, B], [0, 1]), answers(scores, boxes, labels)
    )

    assert told["labels"] > 0.2


def test_what_is_hardly_good_enough_may_be_missing():
    most = answers([0.9, 0.0505], [A, B], [0, 1])
    assert differences(most, answers([0.9], [A], [0]))["labels"] == 0
    assert differences(most, answers([0.9], [A], [0]), least=0.01)["labels"] == 0.5
    full = answers([0.9, 0.8, 0.7, 0.6], [A, B, C, C], [0, 1, 2, 0])
    other = answers([0.9, 0.8, 0.7, 0.6], [A, B, C, A], [0, 1, 2, 1])
    assert differences(full, other)["labels"] == 0
    assert (
        differences(full, answers([0.9, 0.8, 0.7], [A, B, C], [0, 1, 2]))["labels"] == 0
    )


def test_other_shapes_are_infinitely_far():
    one = answers([0.9], [A], [0])
    assert differences(one, answers([0.9], [A], [0], most=5))["boxes"] == np.inf
