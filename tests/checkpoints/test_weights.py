import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.checkpoints.weights import keras_layout, official_names
from support.served import TINY


@pytest.fixture
def fresh():
    return hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY)


@pytest.fixture
def official(tiny_model):
    """A network's tensors in PyTorch's layout, under their official names."""
    return {
        name: torch_layout(variable.numpy())
        for name, variable in official_names(tiny_model)
    }


def torch_layout(value):
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value


def values(model):
    return [variable.numpy() for variable in model.weights]


def test_a_network_passes_on_its_weights_by_name(fresh, tiny_model, official):
    hrnet_tf.load_official(fresh, official)
    for ours, theirs in zip(values(fresh), values(tiny_model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_archive_of_numpy_serves_as_well(fresh, tiny_model, official, tmp_path):
    np.savez(tmp_path / "official.npz", **official)
    hrnet_tf.load_official(fresh, np.load(tmp_path / "official.npz"))
    np.testing.assert_array_equal(fresh.get_weights()[0], tiny_model.get_weights()[0])


def test_every_variable_has_the_name_of_a_checkpoint(tiny_model):
    names = [name for name, _ in official_names(tiny_model)]
    leaves = {"weight", "bias", "running_mean", "running_var"}
    assert len(set(names)) == len(names) == len(tiny_model.weights)
    assert {name.rsplit(".", 1)[1] for name in names} == leaves
    assert {"conv1.weight", "layer1.0.downsample.1.running_var"} <= set(names)
    assert "stage4.0.fuse_layers.0.3.0.weight" in names


def test_counters_of_batches_are_left_alone(fresh, tiny_model, official):
    official["bn1.num_batches_tracked"] = np.zeros((), np.int64)
    hrnet_tf.load_official(fresh, official)
    np.testing.assert_array_equal(fresh.get_weights()[0], tiny_model.get_weights()[0])


def test_a_missing_tensor_is_named(fresh, official):
    del official["bn1.running_mean"]
    with pytest.raises(ValueError, match=r"bn1\.running_mean is missing"):
        hrnet_tf.load_official(fresh, official)


def test_a_surplus_tensor_is_named(fresh, official):
    official["head.weight"] = np.zeros((3, 3))
    with pytest.raises(ValueError, match=r"head\.weight has no place in the model"):
        hrnet_tf.load_official(fresh, official)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(fresh, official):
    official["final_layer.bias"] = np.zeros(16, np.float32)
    message = r"final_layer.bias gives \(16,\) where \(17,\) is needed"
    with pytest.raises(ValueError, match=message):
        hrnet_tf.load_official(fresh, official)


def test_all_problems_are_counted_and_the_first_are_named(fresh):
    count = len(fresh.weights)
    with pytest.raises(ValueError, match=f"conv1.weight is .* and {count - 5} more"):
        hrnet_tf.load_official(fresh, {})


def test_a_failure_leaves_the_network_as_it_was(fresh, official):
    before = values(fresh)
    official["head.weight"] = np.zeros((3, 3))
    with pytest.raises(ValueError, match="has no place"):
        hrnet_tf.load_official(fresh, official)
    for old, new in zip(before, values(fresh), strict=True):
        np.testing.assert_array_equal(old, new)


def test_kernels_change_their_layout():
    kernel = np.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7)  # out, in, height, width
    assert keras_layout(kernel)[4, 6, 2, 1] == kernel[1, 2, 4, 6]


def test_dense_weights_change_their_layout():
    weights = np.arange(6).reshape(2, 3)  # out, in
    assert keras_layout(weights)[2, 1] == weights[1, 2]
