"""Checkpoints of every code base's naming, to the models that they hold."""

import re

import numpy as np
import pytest
from safetensors.numpy import save_file

import hrnet_tf
from hrnet_tf.checkpoints.names import folded_gammas, official
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.facts import infer
from hrnet_tf.conversion.pretrained import load_checkpoint, open_checkpoint
from hrnet_tf.networks.transfer import load_body
from support.official import (
    channels_last,
    images,
    read_arrays,
    read_case,
    tensor,
    tensors,
)
from support.served import TINY

ANY = (None, None, 3)
SMALL = "classification_w18_small_v1"
KINDS = {
    SMALL: ("hrnet_c_w18_small_v1", {}),
    "pose_w32": ("hrnet_v1_w32", {}),
    "higher_pose_w32": ("higher_hrnet_w32", {}),
    "landmarks_w18": ("hrnet_landmarks_w18", {}),
    "detection_hrnetv2p_w18": ("hrnet_v2p_w18", {}),
    "segmentation_w18_half_pixel": ("hrnet_v2_w18", {"align_corners": False}),
    "segmentation_ocr_w18": ("hrnet_v2_w18", {"align_corners": True}),
}


def save(folder, named):
    path = folder / "checkpoint.npz"
    np.savez(path, **named)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_checkpoint_is_is_read_off_its_tensors(kind, tmp_path):
    name, arguments = KINDS[kind]
    case = read_case("models", kind)
    wrapped = {f"module.model.{n}": tensor(n, shape) for n, shape in case["tensors"]}
    wrapped["module.loss.criterion.weight"] = np.ones(19, np.float32)
    model = load_checkpoint(save(tmp_path, wrapped), input_shape=ANY, **arguments)
    assert model.name == name
    output = model(images("input", case["input_shape"]), training=False)
    output = next(iter(output.values())) if isinstance(output, dict) else output
    expected = read_arrays("models", kind)["output_0"]
    expected = channels_last(expected) if expected.ndim == 4 else expected
    assert np.abs(output - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return save(folder, tensors(read_case("models", SMALL)))


def test_another_number_of_classes_leaves_the_last_layer_out(classifier):
    loaded = open_checkpoint(classifier, outputs=5)
    assert loaded.model.output_shape == (None, 5)
    assert loaded.left_out == ("classifier.bias", "classifier.weight")


def test_a_body_goes_on_in_another_network(classifier):
    pose = hrnet_tf.HRNetV1("18_small_v1", keypoints=5)
    head = [value.copy() for value in pose.get_layer("final_layer").get_weights()]
    left_out = load_body(pose, classifier)
    assert {name.split(".")[0] for name in left_out} == {
        "incre_modules",
        "downsamp_modules",
        "final_layer",
        "classifier",
        "stage4",  # only the highest resolution goes on
    }
    kernel = tensor("conv1.weight", [64, 3, 3, 3]).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(pose.get_layer("conv1").get_weights()[0], kernel)
    for value, old in zip(
        pose.get_layer("final_layer").get_weights(), head, strict=True
    ):
        np.testing.assert_array_equal(value, old)


def test_a_body_comes_from_a_keras_file_too(tmp_path, tiny_model):
    tiny_model.save(tmp_path / "pose.keras")
    other = hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY | {"keypoints": 3})
    assert load_body(other, tmp_path / "pose.keras") == ("final_layer",)
    for layer in other.layers:
        if layer.weights and layer.name != "final_layer":
            given = tiny_model.get_layer(layer.name).get_weights()
            for value, expected in zip(layer.get_weights(), given, strict=True):
                np.testing.assert_array_equal(value, expected)


def test_a_pose_network_gives_its_body_to_one_that_ends_in_all_resolutions(
    tmp_path, tiny_model
):
    tiny_model.save(tmp_path / "pose.keras")
    names = {key: TINY[key] for key in ("modules", "blocks", "stem")}
    classifier = hrnet_tf.HRNetClassifier(4, 3, input_shape=(64, 32, 3), **names)
    assert load_body(classifier, tmp_path / "pose.keras") == ("final_layer",)
    for name in ("conv1", "stage4.0.fuse_layers.0.3.0"):
        (found,) = classifier.get_layer(name).get_weights()
        np.testing.assert_array_equal(
            found, tiny_model.get_layer(name).get_weights()[0]
        )


def test_a_pose_checkpoint_gives_its_body_too(tmp_path):
    path = save(tmp_path, tensors(read_case("models", "pose_w32")))
    model = hrnet_tf.HRNetClassifier(32, 3, input_shape=(64, 64, 3))
    assert load_body(model, path) == ("final_layer.bias", "final_layer.weight")
    kernel = tensor("stage4.2.fuse_layers.0.3.0.weight", [32, 256, 1, 1])
    found = model.get_layer("stage4.2.fuse_layers.0.3.0").get_weights()[0]
    np.testing.assert_array_equal(found, kernel.transpose(2, 3, 1, 0))


def test_a_body_of_another_network_is_refused(tmp_path, tiny_model):
    tiny_model.save(tmp_path / "pose.keras")
    wider = hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY | {"width": 8})
    with pytest.raises(InputError, match=r"body of .*pose\.keras does not fit"):
        load_body(wider, tmp_path / "pose.keras")
    deeper = hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY | {"blocks": 2})
    with pytest.raises(InputError, match="it has no layer"):
        load_body(deeper, tmp_path / "pose.keras")
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no model that Keras can load"):
        load_body(deeper, tmp_path / "broken.keras")


def test_the_corner_rule_must_be_given(tmp_path):
    path = save(tmp_path, tensors(read_case("models", "segmentation_w18_half_pixel")))
    with pytest.raises(InputError, match="give align_corners=True or False"):
        load_checkpoint(path)


def test_surplus_tensors_are_named_or_left_out_as_asked_for(tmp_path, classifier):
    named = {**np.load(classifier), "rpn_head.weight": np.zeros(3, np.float32)}
    path = save(tmp_path, named)
    with pytest.raises(InputError, match=r"rpn_head\.weight has no place"):
        load_checkpoint(path)
    loaded = open_checkpoint(path, leave_out=["rpn_head"])
    assert loaded.left_out == ("rpn_head.weight",)


def test_missing_tensors_are_named(tmp_path, classifier):
    named = dict(np.load(classifier))
    del named["bn1.running_mean"]
    with pytest.raises(InputError, match=r"bn1\.running_mean is missing"):
        load_checkpoint(save(tmp_path, named))


def test_something_else_is_no_hrnet(tmp_path):
    path = save(tmp_path, {"fc.weight": np.zeros((2, 2))})
    with pytest.raises(InputError, match=r"is no HRNet checkpoint.* found fc\.weight"):
        load_checkpoint(path)


def test_two_networks_in_one_file_are_refused():
    both = {"module.conv1.weight": np.ones(1), "conv1.weight": np.zeros(1)}
    with pytest.raises(InputError, match="more than one network"):
        official(both, "both.pth")


def test_names_of_the_frameworks_are_known():
    context = "decode_head.1.object_context_block"
    theirs = {
        "backbone.conv1.weight": "conv1.weight",
        "keypoint_head.final_layer.bias": "final_layer.bias",
        "head.final_layer.weight": "final_layer.weight",
        "decode_head.conv_seg.weight": "last_layer.3.weight",
        "decode_head.convs.0.bn.running_var": "last_layer.1.running_var",
        f"{context}.query_project.1.conv.weight": (
            "ocr_distri_head.object_context_block.f_pixel.2.weight"
        ),
        f"{context}.value_project.bn.bias": (
            "ocr_distri_head.object_context_block.f_down.1.0.bias"
        ),
        "neck.fpn_convs.3.conv.bias": "neck.fpn_conv.3.bias",
    }
    for name, ours in theirs.items():
        assert list(official({name: np.zeros(1)}, "some.pth")) == [ours]


@pytest.mark.parametrize(
    ("inner", "last"),
    [
        ("keypoint_head.final_layer", "keypoint_head.final_layer.3"),
        ("head.conv_layers", "head.final_layer"),
    ],
)
def test_heads_of_faces_are_told_from_those_of_people(inner, last):
    names = (f"{inner}.0.weight", f"{inner}.1.running_mean", f"{last}.bias")
    found = official({name: np.zeros(1) for name in names}, "some.pth")
    assert list(found) == ["head.0.weight", "head.1.running_mean", "head.3.bias"]


def test_a_missing_bias_before_a_batch_norm_is_zero():
    found = official({"decode_head.convs.0.conv.weight": np.ones((6, 4, 1, 1))}, "a")
    np.testing.assert_array_equal(found["last_layer.0.bias"], np.zeros(6))


@pytest.mark.parametrize(
    ("kind", "width", "blocks"), [(SMALL, "18_small_v1", 2), ("pose_w32", 32, 4)]
)
def test_variants_are_told_apart(kind, width, blocks):
    facts = infer(tensors(read_case("models", kind)), kind)
    assert (facts.width, facts.blocks) == (width, blocks)


# timm's files


def without_head_biases(named):
    """As timm's `ssld` variants are: no biases before the batch norms of the head."""
    bias = re.compile(r"(downsamp_modules\.\d|final_layer)\.0\.bias")
    return {name: value for name, value in named.items() if not bias.fullmatch(name)}


def test_safetensors_without_head_biases_are_a_classifier(classifier, tmp_path):
    full = dict(np.load(classifier))
    bare = without_head_biases(full)
    assert len(full) - len(bare) == 4
    save_file(bare, tmp_path / "model.safetensors")
    model = load_checkpoint(tmp_path / "model.safetensors", input_shape=ANY)
    zeros = {name: np.zeros_like(full[name]) for name in full.keys() - bare.keys()}
    expected = load_checkpoint(save(tmp_path, {**full, **zeros}), input_shape=ANY)
    for ours, theirs in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_features_without_a_classifier_go_on_in_a_network(classifier, tmp_path):
    named = dict(np.load(classifier))
    features = {n: t for n, t in named.items() if not n.startswith("classifier.")}
    path = save(tmp_path, features)
    with pytest.raises(InputError, match=r"holds a body without a head.*load_body"):
        load_checkpoint(path)
    model = hrnet_tf.HRNetClassifier("18_small_v1", include_top=False, weights=path)
    kernel = features["final_layer.0.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("final_layer.0").kernel, kernel)


def test_gammas_of_inplace_batch_norm_are_folded():
    given = {
        "bn1.weight": np.array([-0.5, 0.25], np.float32),
        "bn1.bias": np.array([-0.5, 0.25], np.float32),
        "conv1.weight": -np.ones((1, 1, 1, 1), np.float32),
    }
    found = folded_gammas(given)
    np.testing.assert_allclose(found["bn1.weight"], [0.50001, 0.25001], rtol=1e-6)
    for name in ("bn1.bias", "conv1.weight"):
        np.testing.assert_array_equal(found[name], given[name])
