import contextlib
import subprocess
import sys
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.networks.batch_norm import BatchNorm
from support.networks import shallow_networks, with_statistics
from support.served import TINY

NETWORKS = {
    "HRNetV1": hrnet_tf.HRNetV1,
    "HRNetV2": hrnet_tf.HRNetV2,
    "HRNetV2p": hrnet_tf.HRNetV2p,
}
ANY_SIZE = (None, None, 3)

every_network = pytest.mark.parametrize("name", NETWORKS)


def expected_shapes(name, height, width):
    """Shapes behind the batch, as the constructors promise them."""
    if name == "HRNetV2p":
        return {f"P{n}": (height // 2**n, width // 2**n, 256) for n in range(2, 7)}
    channels = {"HRNetV1": 17, "HRNetV2": 19}[name]
    return {"output": (height // 4, width // 4, channels)}


def named(output):
    return output if isinstance(output, dict) else {"output": output}


def build(name, **arguments):
    return NETWORKS[name](**{**TINY, **arguments})


def labels(name):
    """What `fit` takes besides two images of 64x64."""
    if name == "HRNetV2p":
        shapes = expected_shapes(name, 64, 64).items()
        return {key: np.ones((2, *shape), np.float32) for key, shape in shapes}
    if name == "HRNetV2":
        return np.tile(np.where(np.arange(64) < 32, 3, 7), (2, 64, 1))
    return np.full((2, 17, 3), (20.0, 24.0, 1.0), np.float32)


def images(rng, size=(64, 64), count=2):
    return rng.standard_normal((count, *size, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def networks():
    """One of each, for images of any size."""
    return {name: build(name, input_shape=ANY_SIZE) for name in NETWORKS}


# Shapes and sizes


@every_network
def test_static_shapes_are_those_promised(name):
    output = named(build(name, input_shape=(128, 64, 3)).output)
    shapes = {key: tuple(x.shape[1:]) for key, x in output.items()}
    assert shapes == expected_shapes(name, 128, 64)


@every_network
def test_one_network_takes_images_of_any_size(name, networks, rng):
    for size in ((64, 64), (128, 64)):
        output = named(networks[name](images(rng, size, count=1)))
        shapes = {key: tuple(x.shape[1:]) for key, x in output.items()}
        assert shapes == expected_shapes(name, *size)


@pytest.mark.parametrize("rule", ["bilinear", "bilinear_align_corners"])
def test_bilinear_networks_take_odd_sizes(rule, rng):
    model = build("HRNetV2", upsampling=rule)
    assert model(images(rng, (65, 45), count=1)).shape == (1, 17, 12, 19)


@every_network
def test_a_side_that_nearest_upsampling_cannot_meet_is_refused(name):
    with pytest.raises(ValueError, match="multiples of 32, got 64x40; pad to 64x64"):
        build(name, input_shape=(64, 40, 3), upsampling="nearest")


def test_such_a_side_is_refused_in_a_call_too(networks, rng):
    with pytest.raises(ValueError, match="multiples of the network's largest stride"):
        networks["HRNetV1"](images(rng, (64, 40)))


@every_network
@pytest.mark.parametrize("shape", [(3, 64, 64), (64, 64), (64, 64, 1)])
def test_an_input_shape_other_than_channels_last_rgb_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"must be \(height, width, 3\)"):
        build(name, input_shape=shape)


@every_network
def test_an_unknown_width_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"18_small_v1, .*_bottleneck, got 'w32'"):
        NETWORKS[name]("w32")


# Variants


def compiled(model):
    return getattr(model, "optimizer", None) is not None


def test_without_the_top_hrnet_v1_gives_the_high_resolution_map():
    model = build("HRNetV1", include_top=False, input_shape=(64, 32, 3))
    assert model.output_shape == (None, 16, 8, 4)
    assert not compiled(model)


def test_without_the_top_hrnet_v2_gives_all_resolutions_stacked():
    model = build("HRNetV2", include_top=False, input_shape=(64, 32, 3))
    assert model.output_shape == (None, 16, 8, 15 * 4)
    assert not compiled(model)


def test_without_the_top_hrnet_v2p_gives_the_maps_of_the_body():
    model = build("HRNetV2p", include_top=False, input_shape=(64, 32, 3))
    shapes = {key: tuple(x.shape) for key, x in model.output.items()}
    assert shapes == {
        "P2": (None, 16, 8, 4),
        "P3": (None, 8, 4, 8),
        "P4": (None, 4, 2, 16),
        "P5": (None, 2, 1, 32),
    }
    assert not compiled(model)


@pytest.mark.parametrize(
    ("variant", "width", "blocks"), [("18_small_v1", 16, 2), ("18_small_v2", 18, 2)]
)
def test_small_variants_have_their_own_numbers(variant, width, blocks):
    model = hrnet_tf.HRNetV1(variant, modules=(1, 1, 1), include_top=False)
    names = {layer.name for layer in model.layers}
    assert model.output_shape[-1] == width
    assert f"stage4.0.branches.3.{blocks - 1}.conv1" in names
    assert f"stage4.0.branches.3.{blocks}.conv1" not in names


def test_each_stage_has_as_many_modules_as_asked_for():
    model = build("HRNetV1", modules=(3, 1, 2), include_top=False)
    names = {layer.name for layer in model.layers}
    modules = {
        stage: sum(f"stage{stage}.{i}.branches.0.0.conv1" in names for i in range(9))
        for stage in (2, 3, 4)
    }
    assert modules == {2: 3, 3: 1, 4: 2}


def test_replacements_stand_where_batch_norm_and_relu_stood():
    kinds = (BatchNorm, keras.layers.ReLU)
    usual = [type(layer) for layer in build("HRNetV1").layers]
    replaced = [
        type(layer)
        for layer in build(
            "HRNetV1",
            normalization=partial(keras.layers.GroupNormalization, groups=2),
            activation=keras.layers.PReLU,
        ).layers
    ]
    swap = dict(
        zip(kinds, (keras.layers.GroupNormalization, keras.layers.PReLU), strict=True)
    )
    assert replaced == [swap.get(kind, kind) for kind in usual]


@every_network
def test_layers_have_the_same_names_in_every_build(name, networks):
    first = [layer.name for layer in networks[name].layers]
    second = [layer.name for layer in build(name, input_shape=ANY_SIZE).layers]
    assert first == second
    assert len(set(first)) == len(first)


@pytest.mark.parametrize(
    ("policy", "name"),
    [*(("mixed_float16", name) for name in NETWORKS), ("mixed_bfloat16", "HRNetV1")],
)
def test_outputs_are_float32_under_mixed_precision(name, policy, rng, mixed):
    mixed(policy)
    output = named(build(name, input_shape=ANY_SIZE)(images(rng, count=1)))
    assert {x.dtype.name for x in output.values()} == {"float32"}
    assert all(np.isfinite(x).all() for x in output.values())


@pytest.fixture
def mixed():
    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")


# Training, and what a file keeps of it


@dataclass
class Trained:
    """A network after a step of training, and what a new process makes of its file."""

    model: keras.Model
    before: list[np.ndarray]
    loss: float
    images: np.ndarray
    answers: dict[str, np.ndarray]
    state: dict[str, np.ndarray]


RELOAD = """
import sys
import hrnet_tf
import keras
import numpy as np

folder, *names = sys.argv[1:]
images = np.load(f"{folder}/images.npy")
for name in names:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    output = model(images, training=False)
    answers = output if isinstance(output, dict) else {"output": output}
    np.savez(f"{folder}/{name}_answers.npz", **answers)
    state = [variable.numpy() for variable in model.optimizer.variables]
    np.savez(f"{folder}/{name}_state.npz", *state)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("trained"), np.random.default_rng(0)
    x, found = images(rng), {}
    for name in NETWORKS:
        # Of one network its blocks are saved and loaded too.
        whole = name == "HRNetV1"
        with contextlib.nullcontext() if whole else shallow_networks():
            model = with_statistics(build(name, input_shape=(64, 64, 3)))
        y = labels(name)
        if name == "HRNetV2p":  # it has no loss of its own
            optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
            model.compile(optimizer, loss=dict.fromkeys(y, "mse"))
        model.run_eagerly = True  # many times quicker than tracing for one step
        before = [variable.numpy() for variable in model.trainable_variables]
        history = model.fit(x, y, verbose=0).history
        model.save(folder / f"{name}.keras")
        found[name] = Trained(model, before, history["loss"][0], x, {}, {})
    np.save(folder / "images.npy", x)
    command = [sys.executable, "-c", RELOAD, str(folder), *NETWORKS]
    subprocess.run(command, check=True)
    for name, network in found.items():
        network.answers = dict(np.load(folder / f"{name}_answers.npz"))
        network.state = dict(np.load(folder / f"{name}_state.npz"))
    return found


@pytest.mark.parametrize("name", ["HRNetV1", "HRNetV2"])
def test_fit_works_at_once(name, trained):
    assert 0 < trained[name].loss < np.inf


@every_network
def test_a_step_changes_every_trainable_variable(name, trained):
    model = trained[name].model
    names = {
        id(variable): f"{layer.name}.{variable.name}"
        for layer in model.layers
        for variable in layer.trainable_variables
    }
    pairs = zip(model.trainable_variables, trained[name].before, strict=True)
    still = [names[id(v)] for v, old in pairs if np.array_equal(v.numpy(), old)]
    # A bias under a batch norm moves nothing, so that nothing moves it.
    assert [path for path in still if not path.startswith("last_layer.0.")] == []


@every_network
def test_a_file_loads_in_a_new_process_with_the_same_outputs(name, trained):
    network = trained[name]
    output = named(network.model(network.images, training=False))
    assert output.keys() == network.answers.keys()
    for key, expected in output.items():
        np.testing.assert_allclose(
            network.answers[key], expected, rtol=1e-4, atol=1e-5 * np.ptp(expected)
        )


@every_network
def test_a_file_keeps_the_optimizer_where_it_was(name, trained):
    optimizer = trained[name].model.optimizer
    state = list(trained[name].state.values())
    assert int(optimizer.iterations) == 1
    assert len(state) > len(trained[name].before)  # momenta, not only the counter
    for kept, variable in zip(state, optimizer.variables, strict=True):
        np.testing.assert_array_equal(kept, variable.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["HRNetV1", "HRNetV2"])
def test_fit_learns_a_batch_by_heart(name, rng):
    model = build(name, input_shape=(64, 64, 3))
    losses = model.fit(images(rng), labels(name), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


# Weights from a file


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_weights_come_from_a_file(ending, tiny_model, tmp_path, rng):
    path = tmp_path / f"tiny.{ending}"
    (tiny_model.save if ending == "keras" else tiny_model.save_weights)(path)
    model = build("HRNetV1", input_shape=(64, 32, 3), weights=path)
    x = images(rng, (64, 32))
    np.testing.assert_array_equal(model(x), tiny_model(x))


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, as it fails
def test_weights_of_another_width_are_refused(tiny_model, tmp_path):
    tiny_model.save(tmp_path / "tiny.keras")
    with pytest.raises(ValueError, match=r"weights in .*tiny.keras do not fit"):
        build("HRNetV1", width=8, weights=tmp_path / "tiny.keras")


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_a_file_that_holds_no_weights_is_refused(ending, tmp_path):
    path = tmp_path / f"broken.{ending}"
    path.write_text("no weights")
    with pytest.raises(ValueError, match=r"weights in .*broken.* do not fit"):
        build("HRNetV1", weights=path)


def test_a_weights_file_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"there is no file nowhere\.keras"):
        build("HRNetV1", weights="nowhere.keras")


def test_a_classifier_may_have_a_narrower_head():
    small = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (32, 32, 3)}
    model = hrnet_tf.HRNetClassifier(
        4, 3, head_planes=(2, 4, 8, 16), features=24, **small
    )
    assert model.get_layer("classifier").kernel.shape == (24, 3)
    assert model.get_layer("final_layer.0").kernel.shape == (1, 1, 64, 24)
    with pytest.raises(ValueError, match=r"hold 4 numbers, got \[2, 4\]"):
        hrnet_tf.HRNetClassifier(4, 3, head_planes=(2, 4), **small)
