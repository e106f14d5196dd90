"""Whole detectors answer as the original programs do, with the weights by name."""

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.checkpoints.names import official
from hrnet_tf.tasks.detection.roi_align import roi_align
from support.official import channels_last, read_arrays, read_case
from support.official_detectors import blocks, case_tensors

ARGUMENTS = {
    "faster_rcnn_w18": {},
    "mask_rcnn_w18": {"masks": True},
    "cascade_rcnn_w18": {"cascade": True},
}


class Case:
    """A recorded detector, ours with its weights, and what ours finds on the input."""

    def __init__(self, name):
        self.facts, self.recorded = (
            read_case("detection", name),
            read_arrays("detection", name),
        )
        self.model = hrnet_tf.HRNetDetector(18, **ARGUMENTS[name])
        tensors = official(case_tensors(self.facts, self.recorded), name)
        hrnet_tf.load_official(self.model, tensors)  # every tensor, every variable
        self.image = blocks(self.facts["input_name"], self.facts["input_shape"])
        self.sizes = np.array([self.facts["img_shape"]], np.int32)
        self.features = self.model.parts.features(self.image, training=False)
        self.scale = np.array(self.facts["scale_factor"], np.float32)

    def found(self):
        given = {"image": self.image, "sizes": self.sizes}
        answer = self.model(given, training=False)
        return {name: np.asarray(x)[0] for name, x in answer.items()}


def close(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.ptp(expected)


@pytest.fixture(
    scope="module",
    params=[
        "faster_rcnn_w18",
        pytest.param("mask_rcnn_w18", marks=pytest.mark.slow),
        pytest.param("cascade_rcnn_w18", marks=pytest.mark.slow),
    ],
)
def case(request):
    return Case(request.param)


def test_the_pyramid_and_the_proposal_head_answer_as_the_original(case):
    count = sum(int(np.prod(v.shape)) for v in case.model.trainable_variables)
    assert count == case.facts["parameters"]
    for number in range(5):
        for kind in ("objectness", "deltas"):
            expected = channels_last(case.recorded[f"{kind}_{number}"])
            close(case.features[kind][number], expected)
        means = np.asarray(case.features["levels"][number]).mean((1, 2))
        close(means, case.recorded[f"pyramid_mean_{number}"])


def test_proposals_are_those_of_the_original(case):
    layer = case.model.get_layer("proposals")
    given = {name: case.features[name] for name in ("objectness", "deltas")}
    found = layer({**given, "sizes": case.sizes})
    boxes = np.asarray(found["boxes"])[0, : int(found["counts"][0])]
    expected = case.recorded["proposals"][:, :4]
    assert abs(len(boxes) - len(expected)) <= 0.01 * len(expected)
    apart = np.abs(boxes[None] - expected[:, None]).max(-1).min(1)
    assert (apart < 0.05).mean() >= 0.99


def answers(case, rois, stage=0):
    """A box head's answers for boxes: logits and deltas."""
    crops = roi_align(case.features["levels"][:4], rois[None], 7)
    return case.model.parts.heads.boxes[stage](tf.reshape(crops, (-1, 7, 7, 256)))


def test_boxes_are_judged_as_by_the_original(case):
    recorded, cascade = case.recorded, case.model.parts.heads.cascade
    names = [f"fixed_stage{n}_" for n in (1, 2, 3)] if cascade else ["fixed_"]
    rois, all_logits = recorded["fixed_rois"], []
    for stage, name in enumerate(names):
        if cascade:
            close(rois, recorded[f"{name}rois"])
        logits, deltas = answers(case, rois, stage)
        close(logits, recorded[f"{name}class_logits"])
        close(deltas, recorded[f"{name}deltas"])
        all_logits.append(logits)
        if stage < len(names) - 1:
            refine = case.model.get_layer(f"refined.{stage}")
            given = {"boxes": rois[None], "deltas": deltas, "sizes": case.sizes}
            rois = np.asarray(refine(given))[0]
    answer = case.model.get_layer("detections")(
        {
            "boxes": tf.constant(rois)[None],
            "counts": tf.constant([len(rois)]),
            "logits": all_logits,
            "deltas": deltas,
            "sizes": case.sizes,
        }
    )
    count = int(answer["counts"][0])
    assert count == len(recorded["fixed_boxes"])
    boxes = np.asarray(answer["boxes"])[0, :count] / case.scale
    close(boxes, recorded["fixed_boxes"][:, :4])
    close(np.asarray(answer["scores"])[0, :count], recorded["fixed_boxes"][:, 4])
    labels = np.asarray(answer["labels"])[0, :count]
    np.testing.assert_array_equal(labels, recorded["fixed_labels"])


def test_masks_of_boxes_are_those_of_the_original(case):
    if not case.model.parts.heads.masks:
        pytest.skip("this one finds boxes alone")
    rois = case.recorded["fixed_rois"]
    crops = roi_align(case.features["levels"][:4], rois[None], 14)
    (head,) = case.model.parts.heads.masks
    logits = np.asarray(head(tf.reshape(crops, (-1, 14, 14, 256))))
    classes = case.recorded["fixed_mask_classes"]
    few = logits[:6].transpose(0, 3, 1, 2)[:, classes]
    close(few, case.recorded["fixed_mask_logits"])
    close(logits.mean((1, 2)), case.recorded["fixed_mask_mean"])


def test_the_whole_detector_finds_what_the_original_finds(case):
    found, recorded = case.found(), case.recorded
    expected, count = recorded["boxes"], int(found["counts"])
    boxes = found["boxes"][:count] / case.scale
    certain = expected[:, 4] > 0.05 + 1e-4
    assert not found["boxes"][count:].any()
    assert not found["scores"][count:].any()
    assert abs(count - len(expected)) <= (~certain).sum()
    partners = match(boxes, found, expected, recorded["labels"])
    assert (partners[certain] >= 0).all()
    if "masks" in found:
        same_masks(case, found, boxes, partners)


def match(boxes, found, expected, labels):
    """The place of each recorded detection among ours; -1: it is not there."""
    apart = np.abs(boxes[None] - expected[:, None, :4]).max(-1)
    less = np.abs(found["scores"][: len(boxes)][None] - expected[:, None, 4])
    other = found["labels"][: len(boxes)][None] != labels[:, None]
    same = (apart < 1e-4 * np.ptp(expected[:, :4])) & (less < 1e-4) & ~other
    return np.where(same.any(1), same.argmax(1), -1)


def same_masks(case, found, boxes, partners):
    shape, bits = case.recorded["masks_shape"], {}
    for name in ("masks", "masks_near_half"):
        unpacked = np.unpackbits(case.recorded[name], axis=1)
        bits[name] = unpacked[:, : shape[1] * shape[2]].reshape(shape).astype(bool)
    assert (partners >= 0).sum() > 50
    for row, place in enumerate(partners):
        if place >= 0:
            whole = pasted(found["masks"][place], boxes[place], shape[1:])
            wrong = (whole >= 0.5) != bits["masks"][row]
            assert not (wrong & ~bits["masks_near_half"][row]).any()


def pasted(mask, box, size):
    """What a mask says of the middles of an image's pixels, zero around it."""
    side = len(mask)
    places = [
        ((np.arange(count) + 0.5 - begin) / (end - begin) * side - 0.5)
        for count, begin, end in zip(size, box[[1, 0]], box[[3, 2]], strict=True)
    ]
    rows, columns = (
        np.maximum(1 - np.abs(at[:, None] - np.arange(side)), 0) for at in places
    )
    return rows @ mask @ columns.T
