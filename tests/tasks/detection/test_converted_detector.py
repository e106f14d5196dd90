"""A detector's checkpoint to artefacts that find what the model finds."""

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.convert import check_converted, convert
from hrnet_tf.export.compare import warn_of_nothing
from hrnet_tf.export.converted import export_converted
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.loading import load
from hrnet_tf.export.names import ALL
from hrnet_tf.tasks.detection import checkpoint
from hrnet_tf.tasks.detection.heads import DenseOnMap
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from support.detectors import CLASSES, SIZE, make_louder


def torch_tensors(model):
    """Tensors of a detector as PyTorch has them, by their names."""
    maps = {layer.name: layer for layer in model.layers if type(layer) is DenseOnMap}
    for name, variable in official_names(model):
        value = variable.numpy()
        layer = maps.get(name.removesuffix(".weight"))
        if layer is not None:
            height, width, channels = layer._map
            value = value.reshape(height, width, channels, -1).transpose(3, 2, 0, 1)
            yield name, value.reshape(len(value), -1)
        elif value.ndim == 4:
            yield name, value.transpose(3, 2, 0, 1)
        else:
            yield name, value.T if value.ndim == 2 else value


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    given = {"modules": (1, 1, 1), "blocks": 1, "features": 32, "hidden": 32}
    model = hrnet_tf.HRNetDetector(4, len(CLASSES), **given)
    make_louder(model)
    return model


@pytest.fixture(scope="module")
def converted(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    np.savez(folder / "toys.npz", **dict(torch_tensors(network)))
    size = {"input_shape": (*SIZE, 3)}
    return convert(folder / "toys.npz", folder / "toys.keras", **size)[0]


@pytest.fixture(scope="module")
def checked(converted):
    return check_converted(converted)


@pytest.fixture
def written(checked, monkeypatch):
    """What would be written of a converted detector, without the time it takes."""
    calls = []

    def write(model, manifest, samples, targets, options, origin):
        calls.append((model, manifest))
        return targets

    monkeypatch.setattr("hrnet_tf.export.converted.export_model", write)
    monkeypatch.setattr(
        "hrnet_tf.export.converted.check_converted", lambda path: checked
    )
    return calls


def test_a_checkpoint_becomes_the_detector(network, checked):
    image = np.random.default_rng(0).normal(size=(1, *SIZE, 3)).astype(np.float32)
    levels, expected = (model.parts.pyramid(image) for model in (checked, network))
    for name, level in expected.items():
        np.testing.assert_allclose(levels[name], level, atol=1e-5)


def test_classes_are_named_or_numbered(converted, written, caplog, tmp_path):
    with caplog.at_level("INFO"):
        every = export_converted(converted, ["all"])
    assert "3 classes are numbered; --labels names them" in caplog.text
    assert "tflite_float16" in every
    assert not any(FORMATS[name].calibrated for name in every)
    names = tmp_path / "toys.txt"
    names.write_text("person\nball\nbox\n")
    export_converted(converted, ["onnx"], str(names))
    first, second = (manifest.class_names for _, manifest in written)
    assert first == ("class 0", "class 1", "class 2")
    assert second == ("person", "ball", "box")
    given = written[0][1].input
    assert (given.size, given.any_size) == (SIZE, False)
    with pytest.raises(InputError, match=r"coco has 80 classes, the model has 3; name"):
        export_converted(converted, ["onnx"], "coco")


def test_eighty_classes_are_those_of_coco(caplog, tmp_path):
    with caplog.at_level("INFO"):
        classes = checkpoint._classes(None, 80, tmp_path / "model.keras")
    assert classes.names[0] == "person"
    assert "80 classes are taken to be COCO's" in caplog.text


def test_formats_are_those_that_detectors_have(converted, written):
    found = export_converted(converted, [ALL])
    assert list(found) == [name for name in FORMATS if not FORMATS[name].calibrated]
    with pytest.raises(InputError, match="onnx_int8: detectors do not compute in"):
        export_converted(converted, ["onnx_int8"])


def test_it_is_said_where_a_detector_finds_nothing(tmp_path, caplog):
    silent = {"boxes": np.zeros((1, 100, 4)), "counts": np.zeros(1, np.int32)}
    warn_of_nothing(tmp_path / "model.onnx", {**silent, "counts": np.ones(1, np.int32)})
    assert not caplog.text
    warn_of_nothing(tmp_path / "model.onnx", silent)
    assert "finds nothing in the sample images, so model.onnx was" in caplog.text


@pytest.mark.slow
def test_artefacts_find_what_the_model_finds(checked, converted):
    kinds = ["savedmodel", "onnx", "tflite", "tflite_float16", "tflite_dynamic_int8"]
    found = export_converted(converted, kinds)  # compares each with the model
    predictor = load(found["onnx"])
    image = np.random.default_rng(1).integers(0, 256, (60, 90, 3), np.uint8)
    whole = DetectionPredictor.from_model(checked, predictor.manifest)
    own = whole.predict(image)
    assert len(own) > 2
    np.testing.assert_allclose(predictor.predict(image).boxes, own.boxes, atol=0.1)
