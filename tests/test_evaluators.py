"""What an evaluation takes from the run and what from the settings."""

from dataclasses import replace

import pytest

from hrnet_tf.errors import InputError
from hrnet_tf.evaluators.pose import PoseEvaluator
from hrnet_tf.typed_yaml import write_config


def test_settings_of_the_data_win_over_the_manifest(
    configured, tiny_manifest, tmp_path
):
    keypoints = replace(tiny_manifest.keypoints, name="mine", sigmas=(0.05,) * 17)
    write_config(keypoints, tmp_path / "mine.yaml")
    config = configured("data.sigma=3", f"data.keypoints={tmp_path / 'mine.yaml'}")
    found = PoseEvaluator(config.data, config.evaluate, tiny_manifest).manifest
    assert (found.decoding.sigma, found.keypoints) == (3, keypoints)


def test_other_keypoints_than_the_models_are_refused(configured, tiny_manifest):
    keypoints = replace(
        tiny_manifest.keypoints,
        names=tuple(f"{name}_" for name in tiny_manifest.keypoints.names),
        flip_pairs=(),
        skeleton=(),
        upper_body=(),
    )
    config = configured()
    with pytest.raises(InputError, match=r"must name the model's keypoints"):
        PoseEvaluator(
            config.data, config.evaluate, replace(tiny_manifest, keypoints=keypoints)
        )
