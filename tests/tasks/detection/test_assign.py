"""Assignment against the record of MMDetection."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.detection.anchors import (
    STRIDES,
    inside,
    level_anchors,
    valid_anchors,
)
from hrnet_tf.tasks.detection.assign import (
    ANCHOR_RULE,
    BOX_RULE,
    MASKED_BOX_RULE,
    STAGE_RULES,
    Rule,
    Truths,
    assign,
)
from support.official import read_arrays

RECORD = read_arrays("detection", "assigner")
SHAPES = [(40, 56), (20, 28), (10, 14), (5, 7), (3, 4)]
RULES = {
    "rpn": ANCHOR_RULE,
    "rpn_ignore": Rule(0.7, 0.3, rescue=0.3, ignored=0.5),
    "box": BOX_RULE,
    "mask_rcnn_box": MASKED_BOX_RULE,
    "box_ignore": Rule(ignored=0.5),
    **{f"stage{number}": rule for number, rule in enumerate(STAGE_RULES, start=1)},
}


def recorded_truths(gaps=0):
    """The objects of the record, twice; of the first image with gaps in between."""
    boxes, labels = RECORD["gt_boxes"], RECORD["gt_labels"].astype(np.int32)
    spread = np.tile(np.float32([0, 0, 99, 99]), (2, len(labels) * (gaps + 1), 1))
    marked = np.full(spread.shape[:2], -1, np.int32)
    spread[0, :: gaps + 1], marked[0, :: gaps + 1] = boxes, labels
    spread[1, : len(labels)], marked[1, : len(labels)] = boxes, labels
    crowds = np.tile(RECORD["ignore_boxes"], (2, 1, 1))
    return Truths(tf.constant(spread, tf.float32), marked, crowds)


def boxes_of(name):
    if not name.startswith("rpn"):
        return RECORD["proposals"]
    # The flags of anchors have been recorded elsewhere: here all of them are valid.
    levels = zip(SHAPES, STRIDES, strict=True)
    return tf.concat([level_anchors(*shape, stride) for shape, stride in levels], 0)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("gaps", [0, 3])
def test_owners_are_those_of_the_record(name, gaps):
    rule, boxes = RULES[name], boxes_of(name)
    thresholds = [rule.positive, rule.negative]
    np.testing.assert_allclose(RECORD[f"{name}/thresholds"][:2], thresholds)
    assert RECORD[f"{name}/thresholds"][3] == (rule.rescue is not None)
    real = tf.ones((2, boxes.shape[0]), tf.bool)
    found = assign(boxes, real, recorded_truths(gaps), rule)
    expected = RECORD[f"{name}/gt_index"]
    spread = np.where(expected > 0, (expected - 1) * (gaps + 1) + 1, expected)
    np.testing.assert_array_equal(found.owners[0], spread)
    np.testing.assert_array_equal(found.owners[1], expected)
    for overlaps in found.overlaps:
        np.testing.assert_allclose(overlaps, RECORD[f"{name}/max_iou"], atol=1e-6)


def test_a_graph_of_any_size_says_the_same():
    specs = [tf.TensorSpec((None, None, 4)), tf.TensorSpec((None, None), tf.int32)]

    @tf.function(input_signature=[tf.TensorSpec((None, 4)), *specs])
    def graph(boxes, truths, labels):
        real = tf.ones([tf.shape(labels)[0], tf.shape(boxes)[0]], tf.bool)
        return assign(boxes, real, Truths(truths, labels), ANCHOR_RULE)

    boxes, truths = boxes_of("rpn"), recorded_truths(2)
    found = graph(boxes, *truths[:2])
    np.testing.assert_array_equal(found.owners[1], RECORD["rpn/gt_index"])


def test_assignment_compiles():
    boxes, truths = RECORD["proposals"], recorded_truths(3)

    def owners():
        real = tf.ones((2, len(boxes)), tf.bool)
        return assign(boxes, real, truths, MASKED_BOX_RULE).owners

    found = tf.function(owners, jit_compile=True, autograph=False)()
    np.testing.assert_array_equal(found, owners())


def test_boxes_that_do_not_count_take_nothing_away():
    truths = Truths(tf.constant([[[10.0, 10, 50, 50]]]), tf.constant([[2]]))
    boxes = tf.constant([[10.0, 10, 50, 50], [10, 10, 50, 35], [90, 90, 99, 99]])
    found = assign(boxes, tf.constant([[False, True, True]]), truths, ANCHOR_RULE)
    assert found.owners.numpy().tolist() == [[-1, 1, 0]]
    assert found.overlaps.numpy()[0, 0] == -1


@pytest.mark.parametrize("places", [0, 5])
def test_all_is_background_where_there_is_no_object(places):
    truths = Truths(tf.zeros((1, places, 4)), tf.fill((1, places), -1))
    boxes = tf.constant(RECORD["proposals"])
    real = tf.ones((1, boxes.shape[0]), tf.bool)
    for rule in (ANCHOR_RULE, MASKED_BOX_RULE, Rule(ignored=0.5)):
        assert not assign(boxes, real, truths, rule).owners.numpy().any()


def test_a_thousand_objects_some_of_one_pixel(rng):
    """Each object has its own box among the boxes, and of two in one place the last."""
    begin = rng.permutation(40 * 40)[:1000]
    begin = np.stack([begin % 40, begin // 40], axis=-1) * 20.0
    sides = np.where(np.arange(1000)[:, None] % 2, 1, rng.uniform(2, 15, (1000, 2)))
    boxes = np.concatenate([begin, begin + sides], axis=-1).astype(np.float32)
    boxes[900] = boxes[100]
    order = rng.permutation(1000)
    truths = Truths(boxes[None], np.zeros((1, 1000), np.int32))
    real = tf.ones((1, 1000), tf.bool)
    found = assign(boxes[order], real, truths, ANCHOR_RULE).owners[0].numpy()
    expected = order + 1
    np.testing.assert_array_equal(found, np.where(expected == 101, 901, expected))
    first = assign(boxes[order], real, truths, BOX_RULE).owners[0].numpy()
    np.testing.assert_array_equal(first, np.where(expected == 901, 101, expected))


def test_anchors_that_count():
    """What the record of proposal losses takes: valid and inside, level by level."""
    record = read_arrays("detection", "rpn_losses")
    anchors, valid = [], []
    for level, stride in enumerate(STRIDES):
        shape = record[f"objectness_{level}"].shape[2:]
        anchors.append(level_anchors(*shape, stride))
        valid.append(valid_anchors(*shape, stride, record["pad_shape"][None]))
    anchors, valid = tf.concat(anchors, 0), tf.concat(valid, 1)
    sizes = record["img_shapes"][1:]
    boxes = record["gt_boxes_1"][None]
    truths = Truths(tf.constant(boxes), np.zeros((1, 2), np.int32))
    for name, border in (("l1", -1), ("smooth_l1_border0", 0)):
        real = valid & inside(anchors, sizes, border)
        owners = assign(anchors, real, truths, ANCHOR_RULE).owners[0].numpy()
        positive = np.flatnonzero(owners > 0)[:32]
        np.testing.assert_array_equal(positive, record[f"{name}/positive_1"])
        negative = np.flatnonzero(owners == 0)[: 64 - len(positive)]
        np.testing.assert_array_equal(negative, record[f"{name}/negative_1"])
