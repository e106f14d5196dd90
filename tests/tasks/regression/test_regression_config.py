"""What a configuration of dense regression may say."""

from dataclasses import replace

import pytest
import yaml

from hrnet_tf import InputError
from hrnet_tf.common.config import Component
from hrnet_tf.tasks.regression.config import (
    MapSection,
    RegressionConfig,
    RegressionTrain,
)
from hrnet_tf.training.configs import read_config


@pytest.fixture
def configured(tmp_path):
    """What a file of these sections says."""

    def read(**data):
        path = tmp_path / "experiment.yaml"
        given = {"task": "regression", "data": {"root": "x", **data}}
        path.write_text(yaml.safe_dump(given))
        return read_config(path)

    return read


def test_the_defaults_are_a_configuration(configured):
    config = configured()
    data = MapSection(root="x")
    expected = RegressionConfig(data=data, output="saved_models/experiment")
    assert config == expected
    assert config.data.channel_set.names == ("depth",)
    assert (config.data.unit_size, config.data.missing) == (1.0, None)
    assert config.train.optimizer.class_path == "hrnet_tf.optimizers.Adam"


def test_a_file_says_what_numbers_mean(configured):
    config = configured(
        channels=["x", "y"], mirrored=["x"], per_pixel=["x", "y"], missing=0
    )
    assert config.data.channel_set.signs.tolist() == [-1, 1]
    assert config.data.channel_set.powers.tolist() == [1, 1]
    assert config.data.missing == 0


DATA = {
    "no channel": ({"channels": []}, "experiment.yaml: `data`: `channels` must name"),
    "another channel": ({"mirrored": ["x"]}, "`mirrored` holds 'x', which is none"),
    "no unit": ({"unit_size": 0}, r"`data\.unit_size` must be .* other than 0"),
    "an endless unit": ({"unit_size": float("inf")}, r"other than 0, got inf"),
    "no folder": ({"targets": ""}, r"`data\.targets` must name the folder"),
    "the images": ({"targets": "images"}, "another one than images, got 'images'"),
    "two factors": (
        {"per_pixel": ["depth"], "keep_aspect": False},
        r"`data\.keep_aspect=false` changes by two factors",
    ),
    "share": ({"validation_share": 1}, "validation_share.*0 and 1"),
    "an unknown key": ({"chanels": []}, r"did you mean `data\.channels`"),
}


@pytest.mark.parametrize(("given", "text"), DATA.values(), ids=DATA)
def test_data_that_make_no_sense_are_refused(given, text, configured):
    with pytest.raises(InputError, match=text):
        configured(**given)


def test_another_loss_takes_no_kind():
    loss = Component("my.Loss")
    assert RegressionTrain(loss=loss).loss == loss
    with pytest.raises(InputError, match=r"`train\.loss` \(my\.Loss\) .*loss_kind"):
        replace(RegressionTrain(loss=loss), loss_kind="berhu")
