"""SimpleBaseline as a run: from its configuration to exports, in BGR."""

import json
from functools import partial

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.decoder import prepare
from hrnet_tf.export.names import ALL
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.pose import experiment as pose
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run

SETTINGS = (
    *("model.name=SimpleBaseline", "model.depth=50", "model.width=32"),
    *("model.modules=[1,1,1,1]", "model.blocks=null", "model.stem=null"),
    "model.color_order=BGR",
)


@pytest.fixture
def narrow(monkeypatch):
    """Networks with few channels, which configurations do not ask for."""
    make = partial(hrnet_tf.SimpleBaseline, width=4, features=8)
    monkeypatch.setitem(pose.NETWORKS, "SimpleBaseline", make)


def test_training_sees_what_prediction_and_decoder_see(experiment, narrow, rng):
    tied = make_experiment(read_config(experiment, SETTINGS))
    manifest = tied.make_manifest()
    assert manifest.model == "SimpleBaseline depth 50"
    assert (manifest.input.color_order, manifest.output.stride) == ("BGR", 4)
    network = tied.build_network(manifest, None)
    network.get_layer("final_layer").kernel.assign(rng.normal(size=(1, 1, 8, 17)))
    crops = rng.integers(0, 256, (2, 64, 32, 3), dtype=np.uint8)
    expected = network(manifest.input.normalised(crops), training=False).numpy()
    found = tied.training_model(network)(crops, training=False)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))
    given = prepare(crops, json.loads(manifest.as_json()))
    np.testing.assert_allclose(given, manifest.input.normalised(crops), atol=1e-5)
    other = network(hrnet_tf.preprocess_input(crops), training=False)
    assert np.abs(other - expected).max() > 0.01 * np.ptp(expected)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["model.name=SimpleBaseline"], "`model.depth` must say which ResNet"),
        (
            ["model.name=SimpleBaseline", "model.depth=50"],
            r"`model.width` \(4\) is of HRNet",
        ),
        (["model.depth=50"], "of SimpleBaseline: the variants of HRNetV1"),
        (["model.color_order=GBR"], "color_order"),
    ],
)
def test_what_a_network_does_not_have_is_refused(experiment, settings, told):
    with pytest.raises(InputError, match=told):
        read_config(experiment, settings)


def test_a_depth_that_is_none_is_refused(experiment):
    config = read_config(experiment, (*SETTINGS, "model.depth=34"))
    tied = make_experiment(config)
    with pytest.raises(InputError, match=r"cannot be built: `depth` .* 50, 101, 152"):
        tied.build_network(tied.make_manifest(), None)


@pytest.mark.slow
def test_it_is_trained_judged_and_exported(experiment, narrow, tmp_path, data_folder):
    settings = (*SETTINGS, f"output={tmp_path / 'run'}", "train.recompute=true")
    run = hrnet_tf.train(read_config(experiment, settings))
    evaluation, _ = evaluate_run(run.folder)
    assert np.isfinite(list(evaluation.statistics.values())).all()
    files = hrnet_tf.export_run(run.folder, [ALL], tmp_path / "export")
    assert len(files) > 8
    path = next((data_folder / "images" / "val").iterdir())
    expected = hrnet_tf.load(run.folder, flip=False).predict(path)
    for name in ("savedmodel", "tflite", "tflite_decoded", "onnx"):
        found = hrnet_tf.load(files[name], flip=False).predict(path)
        atol = 1e-3 * np.abs(expected.scores).max()
        np.testing.assert_allclose(found.scores, expected.scores, atol=atol)
