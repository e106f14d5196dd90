"""Anchors, overlaps and deltas against the record of MMDetection."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.detection.anchors import (
    STRIDES,
    base_anchors,
    inside,
    level_anchors,
    valid_anchors,
)
from hrnet_tf.tasks.detection.boxes import (
    BOX_STDS,
    PROPOSAL_STDS,
    STAGE_STDS,
    box_overlaps,
    clip,
    decode,
    encode,
)
from support.official import read_arrays

ANCHORS = read_arrays("detection", "anchors")
CODER = read_arrays("detection", "box_coder")
ASSIGNER = read_arrays("detection", "assigner")
STDS = {"rpn": PROPOSAL_STDS, "box": BOX_STDS}
STDS |= {f"stage{i + 1}": stds for i, stds in enumerate(STAGE_STDS)}


@pytest.mark.parametrize("case", ["case0", "case1"])
def test_anchors_are_those_of_the_record(case):
    sizes = ANCHORS[f"{case}/feature_sizes"].tolist()
    flat, usable = [], []
    for level, (stride, (height, width)) in enumerate(zip(STRIDES, sizes, strict=True)):
        np.testing.assert_array_equal(
            base_anchors(stride), ANCHORS[f"base_anchors_{level}"]
        )
        anchors = level_anchors(height, width, stride)
        np.testing.assert_array_equal(anchors, ANCHORS[f"{case}/anchors_{level}"])
        shape = ANCHORS[f"{case}/pad_shape"]
        valid = valid_anchors(height, width, stride, tf.constant([shape, shape * 100]))
        np.testing.assert_array_equal(valid[0], ANCHORS[f"{case}/valid_{level}"])
        assert np.all(valid[1])
        flat.append(anchors)
        usable.append(valid[0])
    anchors, usable = tf.concat(flat, axis=0), tf.concat(usable, axis=0)
    shape = ANCHORS[f"{case}/img_shape"][None]
    for border in (-1, 0, 16):
        expected = ANCHORS[f"{case}/inside_border_{border}"]
        found = inside(anchors, shape, border)[0] & usable
        np.testing.assert_array_equal(found, expected)


def test_anchors_of_maps_whose_size_the_graph_learns_when_it_runs():
    graph = tf.function(lambda maps: level_anchors(*tf.unstack(tf.shape(maps)), 8))
    found = graph.get_concrete_function(tf.TensorSpec((None, None)))(tf.zeros((5, 7)))
    np.testing.assert_array_equal(found, level_anchors(5, 7, 8))


@pytest.mark.parametrize("coder", STDS)
def test_deltas_are_those_of_the_record(coder):
    proposals, stds = CODER["proposals"], STDS[coder]
    np.testing.assert_array_equal(
        np.float32(stds), CODER[f"{coder}/stds"].astype(np.float32)
    )
    encoded = encode(proposals, CODER["targets"], stds)
    np.testing.assert_allclose(encoded, CODER[f"{coder}/encoded"], rtol=1e-5, atol=1e-5)
    deltas = tf.constant(CODER[f"{coder}/deltas"])
    decoded = decode(proposals, deltas, stds)
    np.testing.assert_allclose(decoded, CODER[f"{coder}/decoded"], rtol=1e-6, atol=1e-5)
    clipped = decode(proposals[None], deltas[None], stds, CODER["max_shape"][None])[0]
    expected = CODER[f"{coder}/decoded_clipped"]
    np.testing.assert_allclose(clipped, expected, rtol=1e-6, atol=1e-5)


def test_each_class_has_deltas_of_its_own():
    deltas = CODER["per_class/deltas"].reshape(1, 40, 5, 4)
    sizes = CODER["max_shape"][None]
    found = decode(CODER["proposals"][None, :, None], deltas, BOX_STDS, sizes)
    expected = CODER["per_class/decoded_clipped"].reshape(1, 40, 5, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


def test_overlaps_are_those_of_the_record():
    boxes, proposals = ASSIGNER["gt_boxes"], tf.constant(ASSIGNER["proposals"])
    np.testing.assert_allclose(
        box_overlaps(boxes, proposals), ASSIGNER["iou_gt_proposals"], atol=1e-6
    )
    shares = box_overlaps(proposals, ASSIGNER["ignore_boxes"], of_first=True)
    np.testing.assert_allclose(shares, ASSIGNER["iof_proposals_ignore"], atol=1e-6)


def test_boxes_without_area_share_nothing():
    point, box = [[3.0, 3.0, 3.0, 3.0]], [[0.0, 0.0, 9.0, 9.0]]
    for of_first in (False, True):
        shares = box_overlaps(tf.constant(point), tf.constant(box + point), of_first)
        np.testing.assert_array_equal(shares, [[0, 0]])


def test_boxes_are_cut_at_the_border_of_their_own_image():
    boxes = np.tile(np.float32([-3, 5, 40, 90]), (2, 1, 1))
    found = clip(tf.constant(boxes), tf.constant([[50, 20], [200, 100]]))
    np.testing.assert_array_equal(found[:, 0], [[0, 5, 20, 50], [0, 5, 40, 90]])
