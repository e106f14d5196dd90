"""Optimizers of ours and of Keras on small variables; as a program, on two devices."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.compat import KERAS_3

STEPS = 4
SCHEDULE = {"initial_learning_rate": 0.1, "decay_steps": STEPS}
OURS = {name: getattr(hrnet_tf.optimizers, name) for name in ("Adam", "AdamW", "SGD")}

# Class and arguments by names; a rate of None is a schedule.
CASES = {
    "adam": ("Adam", {"epsilon": 1e-3}),
    "scheduled": ("Adam", {"learning_rate": None}),
    "amsgrad": ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    "clipped": ("Adam", {"global_clipnorm": 0.5, "epsilon": 0.1}),
    "adamw": ("AdamW", {"weight_decay": 0.1, "learning_rate": None}),
    "averaged": ("AdamW", {"use_ema": True, "ema_momentum": 0.5, "clipnorm": 0.5}),
    "overwritten": ("SGD", {"use_ema": True, "ema_overwrite_frequency": 2}),
    "sgd": ("SGD", {"momentum": 0.0, "weight_decay": 0.1}),
    "momentum": ("SGD", {"momentum": 0.9, "clipvalue": 0.3, "learning_rate": None}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
}
CASES_OF_OURS = {
    "plain": ("SGD", {}),
    "coupled": (
        "CoupledSGD",
        {"momentum": 0.9, "nesterov": True, "coupled_weight_decay": 0.1},
    ),
}
ON_DEVICES = ["scheduled", "amsgrad", "averaged", "momentum", "sgd"]


def optimizer_of(name, kinds):
    """The optimizer of a case, from `keras.optimizers` or ours."""
    kind, arguments = (CASES | CASES_OF_OURS)[name]
    arguments = {"learning_rate": 0.1, **arguments}
    if arguments["learning_rate"] is None:
        arguments["learning_rate"] = keras.optimizers.schedules.CosineDecay(**SCHEDULE)
    return getattr(kinds, kind)(**arguments)


def sparse(gradient):
    """Rows of a gradient, one of them twice."""
    return tf.IndexedSlices(
        tf.constant(gradient[[0, 2, 0]]), tf.constant([0, 2, 0]), gradient.shape
    )


def variables_of(start):
    """What an optimizer may be given."""
    if KERAS_3:
        return [keras.Variable(value, dtype=str(value.dtype)) for value in start]
    return [tf.Variable(value) for value in start]


def steps_of(optimizer, start, gradients, traced=False, xla=False):
    """Take steps; the optimizer and the variables."""
    variables = variables_of(start)

    def step(*gradients):
        optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))

    if traced:
        step = tf.function(step, jit_compile=xla)
    for values in gradients:
        step(*(tf.nest.map_structure(tf.convert_to_tensor, value) for value in values))
    return optimizer, variables


def values_of(optimizer, variables):
    """Numbers of the variables, then of the optimizer."""
    kept = [x for x in optimizer.variables if "learning_rate" not in x.name]
    return [np.asarray(value) for value in (*variables, *kept)]


def step_of(strategy, optimizer, variables, gradients):
    """A step on all devices, each of which has other gradients."""

    def on_device():
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        own = [(1.0 + tf.cast(number, tf.float32)) * gradient for gradient in gradients]
        optimizer.apply_gradients(list(zip(own, variables, strict=True)))

    return tf.function(lambda: strategy.run(on_device), autograph=False)


def main():
    """Compare each case on two devices with Keras's own there, and print its name."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    start = [rng.normal(size=size).astype(np.float32) for size in ((3, 2), (4,))]
    gradients = [rng.normal(size=x.shape).astype(np.float32) for x in start]
    for name in ON_DEVICES:
        found = []
        for kinds in (hrnet_tf.optimizers, keras.optimizers):
            with strategy.scope():
                optimizer, variables = optimizer_of(name, kinds), variables_of(start)
                optimizer.build(variables)
            step = step_of(strategy, optimizer, variables, gradients)
            for _ in range(2):
                step()
            each = [
                strategy.experimental_local_results(x.value if KERAS_3 else x)
                for x in variables
            ]
            for one, other in each:
                np.testing.assert_array_equal(one, other)
            found.append(values_of(optimizer, variables))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=4e-6, err_msg=name)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    sys.exit(main())
