"""Proposals and suppression against the record of MMDetection."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.detection.anchors import STRIDES
from hrnet_tf.tasks.detection.boxes import BOX_STDS, STAGE_STDS, box_overlaps, decode
from hrnet_tf.tasks.detection.proposals import Proposing, propose
from hrnet_tf.tasks.detection.suppression import (
    Answers,
    Detecting,
    detect,
    suppress_by_class,
)
from support.official import channels_last, read_arrays

PROPOSALS = read_arrays("detection", "rpn_proposals")
POSTPROCESS = read_arrays("detection", "postprocess")
CASCADE = read_arrays("detection", "cascade")


def maps_of(kind):
    return [channels_last(PROPOSALS[f"{kind}_{level}"]) for level in range(5)]


def recorded_settings(name):
    before, most, smallest = PROPOSALS[f"{name}/setting"].tolist()
    return Proposing(before, most, smallest)


@pytest.mark.parametrize(
    "name", ["train", "test", "cascade_train", "small", "min_size"]
)
def test_proposals_are_those_of_the_record(name):
    settings = recorded_settings(name)
    objectness, deltas = maps_of("objectness"), maps_of("deltas")
    found = propose(objectness, deltas, PROPOSALS["img_shapes"], settings)
    assert found.boxes.shape == (2, settings.most, 4)
    for image, count in enumerate(found.counts.numpy()):
        expected = PROPOSALS[f"{name}/proposals_{image}"]
        assert count == len(expected)
        boxes, scores = found.boxes[image].numpy(), found.scores[image].numpy()
        np.testing.assert_allclose(boxes[:count], expected[:, :4], atol=1e-4)
        np.testing.assert_allclose(scores[:count], expected[:, 4], atol=1e-6)
        assert not boxes[count:].any()
        assert not scores[count:].any()


def test_a_graph_of_any_size_proposes_the_same():
    settings = recorded_settings("small")
    levels = [tf.TensorSpec((None, None, None, n)) for n in (3, 12) for _ in range(5)]

    @tf.function(input_signature=[*levels, tf.TensorSpec((None, 2), tf.int32)])
    def graph(*of):
        return propose(of[:5], of[5:10], of[10], settings)

    maps = [*maps_of("objectness"), *maps_of("deltas")]
    sizes = PROPOSALS["img_shapes"].astype(np.int32)
    for ours, eager in zip(
        graph(*maps, sizes), propose(maps[:5], maps[5:], sizes, settings), strict=True
    ):
        np.testing.assert_allclose(ours, eager, atol=1e-5)


def test_proposals_compile():
    settings = recorded_settings("small")
    maps = maps_of("objectness")[2:4], maps_of("deltas")[2:4]
    sizes = PROPOSALS["img_shapes"].astype(np.int32)

    def proposals(*of):
        return propose(*of, sizes, settings, STRIDES[2:4])

    compiled = tf.function(proposals, jit_compile=True, autograph=False)(*maps)
    for ours, eager in zip(compiled, proposals(*maps), strict=True):
        np.testing.assert_allclose(ours, eager, atol=1e-4)


def test_where_nothing_is_proposed_all_is_zero():
    objectness = [np.zeros((1, 2, 2, 3), np.float32)] * 5
    deltas = [np.zeros((1, 2, 2, 12), np.float32)] * 5
    found = propose(objectness, deltas, [[0, 0]], Proposing(most=7))
    assert found.counts.numpy().tolist() == [0]
    assert not found.boxes.numpy().any()
    assert not found.scores.numpy().any()


def recorded_answers(case):
    rois = case["rois"][None, :, 1:]
    real = np.ones(rois.shape[:2], bool)
    return Answers(rois, real, case["class_logits"][None], case["deltas"][None])


def scales_of(factors):
    return factors[None, 1::-1]  # as height and width


@pytest.mark.parametrize("name", ["coco", "crowded"])
@pytest.mark.parametrize("kind", ["resized", "rescaled"])
def test_detections_are_those_of_the_record(name, kind):
    names = ("rois", "class_logits", "deltas")
    answers = recorded_answers({n: POSTPROCESS[f"{name}/{n}"] for n in names})
    scales = scales_of(POSTPROCESS["scale_factor"]) if kind == "rescaled" else None
    found = detect(answers, BOX_STDS, POSTPROCESS["img_shape"][None], scales)
    expected = POSTPROCESS[f"{name}/{kind}_boxes"]
    assert found.counts == len(expected)
    np.testing.assert_allclose(found.boxes[0], expected[:, :4], atol=1e-4)
    np.testing.assert_allclose(found.scores[0], expected[:, 4], atol=1e-6)
    np.testing.assert_array_equal(found.labels[0], POSTPROCESS[f"{name}/{kind}_labels"])


def test_regions_that_are_none_are_not_detected():
    names = ("rois", "class_logits", "deltas")
    answers = recorded_answers({n: POSTPROCESS[f"crowded/{n}"] for n in names})
    more = Answers(*(tf.concat([a, a[:, ::-1]], axis=1) for a in answers))
    more = more._replace(real=tf.concat([answers.real, ~answers.real], axis=1))
    sizes = POSTPROCESS["img_shape"][None]
    for ours, alone in zip(
        detect(more, BOX_STDS, sizes), detect(answers, BOX_STDS, sizes), strict=True
    ):
        np.testing.assert_array_equal(ours, alone)
    nothing = detect(answers._replace(real=~answers.real), BOX_STDS, sizes)
    assert nothing.counts == 0
    assert np.all(nothing.labels == -1)
    assert not np.any(nothing.boxes)


def test_a_cascade_is_that_of_the_record():
    sizes = CASCADE["img_shape"][None]
    rois = CASCADE["proposals"][None, :, :4]
    logits = []
    for stage, stds in enumerate(STAGE_STDS, start=1):
        expected = CASCADE[f"stage{stage}/rois"][None, :, 1:]
        np.testing.assert_allclose(rois, expected, atol=1e-4)
        logits.append(CASCADE[f"stage{stage}/class_logits"][None])
        deltas = CASCADE[f"stage{stage}/deltas"][None]
        before, rois = rois, decode(rois, deltas, stds, sizes)
    real = np.ones(rois.shape[:2], bool)
    answers = Answers(before, real, np.mean(logits, axis=0), deltas)
    found = detect(answers, STAGE_STDS[-1], sizes, scales_of(CASCADE["scale_factor"]))
    expected = CASCADE["boxes"]
    assert found.counts == len(expected)
    np.testing.assert_allclose(found.boxes[0], expected[:, :4], atol=1e-4)
    np.testing.assert_allclose(found.scores[0], expected[:, 4], atol=1e-6)
    np.testing.assert_array_equal(found.labels[0], CASCADE["labels"])


def test_classes_do_not_suppress_each_other(rng):
    """Beside the plain rule, class by class, in images of full size."""
    classes, count = 80, 60
    begin = rng.uniform(0, 900, (1, count, classes, 2))
    sides = rng.uniform(1, 400, (1, count, classes, 2))
    boxes = np.concatenate([begin, begin + sides], axis=-1).astype(np.float32)
    scores = rng.permutation(count * classes).reshape(1, count, classes)
    scores = (scores / scores.size).astype(np.float32)
    settings = Detecting(least=0.29999, overlap=0.4, most=4000)
    found = suppress_by_class(boxes, scores, settings)
    expected = set()
    for label in range(classes):
        shared = box_overlaps(boxes[0, :, label], boxes[0, :, label]).numpy()
        kept: list[int] = []
        for index in np.argsort(-scores[0, :, label]):
            better = all(shared[index, other] <= 0.4 for other in kept)
            if better and scores[0, index, label] > 0.29999:
                kept.append(index)
        expected |= {(label, float(scores[0, index, label])) for index in kept}
    total = int(found.counts[0])
    labels, values = found.labels[0, :total].numpy(), found.scores[0, :total].numpy()
    assert set(zip(labels.tolist(), values.tolist(), strict=True)) == expected
    assert np.all(np.diff(values) < 0)
