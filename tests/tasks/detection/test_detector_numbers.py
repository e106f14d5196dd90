"""Numbers of a detector: how wide its heads are, what it looks at and learns from."""

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.fold import fold
from hrnet_tf.tasks.detection.config import DetectionNumbers, DetectionTrain
from hrnet_tf.tasks.detection.learning import Learning
from hrnet_tf.tasks.detection.proposals import Proposing
from hrnet_tf.tasks.detection.suppression import Detecting
from hrnet_tf.training.configs import read_config
from support.networks import shallow_networks
from support.served import TINY

NARROW = {"features": 12, "hidden": 20}
NUMBERS = {
    "proposals": {"before": 30, "most": 20},
    "detections": {"least": 0.01, "overlap": 0.6, "most": 7},
    "learning": {"regions": 16},
}


def build(**arguments):
    keras.utils.set_random_seed(0)
    with shallow_networks():
        return hrnet_tf.HRNetDetector(classes=2, **TINY, **arguments)


@pytest.fixture(scope="module")
def narrow():
    return build(masks=True, **NARROW, **NUMBERS)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype(np.float32)


def assert_numbers(model):
    assert model.parts.choosing.proposals == Proposing(30, 20)
    assert model.parts.choosing.detections == Detecting(0.01, 0.6, 7)
    assert model.learning == Learning(regions=16, rescue=True)


def test_a_narrow_detector_is_narrow_everywhere(narrow, images):
    heads = narrow.heads
    assert narrow.parts.pyramid(images)["P6"].shape == (1, 1, 1, 12)
    for layer in (heads.proposals.hidden, *heads.masks[0].hidden):
        assert layer.filters == 12
    assert [layer.units for layer in heads.boxes[0].hidden] == [20, 20]


def test_numbers_are_kept_by_files_and_exports(narrow, images, tmp_path):
    assert_numbers(narrow)
    narrow.save(tmp_path / "detector.keras")
    again = keras.models.load_model(tmp_path / "detector.keras")
    assert_numbers(again)
    found, exported = again(images), fold(narrow)(images)
    assert found["masks"].shape == exported["masks"].shape == (1, 7, 28, 28)
    assert int(found["counts"][0]) == int(exported["counts"][0]) > 0
    np.testing.assert_allclose(found["boxes"], exported["boxes"], atol=1e-3)


def test_by_default_they_are_the_published_ones():
    model = build()
    choosing = model.parts.choosing
    assert (choosing.proposals, choosing.detections) == (Proposing(), Detecting())
    assert (Proposing().before, Proposing().most) == (1000, 1000)
    assert Detecting() == Detecting(least=0.05, overlap=0.5, most=100)
    assert model.learning == Learning(2000, 1000, 256, 512)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"features": 0}, "`features` and `hidden` must be at least 1, got 0 and"),
        ({"proposals": {"afterwards": 3}}, "`proposals` has no afterwards; it has bef"),
        ({"proposals": {"most": 0}}, r"`proposals\.most` must be positive, got 0"),
        ({"detections": {"least": 2}}, r"`detections\.least` must lie between 0 and 1"),
        (
            {"learning": {"regions": 3}},
            r"`learning\.regions` must be at least 4, got",
        ),
        (
            {"learning": {"anchors": 1}},
            r"`learning\.anchors` must be at least 2, got",
        ),
        ({"learning": {"proposals": 0}}, r"`learning\.proposals` must be positive"),
    ],
)
def test_numbers_that_cannot_be_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        hrnet_tf.HRNetDetector(**TINY, **arguments)


@pytest.mark.parametrize(
    ("override", "text"),
    {
        "model.features=0": "`model.features` must be positive, got 0",
        "model.hidden=-1": "`model.hidden` must be positive, got -1",
        "model.proposals.before=0": r"`model\.proposals\.before` must be positive",
        "model.proposals.worst=1": r"unknown key `model\.proposals\.worst`",
        "model.detections.most=0": r"`model\.detections\.most` must be positive, got 0",
        "model.detections.overlap=2": r"`model\.detections\.overlap` must lie between",
        "train.learning.regions=3": r"`train\.learning\.regions` must be at least 4",
        "train.learning.anchors=1": r"`train\.learning\.anchors` must be at least 2",
        "train.learning.before=0": r"`train\.learning\.before` must be at least 1",
        "train.xla=true": r"`train\.xla` of detection must be false, got true: XLA",
        "train.xla=null": r"`train\.xla` of detection must be false, got null: XLA",
    }.items(),
)
def test_a_configuration_names_the_key(override, text):
    with pytest.raises(InputError, match=text):
        read_config("detection/demo", [override])


def test_no_gpu_makes_xla_the_default():
    assert DetectionTrain().xla is False
    assert DetectionNumbers(least=0.0).given() == {"least": 0.0}


def test_compiling_with_xla_is_refused(narrow, images, monkeypatch):
    monkeypatch.setattr(type(narrow), "jit_compile", True)
    targets = {"boxes": np.zeros((1, 0, 4)), "labels": np.zeros((1, 0), np.int32)}
    given = {"image": images, "sizes": np.array([[64, 96]])}
    with pytest.raises(InputError, match="call `compile` without `jit_compile=True`"):
        narrow.fit(given, targets, verbose=0)
