"""Networks are channels last, whatever Keras is set to."""

import contextlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.tasks import networks
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.detectors import NARROW
from support.networks import shallow_networks
from support.served import TINY

RESNET = {"depth": 50, "modules": (1,) * 4, "blocks": None, "stem": None}
NETWORKS = {
    "pose": (hrnet_tf.HRNetV1, {"keypoints": 3}),
    "classes": (hrnet_tf.HRNetClassifier, {"classes": 3, "head_planes": (2, 2, 2, 2)}),
    "ocr": (hrnet_tf.HRNetV2, {"classes": 3, "ocr": True, "features": 8}),
    "aspp": (
        hrnet_tf.HRNetV2,
        {"classes": 3, "aspp": True, "features": 8, "full_size": True},
    ),
    "panoptic": (hrnet_tf.HRNetPanoptic, {"classes": 3, "features": 8}),
    "pyramid": (hrnet_tf.HRNetV2p, {}),
    "higher": (hrnet_tf.HigherHRNet, {"keypoints": 3}),
    "landmarks": (hrnet_tf.HRNetLandmarks, {"landmarks": 5}),
    "lite": (hrnet_tf.LiteHRNet, {"keypoints": 3, "width": 18, "stem": None}),
    "baseline": (
        hrnet_tf.SimpleBaseline,
        {"keypoints": 3, "features": 4, **RESNET},
    ),
    "dilated": (hrnet_tf.PSPNet, {"classes": 3, "features": 4, **RESNET}),
    "detector": (hrnet_tf.HRNetDetector, {"classes": 3, "masks": True, **NARROW}),
}

# All kinds of layers: those of the others are in these too.
OPENED = NETWORKS.keys() - {"pose", "landmarks", "panoptic"}


@pytest.fixture
def channels_first():
    keras.backend.set_image_data_format("channels_first")
    yield
    keras.backend.set_image_data_format("channels_last")


@pytest.fixture
def images(rng):
    return rng.standard_normal((2, 64, 64, 3)).astype(np.float32)


def built(name):
    make, arguments = NETWORKS[name]
    # A detector's body is that of "pyramid".
    with shallow_networks() if name == "detector" else contextlib.nullcontext():
        return make(**{**TINY, "input_shape": (64, 64, 3), **arguments})


def outputs(model, images):
    found = model(images, training=False)
    found = found if isinstance(found, dict) else {"only": found}
    return {name: np.array(value) for name, value in found.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_every_constructor_is_looked_at():
    assert {make for make, _ in NETWORKS.values()} >= {
        row.constructor for row in networks().values()
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same(name, images, tmp_path):
    model = built(name)
    expected = outputs(model, images)
    if name in OPENED:
        model.save(tmp_path / "model.keras")
    keras.backend.set_image_data_format("channels_first")
    try:
        other = built(name)
        other.set_weights(model.get_weights())
        networks = [other]
        if name in OPENED:
            networks.append(keras.models.load_model(tmp_path / "model.keras"))
        found = [outputs(network, images) for network in networks]
    finally:
        keras.backend.set_image_data_format("channels_last")
    for answers in found:
        assert_same(answers, expected)
    formats = {
        layer.data_format for layer in other.layers if hasattr(layer, "data_format")
    }
    assert formats == {"channels_last"}


def test_a_run_is_trained_judged_and_opened(
    channels_first, configured, data_folder, eagerly
):
    run = train(
        configured(
            "train.epochs=1",
            "train.steps_per_epoch=1",
            "train.drop_at=[]",
            "data.augmentation.brightness=0.1",
            "data.augmentation.contrast=0.1",
        )
    )
    path = next((data_folder / "images" / "val").iterdir())
    image = hrnet_tf.read_image(path)
    found = hrnet_tf.load(run.folder).predict(image)
    evaluation, _ = evaluate_run(run.folder)
    keras.backend.set_image_data_format("channels_last")
    expected = hrnet_tf.load(run.folder).predict(image)
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    assert evaluate_run(run.folder)[0].statistics == evaluation.statistics


EXPORT = """
import sys
import keras
assert keras.backend.image_data_format() == "channels_first"
import hrnet_tf
hrnet_tf.export_run(sys.argv[1], ["tflite"], sys.argv[2])
"""


def test_an_export_made_under_keras_json_answers_as_its_model(run_folder, tmp_path):
    """It is compared with its model in a process that reads the file too."""
    (tmp_path / "keras.json").write_text(
        json.dumps({"image_data_format": "channels_first", "backend": "tensorflow"})
    )
    out = tmp_path / "export"
    command = [sys.executable, "-c", EXPORT, str(run_folder), str(out)]
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert not process.returncode, process.stderr[-3000:]
    image = np.random.default_rng(0).integers(0, 256, (64, 32, 3)).astype(np.uint8)
    path = next(out.glob("*.tflite"))
    found, expected = (
        hrnet_tf.load(x, flip=False).predict(image) for x in (path, run_folder)
    )
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-2)
