"""Training samples, targets and losses against the record of the official program."""

import json

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import warp
from hrnet_tf.tasks.bottom_up.augment import Views, people_in_view, random_views
from hrnet_tf.tasks.bottom_up.config import (
    AugmentationSection,
    BottomUpData,
    ScenesSection,
)
from hrnet_tf.tasks.bottom_up.geometry import look_at
from hrnet_tf.tasks.bottom_up.losses import (
    PeopleLoss,
    masked_heatmap_errors,
    pull_and_push,
)
from hrnet_tf.tasks.bottom_up.masks import counted_pixels
from hrnet_tf.tasks.bottom_up.pipeline import Targets
from hrnet_tf.tasks.bottom_up.scenes import CocoScenes
from hrnet_tf.tasks.bottom_up.targets import draw_heatmaps, keypoint_cells
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from support.official import FIXTURES, read_arrays


def heatmaps_of(people, side, widest=0.0):
    """Channels first, as recorded."""
    drawn = draw_heatmaps(
        tf.constant(people[None], tf.float32), (side, side), widest=widest
    )
    return drawn[0].numpy().transpose(2, 0, 1)


def indices_of(people, side, rows):
    """Places of visible keypoints as the official program lists them."""
    cells, visible = keypoint_cells(
        tf.constant(people[None, ..., :3], tf.float32), (side, side)
    )
    listed = np.zeros((rows, people.shape[1], 2), np.int64)
    for person, (own, seen) in enumerate(zip(cells[0], visible[0], strict=True)):
        (keypoints,) = np.nonzero(seen.numpy())
        x, y = own.numpy()[keypoints].T
        listed[person, : len(keypoints), 0] = keypoints * side**2 + y * side + x
        listed[person, : len(keypoints), 1] = 1
    return listed


@pytest.mark.parametrize("number", range(4))
def test_training_looks_are_those_of_the_record(number):
    record = read_arrays("bottom_up", "train_transform")
    case = {k[3:]: v for k, v in record.items() if k.startswith(f"c{number}_")}
    height, width = case["image"].shape[:2]
    fit = str(case["scale_type"])
    whole = (min if fit == "short" else max)(height, width)
    factor = 0.75 + 0.75 * float(case["draw_scale"])
    rotation = (2 * float(case["draw_rotation"]) - 1) * 30
    flip = bool(case["flip"])
    views = Views(
        np.array([[width / 2, height / 2] + case["shift"]]),
        np.array([whole * factor]),
        np.array([factor]),
        np.array([rotation]),
        np.array([flip]),
    )
    np.testing.assert_allclose(views.widths[0] / 200, case["scale"], rtol=1e-12)
    mirror = KeypointSet.read("coco").mirror
    for side in (32, 64, 128):
        matrix = views.matrices(side)[0]
        plain = matrix.copy()
        if flip:
            plain[0] *= -1
            plain[0, 2] += side - 1
        np.testing.assert_allclose(plain, case[f"matrix_{side}"], atol=1e-9)
        if side == 128:
            found = warp(case["image"], plain, (side, side)).astype(int)
            apart = np.abs(found - case["warped_image"])
            assert apart.max() <= 5
            assert (apart > 2).mean() < 0.004
            continue
        people = people_in_view(case["joints"], matrix, flip, mirror)
        np.testing.assert_allclose(people, case[f"out_joints_{side}"], atol=1e-9)
        counted = case["mask"].astype(np.uint8) * 255
        mask = warp(counted, matrix, (side, side)) > 127
        assert (mask != case[f"out_mask_{side}"].astype(bool)).sum() <= 2
        np.testing.assert_allclose(
            heatmaps_of(people, side), case[f"heatmaps_{side}"], atol=1e-6
        )
        listed = indices_of(people, side, len(people))
        np.testing.assert_array_equal(listed, case[f"joint_indices_{side}"])


def test_draws_keep_to_their_limits():
    sizes = np.array([[480, 640]] * 2000)
    views = random_views(sizes, AugmentationSection(), np.random.default_rng(0))
    assert 0.75 <= views.factors.min() < 0.76
    assert 1.49 < views.factors.max() <= 1.5
    assert 29 < np.abs(views.rotations).max() <= 30
    shifts = views.centers - [320, 240]
    np.testing.assert_array_equal(shifts, np.round(shifts))
    assert (np.abs(shifts).max(axis=1) <= 0.2 * views.widths).all()
    assert 0.45 < views.flips.mean() < 0.55


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    """The recorded annotations, with image files of their sizes."""
    folder = tmp_path_factory.mktemp("scenes")
    data = json.loads((FIXTURES / "bottom_up" / "annotations.json").read_text())
    data["categories"][0].pop("keypoints")  # they are not named there
    for image in data["images"]:
        (folder / image["file_name"]).write_bytes(b"x")
    path = folder / "annotations.json"
    path.write_text(json.dumps(data))
    return ScenesSection(str(path), str(folder))


@pytest.mark.parametrize(
    ("kind", "record"),
    [("no", "plain"), ("real", "adaptive_sigma"), ("whole", "adaptive_integer_sigma")],
)
def test_targets_of_annotations_are_those_of_the_record(annotated, kind, record):
    keypoints = KeypointSet.read("coco")
    scenes = CocoScenes(annotated, keypoints).scenes()
    assert [len(each) for each in scenes.keypoints] == [3, 1, 0, 6]
    data = BottomUpData(adaptive_sigma=kind, sigma_base=64.0)
    targets = Targets(scenes, data, 128, keypoints.mirror)
    arrays = read_arrays("bottom_up", "annotation_targets")
    for number in range(4):
        size = tuple(scenes.images.image_sizes[number])
        counted = counted_pixels(scenes.hidden[number], size)
        np.testing.assert_array_equal(counted, arrays[f"image{number}_mask"])
        views = Views(
            np.array([[size[1] / 2, size[0] / 2]]),
            np.array([min(size)], float),
            np.ones(1),
            np.zeros(1),
            np.zeros(1, bool),
        )
        matrices = np.stack([views.matrices(side)[0] for side in (32, 64)])
        people = targets.people(number, matrices, False, 1.0)
        masks = targets.masks(number, matrices)
        for side, own, mask in zip((32, 64), people, masks, strict=True):
            wanted = arrays[f"{record}_image{number}_joints_{side}"]
            there = (wanted[..., 2] > 0).any(axis=1)
            np.testing.assert_allclose(own[: there.sum()], wanted[there], atol=1e-4)
            assert not own[there.sum() :, :, 2].any()
            np.testing.assert_allclose(
                heatmaps_of(own, side, targets.widest),
                arrays[f"{record}_image{number}_heatmaps_{side}"],
                atol=1e-5,
            )
            wanted_mask = arrays[f"image{number}_mask_{side}"]
            assert (mask != wanted_mask).sum() <= 2
            # People without keypoints are rows of zeros there, and none here.
            every = np.zeros((30, 17, 3))
            every[: len(wanted)] = wanted[..., :3]
            listed = indices_of(every, side, 30)
            np.testing.assert_array_equal(
                listed, arrays[f"image{number}_joint_indices_{side}"]
            )


def test_targets_are_those_of_the_record():
    record = read_arrays("protocol", "bottom_up_targets")
    drawn = heatmaps_of(record["people"], 64)
    np.testing.assert_allclose(drawn, record["heatmaps"], atol=1e-6)
    listed = indices_of(record["people"], 64, 30)
    np.testing.assert_array_equal(listed, record["joint_indices"])


def test_an_image_is_resized_as_in_the_record():
    record = read_arrays("bottom_up", "test_sizes")
    look = look_at(record["image"].shape[:2], int(record["image_input_size"]))
    found = warp(record["image"], look.matrix, look.size).astype(int)
    assert np.abs(found - record["image_resized"]).max() <= 5


def recorded_tags(record):
    """Tags of people `(images, people, keypoints)`, and which are listed."""
    indices, listed = np.moveaxis(record["joint_indices"].astype(int), -1, 0)
    tags = tf.constant(record["tags"][..., 0])
    found = tf.gather(tags, tf.constant(indices.reshape(len(tags), -1)), batch_dims=1)
    return tags, tf.reshape(found, indices.shape), tf.constant(listed > 0)


def test_pull_and_push_are_those_of_the_record():
    record = read_arrays("protocol", "bottom_up_losses")
    pull, push = pull_and_push(*recorded_tags(record)[1:])
    np.testing.assert_allclose(pull, record["pull"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(push, record["push"], rtol=1e-5, atol=1e-7)
    first = [
        record[f"heatmap_{key}"].transpose(0, 2, 3, 1) for key in ("target", "pred")
    ]
    errors = masked_heatmap_errors(
        *map(tf.constant, first), tf.constant(record["mask"])
    )
    np.testing.assert_allclose(errors, record["heatmap_loss"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["exp", "max"])
def test_any_number_of_people_has_the_gradient_of_the_record(kind):
    record = read_arrays("bottom_up", "ae_loss_people_counts")
    indices, listed = np.moveaxis(record["joint_indices"].astype(int), -1, 0)
    tags = tf.constant(record["tags"][..., 0])
    with tf.GradientTape() as tape:
        tape.watch(tags)
        found = tf.gather(tags, indices.reshape(len(tags), -1), batch_dims=1)
        found = tf.reshape(found, indices.shape)
        pull, push = pull_and_push(found, tf.constant(listed > 0), kind)
        total = tf.reduce_sum(pull + push)
    np.testing.assert_allclose(pull, record[f"{kind}_pull"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(push, record[f"{kind}_push"], rtol=1e-5, atol=1e-7)
    gradient = tf.convert_to_tensor(tape.gradient(total, tags))
    wanted = record[f"{kind}_tag_gradient"][..., 0]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-7)


def test_people_who_are_nobody_change_no_loss():
    rng = np.random.default_rng(0)
    people = rng.uniform(1, 15, (2, 3, 5, 3)).astype(np.float32)
    more = np.concatenate([people, np.zeros((2, 4, 5, 3), np.float32)], axis=1)
    answer = tf.constant(rng.normal(0, 1, (2, 16, 16, 10)), tf.float32)
    mask = tf.constant(rng.integers(0, 2, (2, 16, 16)), tf.float32)
    loss = PeopleLoss()
    wanted = loss(people, answer, sample_weight=mask)
    np.testing.assert_allclose(
        loss(more, answer, sample_weight=mask), wanted, rtol=1e-6
    )
    again = PeopleLoss.from_config(loss.get_config())
    np.testing.assert_allclose(
        again(more, answer, sample_weight=mask), wanted, rtol=1e-6
    )


def test_targets_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"must be people of shape \(batch, people"):
        PeopleLoss()(np.zeros((2, 5, 3)), np.zeros((2, 8, 8, 5)))
