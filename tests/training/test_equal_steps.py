"""Trainings that are done otherwise learn the same: devices, accumulation, XLA."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from hrnet_tf.common.compat import averaged_values
from hrnet_tf.networks.recomputation import recompute
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train
from support.runs import SHORT, history, state

TWO_DEVICES = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import hrnet_tf
from support.networks import shallow_networks
with shallow_networks():
    hrnet_tf.train(hrnet_tf.read_config(sys.argv[1], sys.argv[2:]))
print("threads:", tf.config.threading.get_intra_op_parallelism_threads())
"""


def test_two_devices_compute_what_one_does(configured, experiment, shallow, tmp_path):
    settings = (
        "train.epochs=1",
        "train.steps_per_epoch=2",
        "train.drop_at=[]",
        "train.batch_size=4",
        # Adam would make steps of rounding where a gradient is 0.
        "train.optimizer.class_path=keras.optimizers.SGD",
    )
    alone = train(configured(*settings))
    command = [sys.executable, "-c", TWO_DEVICES, str(experiment), *settings]
    command += [f"output={tmp_path / 'two'}", "train.devices=[CPU:0,CPU:1]"]
    command += ["train.operation_threads=1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert not process.returncode, process.stderr[-3000:]
    assert "threads: 1" in process.stdout
    together = Run.open(tmp_path / "two")
    # Equal only if batch norm is synchronized and losses are averaged over all devices.
    assert float(history(together)[0]["loss"]) == pytest.approx(
        float(history(alone)[0]["loss"]), rel=1e-5
    )
    weights = (run.model().get_weights() for run in (together, alone))
    for found, expected in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_batches_are_accumulated_to_what_one_larger_batch_learns(
    configured, eagerly, shallow, tmp_path
):
    """All of the recipe means what it does with a batch twice as large."""
    settings = (
        "train.warmup_steps=2",
        "train.ema=0.5",
        "train.clip_norm=0.5",
        # Batch norm would look at the smaller batches.
        "model.normalization.class_path=keras.layers.LayerNormalization",
        "train.optimizer.class_path=keras.optimizers.SGD",
    )
    runs = [
        train(configured(f"output={tmp_path / str(size)}", *sizes, *settings))
        for size, *sizes in (
            (8, "train.batch_size=8"),
            (4, "train.batch_size=4", "train.accumulate=2"),
        )
    ]
    large, small = (keras.models.load_model(str(run.last()[0])) for run in runs)
    assert int(small.optimizer.iterations) == int(large.optimizer.iterations) == 4
    for found, expected in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    for (_, found), (_, expected) in zip(
        averaged_values(small), averaged_values(large), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    rows = [history(run) for run in runs]
    for name in ("loss", "accuracy", "val_AP"):
        one, other = ([float(row[name]) for row in of] for of in rows)
        assert one == pytest.approx(other, rel=1e-4), name


def test_activations_that_are_computed_twice_change_nothing_of_a_run(
    configured, eagerly, shallow, tmp_path, monkeypatch
):
    networks = []

    def noting(network):
        networks.append(network)
        recompute(network)

    monkeypatch.setattr("hrnet_tf.training.train.recompute", noting)
    settings = (
        *SHORT,
        "train.ema=0.5",
        "train.optimizer.class_path=keras.optimizers.SGD",
    )
    runs = [
        train(
            configured(
                *settings,
                f"train.recompute={again}",
                f"output={tmp_path / again}",
            )
        )
        for again in ("false", "true")
    ]
    assert len(networks) == 1
    for kept, again in zip(*map(state, runs), strict=True):
        np.testing.assert_allclose(again, kept, rtol=1e-5, atol=1e-6)
    kept, again = (history(run)[0]["loss"] for run in runs)
    assert float(again) == pytest.approx(float(kept), rel=1e-5)


@pytest.mark.slow
def test_a_compiled_step_computes_what_an_open_one_does(configured, tmp_path):
    losses = [
        float(
            history(
                train(
                    configured(
                        *SHORT, f"train.xla={xla}", f"output={tmp_path / str(xla)}"
                    )
                )
            )[0]["loss"]
        )
        for xla in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
