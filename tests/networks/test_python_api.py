"""What a notebook meets first: constructors, `fit`, levels, names, files."""

import inspect

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import losses
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks import network as common
from hrnet_tf.tasks import networks
from hrnet_tf.tasks.classification import result as classification
from hrnet_tf.tasks.keypoints import result as keypoints
from hrnet_tf.tasks.regression import result as regression
from hrnet_tf.tasks.segmentation import result as segmentation
from support.served import TINY

MODELS = {name: row.constructor for name, row in networks().items()}

# Networks whose levels are tested by themselves, with other channels or none below P2.
OTHER_LEVELS = {"HRNetV2p", "LiteHRNet", "SimpleBaseline"}

CLASSES = 3
IMAGES = np.random.default_rng(0).standard_normal((2, 32, 64, 3)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, CLASSES, (2, 32, 64))


@pytest.fixture
def ocr():
    keras.utils.set_random_seed(0)
    return hrnet_tf.HRNetV2(classes=CLASSES, ocr=True, features=8, **TINY)


def test_ocr_learns_from_labels_alone(ocr, eagerly):
    history = ocr.fit(IMAGES, LABELS, epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 5e-5
    found = ocr.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    both = dict.fromkeys(("auxiliary", "logits"), LABELS[..., None])
    expected = ocr.evaluate(IMAGES, both, verbose=0, return_dict=True)
    assert found == pytest.approx(expected)
    for score in ("mean_iou", "pixel_accuracy"):
        assert sum(name.endswith(score) for name in found) == 1
    assert ocr.predict(IMAGES, verbose=0)["logits"].shape == (2, 8, 16, CLASSES)


def test_both_answers_of_ocr_lose_the_gradients_of_weight_0(ocr, eagerly):
    before = ocr.get_weights()
    for layer in ocr.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    ocr.compile("sgd", loss=ocr.loss)
    ocr.fit(IMAGES, LABELS, sample_weight=np.zeros(2), verbose=0)
    for old, new in zip(before, ocr.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_ocr_is_opened_and_goes_on_learning(ocr, eagerly, tmp_path):
    ocr.save(tmp_path / "ocr.keras")
    again = keras.models.load_model(tmp_path / "ocr.keras")
    expected = ocr.evaluate(IMAGES, LABELS, verbose=0)
    assert again.evaluate(IMAGES, LABELS, verbose=0) == pytest.approx(expected)
    again.fit(IMAGES, LABELS, verbose=0)


def test_labelling_tells_how_it_does(eagerly):
    model = hrnet_tf.HRNetV2(classes=CLASSES, **TINY)
    labels = LABELS.copy()
    labels[0] = 255
    found = model.evaluate(IMAGES, labels, verbose=0, return_dict=True)
    logits = model.predict(IMAGES, verbose=0)
    score = hrnet_tf.SegmentationScore(CLASSES)
    score.update_state(labels, logits)
    assert found["mean_iou"] == pytest.approx(float(score.result()))
    matrix = np.array(score.confusion_matrix)
    assert found["pixel_accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
    assert matrix.sum() == labels[1].size


@pytest.mark.parametrize("name", sorted(MODELS.keys() - OTHER_LEVELS))
def test_features_by_level(name):
    model = MODELS[name](pyramid_outputs=True, input_shape=(64, 32, 3), **TINY)
    shapes = {
        level: tuple(x.shape)
        for level, x in model(IMAGES[:, :, :32].repeat(2, 1)).items()
    }
    width = TINY["width"]
    assert shapes == {
        f"P{n}": (2, 64 // 2**n, 32 // 2**n, width * 2 ** (n - 2)) for n in range(2, 6)
    }
    assert getattr(model, "optimizer", None) is None


def test_features_by_level_are_those_of_the_body():
    model = hrnet_tf.HRNetV2(classes=CLASSES, **TINY)
    levels = hrnet_tf.HRNetV2(pyramid_outputs=True, **TINY)
    ours = {layer.name: layer for layer in model.layers}
    for layer in levels.layers:
        layer.set_weights(ours[layer.name].get_weights())
    expected = keras.Model(model.input, ours["stage4.0.fuse_layers.0.relu"].output)
    np.testing.assert_array_equal(levels(IMAGES)["P2"], expected(IMAGES))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weights", ["imagnet", "missing.keras", "folder/weights"])
def test_wrong_weights_are_refused_before_anything_is_built(name, weights, monkeypatch):
    monkeypatch.setattr(common.keras, "Input", None)
    with pytest.raises(InputError, match="weights"):
        MODELS[name](50 if name == "SimpleBaseline" else 18, weights=weights)


def test_weights_of_another_head_are_refused_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(common.keras, "Input", None)
    with pytest.raises(InputError, match=r"are for HRNetClassifier with classes=1000"):
        hrnet_tf.HRNetClassifier(18, classes=10, weights="imagenet")


@pytest.mark.parametrize("name", ["HRNetV1", "HRNetV2", "HRNetClassifier"])
def test_a_network_that_has_not_learnt_is_opened_without_a_warning(name, tmp_path):
    model = MODELS[name](input_shape=(32, 32, 3), **TINY)
    model.save(tmp_path / "new.keras")
    # Warnings are errors here, but for the exceptions in pyproject.toml.
    again = keras.models.load_model(tmp_path / "new.keras")
    assert type(again.optimizer) is type(model.optimizer)


@pytest.mark.skipif(not KERAS_3, reason="Keras 2 imports what a file names")
def test_a_file_opened_without_the_package_names_it(tmp_path):
    hrnet_tf.HRNetV2(classes=CLASSES, **TINY).save(tmp_path / "new.keras")
    registered = keras.saving.get_custom_objects()
    ours = {name: x for name, x in registered.items() if name.startswith("hrnet_tf>")}
    for name in ours:
        del registered[name]
    try:
        with pytest.raises(TypeError, match="hrnet_tf>BatchNormalization"):
            keras.models.load_model(tmp_path / "new.keras")
    finally:
        registered.update(ours)


def test_public_parts_are_at_the_top():
    for module in (losses, keypoints, classification, segmentation, regression):
        for name, thing in vars(module).items():
            if inspect.isclass(thing) and thing.__module__.startswith("hrnet_tf."):
                assert getattr(hrnet_tf, name) is thing
