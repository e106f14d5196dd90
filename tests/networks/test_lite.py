"""Lite-HRNet: the numbers of the original program, with the weights by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.checkpoints.names import official
from hrnet_tf.checkpoints.states import find_tensors
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.pretrained import load_checkpoint, open_checkpoint
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.networks.lite_layers import Channels, Shuffle
from hrnet_tf.networks.transfer import load_body_of
from support.official import (
    channels_last,
    generator,
    images,
    read_arrays,
    read_case,
    tensor,
    tensors,
)

CASE = "lite_hrnet_18"
MODULES = (2, 4, 2)  # of Lite-18
BRANCHES = 4


def ours(case):
    """Tensors by our names: the last layer's is that of the other networks."""
    return {
        name.removeprefix("keypoint_head."): value
        for name, value in tensors(case).items()
    }


@pytest.fixture(scope="module")
def network():
    model = hrnet_tf.LiteHRNet(18, 17, input_shape=(128, 96, 3))
    hrnet_tf.load_official(model, ours(read_case("lite_hrnet", CASE)))
    return model


@pytest.fixture(scope="module")
def tiny():
    return hrnet_tf.LiteHRNet(
        18, 3, input_shape=(64, 32, 3), modules=(1,) * 3, blocks=1
    )


def layer_of(place):
    """The layer whose output is recorded under this name."""
    part, branch = place.split("/branch")
    if part == "stem":
        return "stem.shuffle"
    if part == "head_layer":
        return (
            f"head_layer.projects.{BRANCHES - 1 - int(branch)}.pointwise_conv.bn.relu"
        )
    last = MODULES[int(part.removeprefix("stage"))] - 1
    return f"{part}.{last}.fuse_layers.{branch}.relu"


def test_it_answers_as_the_original_at_every_stage(network):
    case, recorded = read_case("lite_hrnet", CASE), read_arrays("lite_hrnet", CASE)
    places = [n.removesuffix("_sum") for n in recorded if n.endswith("_sum")]
    places = [n for n in places if not n.endswith("_square")]
    assert len(places) == 1 + 2 + 3 + 4 + 4
    outputs = {place: network.get_layer(layer_of(place)).output for place in places}
    inner = keras.Model(network.input, {**outputs, "output_0": network.output})
    found = inner(images("input", case["input_shape"]), training=False)
    expected = channels_last(recorded["output_0"])
    answer = found.pop("output_0").numpy()
    assert np.abs(answer - expected).max() < 1e-5 * np.abs(expected).max()
    for place, output in found.items():
        values = output.numpy().astype(np.float64)
        square = np.square(values).sum()
        assert square == pytest.approx(float(recorded[f"{place}_square_sum"]), rel=1e-5)
        total = float(recorded[f"{place}_sum"])
        assert abs(values.sum() - total) < 1e-5 * np.abs(values).sum()
        corner = values[:, :3, :3, ::4].transpose(0, 3, 1, 2)
        recorded_corner = recorded[f"{place}_corner"]
        assert np.abs(corner - recorded_corner).max() < 1e-5 * np.abs(values).max()


def parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_it_has_the_published_number_of_parameters(network):
    assert parameters(network) == 1_130_769


@pytest.mark.slow
def test_the_larger_one_has_the_published_number_of_parameters():
    assert parameters(hrnet_tf.LiteHRNet(30)) == 1_763_717


def plain(recorded):
    """By our names."""
    prefixes = ("backbone.", "keypoint_head.")
    return {
        name.removeprefix(prefixes[0]).removeprefix(prefixes[1]): value
        for name, value in recorded.items()
    }


class Training:
    """The recorded training: its batch and its loss."""

    def __init__(self, network):
        self.case = read_case("lite_hrnet", f"training_{CASE}_adam")
        self.model = network
        self.x = images("train_input", self.case["input_shape"])
        target = generator("heatmap_target").random((2, 17, 32, 24))
        self.target = channels_last(target.astype(np.float32))
        weight = generator("target_weight").random((2, 17, 1)).astype(np.float32)
        self.weight = weight[:, None, None, :, 0]

    def loss(self, training):
        heatmaps = self.model(self.x, training=training)
        weight = self.weight
        return tf.reduce_mean(tf.square(heatmaps * weight - self.target * weight))

    def statistics(self):
        recorded = self.case["fuse_running_statistic_norms_after_first_forward"]
        found = {n: float(tf.norm(v)) for n, v in official_names(self.model)}
        expected = plain(recorded)
        return {name: found[name] for name in expected}, expected


@pytest.fixture
def learning(network):
    """The network, which is afterwards what it was."""
    weights = network.get_weights()
    yield network
    network.set_weights(weights)


def test_statistics_of_what_runs_twice_move_twice(learning):
    training = Training(learning)
    first = float(training.loss(training=True))
    assert first == pytest.approx(training.case["losses"][0], rel=1e-5)
    found, expected = training.statistics()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_training_follows_the_original(learning):
    training = Training(learning)
    model, case = training.model, training.case
    optimizer = keras.optimizers.Adam(0.002, epsilon=1e-8)
    names = {id(variable): name for name, variable in official_names(model)}

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = training.loss(training=True)
        return loss, tape.gradient(loss, model.trainable_variables)

    losses, norms = [], {}
    for _ in range(case["steps"]):
        loss, gradients = step()
        losses.append(float(loss))
        pairs = list(zip(gradients, model.trainable_variables, strict=True))
        norms = norms or {names[id(v)]: float(tf.norm(g)) for g, v in pairs}
        optimizer.apply_gradients(pairs)
    recorded = plain(case["first_step_gradient_norms"])
    assert norms == pytest.approx(recorded, rel=0.01, abs=1e-7)
    assert losses == pytest.approx(case["losses"], rel=0.02)
    final = float(training.loss(training=False))
    assert final == pytest.approx(case["final_eval_loss"], rel=0.02)


def test_checkpoints_of_the_program_are_read(tmp_path, network):
    case = read_case("lite_hrnet", CASE)
    path = tmp_path / "litehrnet_18_coco_256x192.npz"
    np.savez(path, **{name: tensor(name, shape) for name, shape in case["tensors"]})
    loaded = open_checkpoint(path, input_shape=(128, 96, 3))
    facts = loaded.facts
    assert (facts.network.name, facts.width, facts.outputs) == ("LiteHRNet", 18, 17)
    assert (facts.modules, facts.blocks) == (MODULES, 2)
    x = images("input", case["input_shape"])
    np.testing.assert_array_equal(
        loaded.model(x, training=False), network(x, training=False)
    )
    with pytest.raises(InputError, match="no HRNetV1: it has the body of LiteHRNet"):
        load_checkpoint(path, network="HRNetV1")


def test_its_body_is_frozen_and_goes_on_in_another_one(tiny, tmp_path):
    small = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (64, 32, 3)}
    other = hrnet_tf.LiteHRNet(18, 5, **small)
    tiny.save(tmp_path / "lite.keras")
    left_out = hrnet_tf.load_body(other, tmp_path / "lite.keras")
    heads = ("final_layer", "head_layer.")
    assert "final_layer" in left_out
    assert all(name.startswith(heads) for name in left_out)
    hrnet_tf.freeze_body(other)
    for layer in other.layers:
        if layer.weights:
            assert layer.trainable == layer.name.startswith(heads), layer.name
            if not layer.trainable:
                for one, same in zip(
                    layer.get_weights(),
                    tiny.get_layer(layer.name).get_weights(),
                    strict=True,
                ):
                    np.testing.assert_array_equal(one, same)


def test_averages_are_told_from_what_they_are_averages_of():
    body = "stage0.0.layers.0.cross_resolution_weighting.conv1.conv.weight"
    saved = {
        "state_dict": {f"module.{body}": np.zeros((7, 60, 1, 1), np.float32)},
        "ema": {f"module.{body}": np.ones((7, 60, 1, 1), np.float32)},
        "unknown": {"weight": np.zeros(3, np.float32)},
    }
    found = official(find_tensors(saved, "lite.pth"), "lite.pth")
    assert list(found) == [body]
    assert found[body].min() == 1


def test_names_of_weights_of_other_bodies_are_refused():
    for name in ("imagenet", "coco_256x192"):
        with pytest.raises(InputError, match="No weights for LiteHRNet are known by"):
            hrnet_tf.LiteHRNet(18, weights=name)


def test_a_published_body_is_refused_before_it_is_fetched(tiny):
    with pytest.raises(InputError, match=r"the published body 'imagenet' is HRNet's"):
        load_body_of(tiny, "imagenet", 18)


def test_naive_ones_are_told_apart(tmp_path):
    path = tmp_path / "naive.npz"
    name = "backbone.stage0.0.layers.0.0.branch2.0.conv.weight"
    np.savez(path, **{name: np.zeros((15, 15, 1, 1), np.float32)})
    with pytest.raises(InputError, match="is a naive Lite-HRNet"):
        load_checkpoint(path)


def test_its_graph_of_constants_is_the_model(tiny, rng):
    for layer in tiny.layers:  # statistics as after a training
        if hasattr(layer, "moving_mean"):
            width = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(size=width) * 0.1)
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, width))
    x = rng.normal(size=(2, 64, 32, 3)).astype(np.float32)
    expected = tiny(x, training=False).numpy()
    spec = tf.TensorSpec((None, 64, 32, 3), tf.float32)
    graph = constant_graph(fold(tiny), spec)
    np.testing.assert_allclose(graph(tf.constant(x)), expected, atol=1e-5)
    kinds = {node.op for node in graph.graph.as_graph_def().node}
    assert not any(kind.startswith("FusedBatchNorm") for kind in kinds)


def test_tflite_needs_no_operations_of_its_own(tiny, rng):
    spec = tf.TensorSpec((1, 64, 32, 3), tf.float32)
    graph = constant_graph(fold(tiny, runtime="tflite"), spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    assert len(converter.convert()) > 0


def test_it_is_saved(tiny, tmp_path, rng):
    tiny.save(tmp_path / "lite.keras")
    again = keras.models.load_model(tmp_path / "lite.keras")
    x = rng.normal(size=(2, 64, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(again(x), tiny(x))


@pytest.mark.slow
def test_it_learns(rng):
    small = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (64, 32, 3)}
    model = hrnet_tf.LiteHRNet(18, 3, **small)
    x = rng.normal(size=(4, 64, 32, 3)).astype(np.float32)
    points = np.concatenate([rng.uniform(8, 24, (4, 3, 2)), np.ones((4, 3, 1))], -1)
    losses = model.fit(x, points, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_features_come_by_level_and_without_a_head():
    small = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (64, 32, 3)}
    levels = hrnet_tf.LiteHRNet(pyramid_outputs=True, **small).output
    expected = {f"P{n}": (64 // 2**n, 32 // 2**n, 10 * 2**n) for n in range(2, 6)}
    assert {name: tuple(x.shape)[1:] for name, x in levels.items()} == expected
    features = hrnet_tf.LiteHRNet(include_top=False, **small)
    assert features.output_shape == (None, 16, 8, 40)
    assert getattr(features, "optimizer", None) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"width": 32}, "must be one of 18, 30"),
        ({"upsampling": "bilinear"}, "fuses by nearest upsampling"),
        ({"stem": ((8, 2), (8, 2))}, "has a stem of its own"),
        ({"modules": (1, 0, 1)}, "three positive numbers"),
        ({"input_shape": (100, 64, 3)}, "multiples of 32"),
    ],
)
def test_what_it_cannot_be_is_said(arguments, said):
    with pytest.raises(ValueError, match=said):
        hrnet_tf.LiteHRNet(**arguments)


def test_channels_are_cut_and_shuffled():
    x = tf.reshape(tf.range(8.0), (1, 1, 1, 8))
    assert np.ravel(Channels(2, 5)(x)).tolist() == [2, 3, 4]
    assert np.ravel(Shuffle(2)(x)).tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
