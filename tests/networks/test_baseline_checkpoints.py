"""SimpleBaseline's checkpoints: told, converted, exported in their order of colours."""

import hashlib
import json

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.checkpoints import published
from hrnet_tf.checkpoints.published import RESNET, Published
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.pretrained import load_checkpoint, open_checkpoint
from hrnet_tf.networks import transfer
from hrnet_tf.networks.transfer import load_body_of
from support.asked import asking_here
from support.resnets import Reference, channels_last, simple_baseline

MODULES = (1, 2, 1, 1)
SHAPE = (64, 96, 3)


class Written:
    """A checkpoint that is written down, and what its network answers."""

    def __init__(self):
        self.images = np.random.default_rng(1).standard_normal((1, 3, *SHAPE[:2]))
        reference = Reference(2, MODULES)
        self.answer = channels_last(simple_baseline(reference, self.images, 17, 3))
        self.tensors = reference.tensors

    def save(self, path, prefix=lambda name: "", leave_out=()):
        named = {f"{prefix(n)}{n}": t for n, t in self.tensors.items()}
        np.savez(path, **{n: t for n, t in named.items() if n not in leave_out})
        return path

    def answered_by(self, model):
        images = channels_last(self.images).astype(np.float32)
        difference = np.abs(model(images, training=False) - self.answer).max()
        return difference < 1e-5 * np.abs(self.answer).max()


@pytest.fixture(scope="module")
def written():
    return Written()


def framework(head):
    """What one framework writes before the names; its generations differ in `head`."""
    heads = ("deconv_layers.", "final_layer.")
    return lambda name: f"{head}." if name.startswith(heads) else "backbone."


@pytest.mark.parametrize(
    ("prefix", "order"),
    [
        (lambda name: "", "BGR"),
        (lambda name: "module.", "BGR"),
        (framework("keypoint_head"), "RGB"),
        (framework("head"), "RGB"),
    ],
)
def test_it_is_told_with_its_order_of_colours(written, prefix, order, tmp_path, caplog):
    path = written.save(tmp_path / "pose.npz", prefix)
    loaded = open_checkpoint(path, input_shape=SHAPE)
    facts = loaded.facts
    assert (facts.network.name, facts.width, facts.outputs) == (
        *("SimpleBaseline", 50),
        17,
    )
    assert (facts.modules, facts.blocks) == (MODULES, None)
    assert loaded.color_order == order
    assert ("in the order BGR" in caplog.text) == (order == "BGR")
    assert written.answered_by(loaded.model)


def test_what_the_user_says_of_colours_counts(written, tmp_path, caplog):
    path = written.save(tmp_path / "pose.npz")
    loaded = open_checkpoint(path, input_shape=SHAPE, color_order="RGB")
    assert (loaded.color_order, caplog.text) == ("RGB", "")


def test_other_networks_and_other_resnets_are_told_apart(written, tmp_path):
    path = written.save(tmp_path / "pose.npz")
    with pytest.raises(InputError, match="no HRNetV1: it has the body of SimpleBaseli"):
        load_checkpoint(path, network="HRNetV1")
    basic = written.save(tmp_path / "18.npz", leave_out=["layer1.0.conv3.weight"])
    with pytest.raises(InputError, match="of basic blocks, on ResNet-18 or 34"):
        load_checkpoint(basic)
    headless = written.save(tmp_path / "body.npz", leave_out=["final_layer.weight"])
    with pytest.raises(InputError, match="SimpleBaseline without a head"):
        load_checkpoint(headless)


@pytest.fixture(scope="module")
def exported(written, tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    path = written.save(folder / "pose_resnet.npz")
    model = folder / "baseline.keras"
    command = ["convert", str(path), "--out", str(model), "--size", "64", "96"]
    with pytest.MonkeyPatch.context() as patched:
        asking_here(patched)
        cli.main([*command, "--export", "savedmodel", "onnx"])
    return model


def test_a_converted_one_says_what_it_takes(exported):
    facts = json.loads(exported.with_suffix(".json").read_text())
    assert facts["input"]["color_order"] == "BGR"
    assert facts["arguments"]["depth"] == 50
    assert "SimpleBaseline, depth 50" in exported.with_suffix(".txt").read_text()
    folder = exported.with_suffix("")
    manifest = json.loads((folder / "model.onnx.json").read_text())
    assert manifest["model"] == "SimpleBaseline depth 50"
    assert manifest["input"]["color_order"] == "BGR"
    assert manifest["input"]["mean"] == [123.675, 116.28, 103.53]
    for card in (exported.with_name("README.md"), folder / "README.md"):
        assert "of blue, green and red mean 123.675, 116.28, 103.53" in " ".join(
            card.read_text().split()
        )


@pytest.mark.parametrize("name", ["model.onnx", "1"])
def test_exports_are_given_bgr(exported, name, rng):
    """By hand: the channels turned round, then the usual mean and deviation."""
    path = exported.with_suffix("") / name
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    found = hrnet_tf.load(path, flip=False).predict(image)
    model = keras.models.load_model(exported, compile=False)
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    given = (image[None, ..., ::-1].astype(np.float64) - mean) / std
    heatmaps = model(given.astype(np.float32), training=False).numpy()
    np.testing.assert_allclose(
        found.scores[0], heatmaps[0].max(axis=(0, 1)), atol=1e-3 * np.ptp(heatmaps)
    )


def test_the_order_of_colours_is_that_of_the_channels(rng):
    image = rng.integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    found = hrnet_tf.preprocess_input(image, color_order="BGR")
    turned = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(found, hrnet_tf.preprocess_input(turned))
    with pytest.raises(InputError, match='must be "RGB" or "BGR", got \'GBR\''):
        hrnet_tf.preprocess_input(image, color_order="GBR")


@pytest.fixture
def tiny():
    small = {"width": 2, "features": 3, "modules": MODULES, "input_shape": SHAPE}
    return hrnet_tf.SimpleBaseline(50, 3, **small)


def test_published_bodies_are_those_of_resnets(written, tiny, tmp_path, monkeypatch):
    path = written.save(tmp_path / "resnet.npz")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    place = (path.name, path.as_uri(), digest, "MIT", "none", "page")
    row = Published("imagenet", RESNET, 50, *place)
    monkeypatch.setattr(published, "PUBLISHED", (row,))
    monkeypatch.setattr(transfer, "fetch", lambda *given, **more: path)
    monkeypatch.setattr(transfer, "cache_folder", lambda: tmp_path)
    load_body_of(tiny, "imagenet", 50)
    kernel = written.tensors["layer4.0.conv2.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(tiny.get_layer("layer4.0.conv2").kernel, kernel)
    other = hrnet_tf.PSPNet(50, 3, width=2, features=3, modules=MODULES)
    with pytest.raises(InputError, match=r"the published body 'imagenet' is HRNet's"):
        load_body_of(other, "imagenet", 50)


def test_a_file_as_weights_is_told_not_to_tell_its_colours(written, tmp_path, caplog):
    path = written.save(tmp_path / "pose.npz")
    small = {"width": 2, "features": 3, "modules": MODULES, "input_shape": SHAPE}
    model = hrnet_tf.SimpleBaseline(50, weights=path, **small)
    assert "of the official program have learnt images in the order BGR" in caplog.text
    assert written.answered_by(model)


def test_its_body_is_taken_over_and_frozen(written, tiny, tmp_path):
    path = written.save(tmp_path / "pose.npz")
    model = tiny
    left_out = hrnet_tf.load_body(model, path)
    heads = ("deconv_layers.", "final_layer.")
    assert all(name.startswith(heads) for name in left_out)
    kernel = written.tensors["layer4.0.conv2.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("layer4.0.conv2").kernel, kernel)
    hrnet_tf.freeze_body(model)
    for layer in model.layers:
        if layer.weights:
            own = f"{layer.name}.".startswith(heads)
            assert layer.trainable == own, layer.name
