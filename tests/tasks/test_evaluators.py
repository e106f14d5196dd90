"""What an evaluation takes from the run and what from the settings."""

from dataclasses import replace

import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.typed_yaml import write_config
from hrnet_tf.images.sheets import GAP
from hrnet_tf.tasks.pose.evaluator import SHOWN, PoseEvaluator


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


class Blind:
    """Finds nobody, and keeps what it is shown."""

    def locate(self, crops):
        self.crops = crops
        return np.zeros((len(crops), 17, 2)), np.zeros((len(crops), 17))


def test_what_is_beyond_an_image_is_not_drawn_black(
    configured, tiny_manifest, data_folder
):
    config = configured()
    evaluator = PoseEvaluator(config.data, config.evaluate, tiny_manifest)
    blind = Blind()
    sheet = evaluator.draw(blind)
    np.testing.assert_array_equal(blind.crops, evaluator.sample_crops(SHOWN))
    assert (blind.crops == 0).all(axis=-1).mean() > 0.02  # the network sees it black
    assert (sheet == 0).all(axis=-1).mean() < 0.001
    columns = min(8, len(blind.crops))  # narrow crops beside one another
    assert sheet.shape[1] == columns * 128 + (columns + 1) * GAP
