"""What a configuration of segmentation may say."""

from dataclasses import replace

import pytest
import yaml

from hrnet_tf import InputError
from hrnet_tf.common.typed_yaml import read_typed
from hrnet_tf.tasks.dense.config import DenseAugmentation, DenseEvaluate
from hrnet_tf.tasks.segmentation.config import (
    MaskSection,
    SegmentationConfig,
    SegmentationModel,
    SegmentationTrain,
)


@pytest.fixture
def configured(tmp_path):
    """What a file of these sections says."""

    def read(**given):
        path = tmp_path / "experiment.yaml"
        path.write_text(yaml.safe_dump({"data": {"root": "x"}, **given}))
        return read_typed(SegmentationConfig, path)

    return read


def test_the_defaults_are_a_configuration(configured):
    config = configured()
    assert config == replace(SegmentationConfig(), data=MaskSection(root="x"))
    assert config.model.size == (512, 1024)
    assert config.train.schedule == "poly"


SETTINGS = {
    "two heads": (SegmentationModel, {"ocr": True, "aspp": True}, "one head"),
    "no scale": (
        DenseAugmentation,
        {"scale": (0, 2)},
        r"augmentation\.scale.*positive",
    ),
    "scales fall": (DenseAugmentation, {"scale": (2, 1)}, "smaller one first"),
    "flips": (DenseAugmentation, {"flip_probability": 2}, "flip_probability.*0 and 1"),
    "hue": (DenseAugmentation, {"hue": 0.6}, "hue.*between 0 and 0.5"),
    "share": (MaskSection, {"validation_share": 1}, "validation_share.*0 and 1"),
    "short side": (MaskSection, {"short_side": 0}, r"data\.short_side.*positive"),
    "base size": (MaskSection, {"base_size": -1}, r"data\.base_size.*positive"),
    "shapes": (
        MaskSection,
        {"short_side": 9, "keep_aspect": False},
        "short_side` does nothing",
    ),
    "pixels": (SegmentationTrain, {"hardest_pixels": -1}, "hardest_pixels.*negative"),
    "threshold": (SegmentationTrain, {"hard_threshold": 2}, "hard_threshold.*0 and 1"),
    "no scales": (DenseEvaluate, {"scales": ()}, "at least one scale"),
    "a scale of 0": (DenseEvaluate, {"scales": (1, 0)}, "scales.*positive"),
    "no stride": (DenseEvaluate, {"stride_share": 0}, "more than 0 and at most"),
}


@pytest.mark.parametrize(("section", "given", "text"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_make_no_sense_are_refused(section, given, text):
    with pytest.raises(InputError, match=text):
        section(**given)


@pytest.mark.parametrize("name", ["hardest_pixels", "lovasz", "dice", "class_weights"])
def test_another_loss_takes_no_settings_of_ours(name, configured):
    value = True if name == "class_weights" else 1
    with pytest.raises(InputError, match=rf"`train\.loss` \(my\.Loss\) .*{name}"):
        configured(train={"loss": {"class_path": "my.Loss"}, name: value})
