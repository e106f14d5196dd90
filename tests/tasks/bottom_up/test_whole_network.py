"""HigherHRNet as a whole against the record: an image to maps, and training steps."""

import numpy as np
import pytest
import tensorflow as tf
from keras import optimizers

import hrnet_tf
from hrnet_tf.images.preprocess import preprocess_input, warp
from hrnet_tf.tasks.bottom_up.geometry import look_at
from hrnet_tf.tasks.bottom_up.grouping import Grouping, find_candidates, group
from hrnet_tf.tasks.bottom_up.losses import PeopleLoss
from hrnet_tf.tasks.bottom_up.maps import PeopleMaps, Seen, merge
from hrnet_tf.tasks.bottom_up.predictor import separated
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from support.official import channels_last, read_arrays, read_case, tensors
from tasks.test_trajectory import take_steps


@pytest.fixture(scope="module")
def network():
    case = read_case("models", "higher_pose_w32")
    model = hrnet_tf.HigherHRNet(32, 17)
    hrnet_tf.load_official(model, tensors(case))
    return model


def test_an_image_goes_through_the_whole_network_as_in_the_record(network):
    record = read_arrays("bottom_up", "whole_model_w32")
    mirror = KeypointSet.read("coco").mirror
    look = look_at(record["image"].shape[:2], 128)
    assert look.size == tuple(record["base_size_wh"][::-1])
    seen = warp(record["image"], look.matrix, look.size).astype(int)
    assert np.abs(seen - record["resized"]).max() <= 5

    pixels = preprocess_input(record["resized"][None])
    sample = pixels.numpy()[:, ::4, ::4].transpose(0, 3, 1, 2)
    np.testing.assert_allclose(sample, record["input_every_4th"], atol=1e-5)
    both = tf.concat([pixels, tf.reverse(pixels, [2])], axis=0)
    found = separated(network(both, training=False), 17)
    maps = {name: value.numpy() for name, value in found.items()}
    quarter = np.concatenate([maps["quarter_heatmaps"], maps["tags"]], axis=-1)
    for name, ours in (("output_0", quarter), ("output_1", maps["heatmaps"])):
        sums = ours[:1].sum(axis=(1, 2), dtype=np.float64)
        np.testing.assert_allclose(sums, record[f"{name}_sums"], rtol=1e-3, atol=0.05)
        mirrored = ours[1:, ::4, ::4]
        wanted = channels_last(record[f"flipped_{name}_every_4th"])
        np.testing.assert_allclose(mirrored, wanted, rtol=1e-3, atol=5e-3)

    rows = [{name: value[row] for name, value in maps.items()} for row in (0, 1)]
    merged = merge([Seen(*rows)], mirror, look.size, 0)
    whole = merged.everywhere()
    sums = whole.sum(axis=(0, 1), dtype=np.float64)
    np.testing.assert_allclose(
        sums, record["final_heatmap_sums"][0], rtol=1e-3, atol=0.5
    )
    wanted = channels_last(record["final_heatmaps_every_4th"])[0]
    np.testing.assert_allclose(whole[::4, ::4], wanted, rtol=1e-3, atol=5e-3)

    tags = merged.tags * np.float32(record["grouping_tag_factor"])
    scaled = PeopleMaps(merged.size, merged.heatmaps, tags, merged.half)
    settings = Grouping(threshold=float(record["grouping_detection_threshold"]))
    values = find_candidates(scaled, settings).values
    np.testing.assert_allclose(
        values[record["top_values"] > 1.6],
        record["top_values"][record["top_values"] > 1.6],
        rtol=1e-3,
    )
    people, _ = group(scaled, settings)
    assert abs(len(people) - len(record["grouped"])) <= 2


@pytest.mark.slow
def test_training_follows_the_original():
    case = read_case("bottom_up", "training_higher_pose_w32_adam")
    record = read_arrays("bottom_up", "training_higher_pose_w32_adam")
    model = hrnet_tf.HigherHRNet(32, 17, input_shape=(128, 128, 3))
    weights = read_case("models", "higher_pose_w32")
    hrnet_tf.load_official(model, tensors(weights))
    people = {
        "heatmaps_and_tags": record["people_64"] * [0.5, 0.5, 1],
        "heatmaps": record["people_64"],
    }
    masks = {"heatmaps_and_tags": record["mask_32"], "heatmaps": record["mask_64"]}

    def loss_of(answers):
        return sum(
            PeopleLoss()(
                people[name], answers[name], sample_weight=masks[name].astype("float32")
            )
            for name in people
        )

    steps = take_steps(model, case, loss_of, optimizers.Adam(0.001, epsilon=1e-8))
    losses, norms = zip(*steps, strict=True)
    assert losses[0] == pytest.approx(case["losses"][0], rel=1e-5)
    assert losses == pytest.approx(case["losses"], rel=0.02)
    # Where inputs of ReLU lie nearer to zero than float32 can tell, rounding decides.
    recorded = case["first_step_gradient_norms"]
    assert norms[0] == pytest.approx(recorded, rel=0.02, abs=1e-7)
