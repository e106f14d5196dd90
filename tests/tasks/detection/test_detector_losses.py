"""Sampling and losses against the record of MMDetection."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.detection.anchors import (
    STRIDES,
    inside,
    level_anchors,
    valid_anchors,
)
from hrnet_tf.tasks.detection.assign import BOX_RULE, STAGE_RULES, Truths
from hrnet_tf.tasks.detection.boxes import BOX_STDS, STAGE_STDS
from hrnet_tf.tasks.detection.learning import Step, _chance
from hrnet_tf.tasks.detection.losses import (
    BOX_BETA,
    PROPOSAL_BETA,
    STAGE_BETA,
    STAGE_PROPOSAL_BETA,
    STAGE_WEIGHTS,
    anchor_targets,
    box_losses,
    mask_loss,
    proposal_losses,
    refined_rois,
)
from hrnet_tf.tasks.detection.sample import (
    Drawing,
    Sampling,
    sample,
    sample_rois,
)
from support.official import channels_last, read_arrays

ANCHORS = read_arrays("detection", "rpn_losses")
BOXES = read_arrays("detection", "box_losses")
MASKS = read_arrays("detection", "masks")
LEVELS = range(5)
NO_OBJECT = np.zeros((2, 0, 4), np.float32), np.zeros((2, 0), np.int32)


def objects_of(record, gap=0):
    """The objects of two images as a batch, with places that no object takes."""
    counts = [len(record[f"gt_boxes_{image}"]) for image in range(2)]
    boxes = np.zeros((2, max(counts) + gap, 4), np.float32)
    labels = np.full(boxes.shape[:2], -1, np.int32)
    for image, count in enumerate(counts):
        boxes[image, gap : gap + count] = record[f"gt_boxes_{image}"]
        own = record.get(f"gt_labels_{image}", np.zeros(count))
        labels[image, gap : gap + count] = own
    return Truths(tf.constant(boxes), tf.constant(labels))


def anchors_and_flags(border):
    anchors, valid = [], []
    padded = np.tile(ANCHORS["pad_shape"], (2, 1))
    for level, stride in zip(LEVELS, STRIDES, strict=True):
        shape = ANCHORS[f"objectness_{level}"].shape[2:]
        anchors.append(level_anchors(*shape, stride))
        valid.append(valid_anchors(*shape, stride, padded))
    anchors = tf.concat(anchors, axis=0)
    usable = tf.concat(valid, axis=1) & inside(anchors, ANCHORS["img_shapes"], border)
    return anchors, usable


@pytest.mark.parametrize(
    ("case", "border", "beta"),
    [
        ("l1", -1, PROPOSAL_BETA),
        ("smooth_l1_border0", 0, STAGE_PROPOSAL_BETA),
        ("no_gt", -1, PROPOSAL_BETA),
    ],
)
def test_losses_of_proposals_are_those_of_the_record(case, border, beta):
    truths = Truths(*NO_OBJECT) if case == "no_gt" else objects_of(ANCHORS, gap=3)
    anchors, usable = anchors_and_flags(border)
    targets = anchor_targets(anchors, usable, truths, Sampling(64, 0.5))
    for image in range(2):
        for kind, drawn in (
            ("positive", targets.drawn.positive[image]),
            ("negative", targets.drawn.real[image] & ~targets.drawn.positive[image]),
        ):
            found = targets.drawn.indices[image][drawn]
            np.testing.assert_array_equal(found, ANCHORS[f"{case}/{kind}_{image}"])
        found = targets.deltas[image][targets.drawn.positive[image]]
        expected = ANCHORS[f"{case}/targets_{image}"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    maps = [
        [tf.constant(channels_last(ANCHORS[f"{kind}_{level}"])) for level in LEVELS]
        for kind in ("objectness", "deltas")
    ]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        losses = proposal_losses(*maps, targets, beta)
        total = sum(tf.reduce_sum(loss) for loss in losses)
    for name, loss in zip(("loss_cls", "loss_bbox"), losses, strict=True):
        expected = ANCHORS[f"{case}/{name}_levels"]
        np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)
    if case != "l1":
        return
    gradients = tape.gradient(total, maps)
    for kind, of_levels in zip(("objectness", "deltas"), gradients, strict=True):
        for level, gradient in zip(LEVELS, of_levels, strict=True):
            expected = channels_last(ANCHORS[f"l1/{kind}_gradient_{level}"])
            np.testing.assert_allclose(gradient, expected, atol=1e-6)


HEADS = {
    "box": (BOX_RULE, BOX_STDS, BOX_BETA),
    **{f"stage{i + 1}": (STAGE_RULES[i], STAGE_STDS[i], STAGE_BETA) for i in range(3)},
}


def proposals(gap=2):
    """What each head of the record draws from: two images, with gaps in between."""
    counts = [len(BOXES[f"proposals_{image}"]) for image in range(2)]
    boxes = np.tile(np.float32([0, 0, 209, 149]), (2, max(counts) * gap, 1))
    real = np.zeros(boxes.shape[:2], bool)
    for image, count in enumerate(counts):
        boxes[image, : gap * count : gap] = BOXES[f"proposals_{image}"][:, :4]
        real[image, : gap * count : gap] = True
    return tf.constant(boxes), tf.constant(real)


def rows_of(head, values, image):
    """Rows of an image among recorded ones of both images."""
    return BOXES[f"{head}/{values}"][BOXES[f"{head}/rois"][:, 0] == image]


def as_batch(head, values, rois):
    """Recorded rows at the places where regions were drawn; elsewhere something."""
    of_images = [rows_of(head, values, image) for image in range(2)]
    spread = np.full((*rois.real.shape, *of_images[0].shape[1:]), 3, np.float32)
    for image, rows in enumerate(of_images):
        spread[image][rois.real[image].numpy()] = rows
    return tf.constant(spread)


@pytest.mark.parametrize("head", HEADS)
def test_losses_of_box_heads_are_those_of_the_record(head):
    rule, stds, beta = HEADS[head]
    drawing = Drawing(rule, Sampling(24, 0.25), classes=80)
    truths = objects_of(BOXES, gap=1)
    rois = sample_rois(*proposals(), truths, drawing)
    for image in range(2):
        real = rois.real[image].numpy()
        expected = rows_of(head, "rois", image)
        np.testing.assert_allclose(rois.boxes[image][real], expected[:, 1:], atol=1e-5)
        labels = rows_of(head, "labels", image)
        np.testing.assert_array_equal(rois.labels[image][real], labels)
        positive = rois.positive[image].numpy()
        np.testing.assert_array_equal(
            rois.owners[image][positive] - 1, BOXES[f"{head}/assigned_gt_{image}"]
        )
        given = BOXES[f"{head}/positive_is_gt_{image}"].astype(bool)
        np.testing.assert_array_equal(rois.given[image][positive], given)
    logits, deltas = (as_batch(head, name, rois) for name in ("class_logits", "deltas"))
    with tf.GradientTape() as tape:
        tape.watch((logits, deltas))
        losses = box_losses(logits, deltas, rois, stds, beta)
        total = losses.classes + losses.boxes
    for loss, name in zip(losses, ("loss_cls", "loss_bbox", "acc"), strict=True):
        scale = 100 if name == "acc" else 1
        expected = np.reshape(BOXES[f"{head}/{name}"], ())
        np.testing.assert_allclose(scale * loss, expected, rtol=1e-5)
    if head != "box":
        weight = STAGE_WEIGHTS[int(head[-1]) - 1]
        assert BOXES[f"{head}/stage_weight"] == weight
    for gradient, name in zip(
        tape.gradient(total, (logits, deltas)), ("class_logits", "deltas"), strict=True
    ):
        expected = as_batch(head, f"{name}_gradient", rois).numpy()
        expected[~rois.real.numpy()] = 0
        np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_stage_hands_on_what_the_record_says(stage):
    rule, stds, _ = HEADS[f"stage{stage}"]
    drawing = Drawing(rule, Sampling(24, 0.25), classes=80)
    rois = sample_rois(*proposals(), objects_of(BOXES), drawing)
    deltas = as_batch(f"stage{stage}", "deltas", rois)
    sizes = np.tile(BOXES["img_shape"], (2, 1))
    boxes, real = refined_rois(rois, deltas, stds, sizes)
    for image in range(2):
        expected = BOXES[f"stage{stage}/refined_{image}"]
        np.testing.assert_allclose(boxes[image][real[image]], expected, atol=1e-4)


def test_without_an_object_only_classes_are_learnt():
    logits = BOXES["no_positive/class_logits"][None]
    boxes, _ = proposals(1)
    real = np.arange(boxes.shape[1]) < 6
    drawing = Drawing(BOX_RULE, Sampling(24, 0.25), classes=80)
    truths = Truths(*(of[:1] for of in NO_OBJECT))
    rois = sample_rois(boxes[:1], real[None], truths, drawing)
    spread = tf.pad(tf.constant(logits), [[0, 0], [0, 18], [0, 0]])
    deltas = tf.ones((1, 24, 320))
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        losses = box_losses(spread, deltas, rois, BOX_STDS)
    np.testing.assert_allclose(losses.classes, BOXES["no_positive/loss_cls"], rtol=1e-5)
    assert losses.boxes == BOXES["no_positive/loss_bbox"]
    np.testing.assert_allclose(
        100 * losses.accuracy, BOXES["no_positive/acc"][0], rtol=1e-5
    )
    assert not np.any(tape.gradient(losses.boxes, deltas))


def test_the_loss_of_masks_is_that_of_the_record():
    logits = tf.constant(channels_last(MASKS["loss/logits"]))
    labels = MASKS["loss/labels"].astype(np.int32)
    count = len(labels)
    # As many places without a region, with what must not count.
    more = tf.concat([logits, 9 * tf.ones_like(logits)], axis=0)
    targets = np.concatenate([MASKS["targets"], MASKS["targets"]])
    real = np.arange(2 * count) < count
    with tf.GradientTape() as tape:
        tape.watch(more)
        loss = mask_loss(more, targets, np.append(labels, labels + 80), real)
    np.testing.assert_allclose(loss, MASKS["loss/value"][0], rtol=1e-5)
    gradient = tape.gradient(loss, more).numpy()
    expected = MASKS["loss/gradient_of_first_roi"].transpose(1, 2, 0)
    np.testing.assert_allclose(gradient[0], expected, atol=1e-7)
    assert not gradient[count:].any()
    assert mask_loss(more, targets, np.append(labels, labels), real & False) == 0


def test_chance_draws_as_many_of_each_kind_and_others_each_time(rng):
    owners = np.where(rng.random((3, 5000)) < 0.3, rng.integers(1, 9, (3, 5000)), 0)
    owners[:, ::7] = -1
    owners[2] = np.where(np.arange(5000) < 40, 1, -1)  # too few of either kind
    owners[2, 100:110] = 0
    sampling = Sampling(256, 0.5)
    drawn = [sample(owners, sampling, (1, seed)) for seed in (1, 1, 2)]
    for each in drawn:
        positive, negative = (np.sum(k, axis=1) for k in (each.positive, each.real))
        assert positive.tolist() == [128, 128, 40]
        assert negative.tolist() == [256, 256, 50]
        for image in range(3):
            indices = each.indices[image].numpy()
            own = owners[image][indices]
            chosen, real = each.positive[image].numpy(), each.real[image].numpy()
            assert np.all(own[chosen] > 0)
            assert np.all(own[real & ~chosen] == 0)
            for kind in (chosen, real & ~chosen):
                assert np.all(np.diff(indices[kind]) > 0)
            assert np.all(np.diff(real.astype(int)) <= 0)
    same, other = drawn[1:]
    np.testing.assert_array_equal(drawn[0].indices, same.indices)
    both = np.intersect1d(same.indices[0], other.indices[0])
    assert len(both) < 80
    # All over the image, not only its upper part.
    assert np.mean(same.indices[:2]) == pytest.approx(2500, abs=200)


def test_answers_that_hardly_differ_draw_as_if_by_chance():
    sampling, drawn, seeds = Sampling(10, 1.0), np.zeros(40, int), set()
    for number in range(100):
        answers = [tf.fill((1, 2, 2, 3), 0.1 + 1e-6 * number), tf.ones((1, 1, 1, 3))]
        step = Step(None, None, {"objectness": answers}, None, None, None)
        seed = _chance(step, use=0)
        seeds |= {tuple(_chance(step, use).numpy().tolist()) for use in (0, 0, 1)}
        drawn[sample(tf.ones((1, 40), tf.int32), sampling, seed).indices[0]] += 1
    assert len(seeds) > 2 * 95  # the same again for the same answers
    assert len(seeds) <= 2 * 100
    assert drawn.sum() == 1000
    assert np.all(np.abs(drawn - 25) < 22)  # five standard deviations


def test_fewer_anchors_than_are_drawn():
    drawn = sample(tf.constant([[1, 0, -1, 0]]), Sampling(256, 0.5), (1, 2))
    assert drawn.indices[0, :3].numpy().tolist() == [0, 1, 3]
    assert drawn.real.numpy().sum() == 3
    assert drawn.positive.numpy().sum() == 1
