"""The numbers of the original programs, reproduced with the weights by name."""

import itertools

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.compat import KERAS_3
from support.official import (
    channels_last,
    images,
    read_arrays,
    read_case,
    tensors,
)

ANY = (None, None, 3)
MODELS = {
    "pose_w32": lambda: hrnet_tf.HRNetV1(32, 17, input_shape=ANY),
    "segmentation_w18_half_pixel": lambda: hrnet_tf.HRNetV2(18, 19),
    "segmentation_w18_align_corners": lambda: hrnet_tf.HRNetV2(
        18, 19, upsampling="bilinear_align_corners"
    ),
    "detection_hrnetv2p_w18": lambda: hrnet_tf.HRNetV2p(18),
    "segmentation_ocr_w18": lambda: hrnet_tf.HRNetV2(
        18, 19, ocr=True, upsampling="bilinear_align_corners"
    ),
    "higher_pose_w32": lambda: hrnet_tf.HigherHRNet(32, 17),
    "landmarks_w18": lambda: hrnet_tf.HRNetLandmarks(18, 98, input_shape=ANY),
    "classification_w18": lambda: hrnet_tf.HRNetClassifier(18, input_shape=ANY),
    "classification_w18_small_v1": lambda: hrnet_tf.HRNetClassifier(
        "18_small_v1", input_shape=ANY
    ),
}


# Layers and heads of these are in others too: the current lane tells of them.
ONE_LANE = ("segmentation_w18_align_corners", "landmarks_w18", "classification_w18")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.slow if not KERAS_3 and name in ONE_LANE else ()
        )
        for name in MODELS
    ],
)
def test_networks_answer_as_the_originals(name):
    case, recorded = read_case("models", name), read_arrays("models", name)
    model = MODELS[name]()
    hrnet_tf.load_official(model, tensors(case))  # every tensor, every variable
    outputs = model(images("input", case["input_shape"]), training=False)
    outputs = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    assert len(outputs) == len(recorded)
    for number, output in enumerate(outputs):
        expected = recorded[f"output_{number}"]
        expected = channels_last(expected) if expected.ndim == 4 else expected
        assert output.shape == expected.shape
        assert np.abs(output - expected).max() < 1e-4 * np.abs(expected).max()
    assert count(model) == case["parameters"]


def count(model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def classifier_head(width: int) -> int:
    """Parameters of the original ImageNet head, which the bodies' counts come with."""
    planes = (32, 64, 128, 256)

    def bottleneck(inputs, middle):
        convs = inputs * middle + 9 * middle**2 + middle * 4 * middle
        return convs + inputs * 4 * middle + 2 * (middle + middle + 4 * middle * 2)

    total = sum(bottleneck(width * 2**i, p) for i, p in enumerate(planes))
    outputs = [4 * p for p in planes]
    total += sum(9 * a * b + b + 2 * b for a, b in itertools.pairwise(outputs))
    return total + 1024 * 2048 + 2048 + 2 * 2048 + 2048 * 1000 + 1000


CLASSIFIERS = {
    "18_small_v1": 13_187_464,
    "18_small_v2": 15_597_464,
    18: 21_299_004,
    30: 37_712_220,
    32: 41_232_680,
    40: 57_557_160,
    44: 67_064_984,
    48: 77_469_864,
    64: 128_059_944,
}
SEGMENTATION = {
    ("18_small_v1", 19): 1_540_819,
    ("18_small_v2", 19): 3_939_579,
    (18, 19): 9_641_119,
    (32, 19): 29_546_515,
    (40, 19): 45_894_435,
    (48, 19): 65_859_379,
    (48, 20): 65_860_100,
    (48, 59): 65_888_219,
    (48, 150): 65_953_830,
    (48, 171): 65_968_971,
}
POSE = {
    (32, 17): 28_536_113,
    (48, 17): 63_595_745,
    (32, 16): 28_536_080,
    (48, 16): 63_595_696,
}
BODIES = {18: 9_562_260, 32: 29_305_536, 40: 45_521_216, 48: 65_325_120}


@pytest.mark.slow
@pytest.mark.parametrize("width", CLASSIFIERS)
def test_every_body_has_the_published_number_of_parameters(width):
    model = hrnet_tf.HRNetV2(width, include_top=False, upsampling="nearest")
    channels = 16 if width == "18_small_v1" else 18 if width == "18_small_v2" else width
    assert count(model) == CLASSIFIERS[width] - classifier_head(channels)
    assert count(model) == BODIES.get(width, count(model))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "classes"), SEGMENTATION)
def test_segmentation_has_the_published_number_of_parameters(width, classes):
    assert count(hrnet_tf.HRNetV2(width, classes)) == SEGMENTATION[width, classes]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "keypoints"), POSE)
def test_pose_has_the_published_number_of_parameters(width, keypoints):
    assert count(hrnet_tf.HRNetV1(width, keypoints)) == POSE[width, keypoints]
