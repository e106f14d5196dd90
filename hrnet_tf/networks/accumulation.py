"""Several batches for one change of the weights, where memory holds no larger one."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.compat import (
    NO_RATE,
    begin_inner_optimizer,
    legacy_variables,
    share_schedule,
    tensorflow_variable,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.replicas import replicas


@keras.saving.register_keras_serializable("hrnet_tf")
class Accumulated(keras.optimizers.Optimizer):
    """An optimizer that takes one step in some batches, by the mean of their gradients.

    The optimizer inside learns as from batches that are as many times larger: it counts
    steps of its own (for schedules and bias corrections), and clips, decays and
    averages weights once a step. Keras 3's `gradient_accumulation_steps` differs there:
    schedules and averages of weights go on with every batch, and several devices cannot
    accumulate.

    Under a strategy each batch's gradients are added up over the devices before they
    are kept: all devices keep the same, a saved state is whole in the middle of a step
    too, and the whole gradient is clipped, with one batch for a step too (Keras 3's
    optimizers clip what each device has). A batch that `LossScaleOptimizer` (mixed
    precision) leaves out does not count. All of it costs a float32 number for each
    trainable one.

    Args:
        inner_optimizer: any optimizer of Keras, tensorflow-addons or this package;
            mixed precision's `LossScaleOptimizer` goes around this one, and `compile`
            puts it there.
        batches: for one step, at least 1.

    Raises:
        InputError: if there are no batches for a step, or if the optimizer scales the
            loss or accumulates by itself.

    Example:
        ```python
        optimizer = Accumulated(keras.optimizers.Adam(0.001), batches=4)
        model.compile(optimizer, loss="mse")
        ```
    """

    def __init__(
        self, inner_optimizer: Any, batches: int, name: str = "accumulated"
    ) -> None:
        if batches < 1:
            raise InputError(f"`batches` must be at least 1, got {batches}.")
        if isinstance(inner_optimizer, keras.mixed_precision.LossScaleOptimizer):
            raise InputError(
                "Accumulated takes the optimizer without LossScaleOptimizer, which "
                "goes around both: LossScaleOptimizer(Accumulated(optimizer, "
                f"{batches}))."
            )
        if own := getattr(inner_optimizer, "gradient_accumulation_steps", None):
            raise InputError(
                f"`gradient_accumulation_steps` of {type(inner_optimizer).__name__} is "
                f"{own}, but {batches} batches a step (`train.accumulate`) are "
                "accumulated around it: leave it away."
            )
        super().__init__(name=name, **NO_RATE)
        self.inner_optimizer = inner_optimizer
        self.batches = batches
        share_schedule(self, inner_optimizer)

    def build(self, variables: Iterable[Any]) -> None:
        """Make room for the gradients of variables, and what the optimizer inside has.

        Args:
            variables: all that will have gradients.
        """
        if hasattr(self, "_taken"):  # Keras 2 builds at every step
            return
        variables = list(variables)
        super().build(variables)
        begin_inner_optimizer(self.inner_optimizer, variables)
        self._places = {self._var_key(each): i for i, each in enumerate(variables)}
        self._sums = [
            self.add_variable_from_reference(each, "gradients") for each in variables
        ]
        self._taken = self.add_variable(
            shape=(), dtype="int64", initializer="zeros", name="taken"
        )

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None
    ) -> None:
        """Take the gradients of a batch, as Keras 3 gives them.

        Args:
            grads: of the device's part of a batch; None: a variable has none.
            trainable_variables: whose they are; None: all that it was built with.
        """
        variables = trainable_variables or self._trainable_variables
        self._take(grads, variables, added_up=False)

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Any]],
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Take the gradients of a batch.

        Args:
            grads_and_vars: of the device's part of a batch, with their variables.
            name: not used.
            skip_gradients_aggregation: whether they are added up over devices already.
            kwargs: Keras 2's older name of the same.

        Returns:
            How many steps there have been.
        """
        gradients, variables = zip(*grads_and_vars, strict=True)
        added_up = not kwargs.get("experimental_aggregate_gradients", True)
        self._take(gradients, variables, skip_gradients_aggregation or added_up)
        return self.iterations

    @tf.autograph.experimental.do_not_convert
    def _take(self, gradients, variables, added_up):
        """Add a batch's gradients to what is kept, and step if there are enough."""
        with tf.init_scope():
            self.build(variables)
        there = [i for i, gradient in enumerate(gradients) if gradient is not None]
        kept = [self._sums[self._places[self._var_key(variables[i])]] for i in there]
        sums = {i: tensorflow_variable(x) for i, x in zip(there, kept, strict=True)}
        taken = tensorflow_variable(self._taken)
        new = [tf.convert_to_tensor(gradients[i]) for i in there]
        context = tf.distribute.get_replica_context()
        if replicas() > 1 and not added_up:
            new = context.all_reduce(tf.distribute.ReduceOp.SUM, new)

        def step_of_each():
            means = [None] * len(variables)
            for i in there:
                means[i] = self._share(tf.convert_to_tensor(sums[i]) / self.batches)
            self.inner_optimizer.apply_gradients(zip(means, variables, strict=True))

        def step(strategy):
            strategy.extended.call_for_each_replica(step_of_each)
            for total in sums.values():
                strategy.extended.update(total, _clear, group=False)
            taken.assign(tf.zeros_like(taken))
            self.iterations.assign_add(1)

        def take(strategy, new):
            for i, gradient in zip(there, new, strict=True):
                strategy.extended.update(sums[i], _add, (gradient,), group=False)
            taken.assign_add(1)
            tf.cond(taken >= self.batches, lambda: step(strategy), lambda: None)

        # Devices come together here: inside of a condition they cannot.
        context.merge_call(take, args=(new,))

    def _share(self, mean):
        """What this device brings of a gradient that all of them have.

        Optimizers add up what devices bring, and Keras 3's clip that before. So the
        first one brings the whole, and the others nothing.
        """
        if replicas() == 1:
            return mean
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.where(tf.equal(number, 0), mean, tf.zeros_like(mean))

    @property
    def variables(self) -> list[Any]:
        """What is kept, and the variables of the optimizer inside."""
        inner = self.inner_optimizer.variables
        found = super().variables
        found.extend(inner() if callable(inner) else inner)
        return found

    def save_own_variables(self, store: Any) -> None:
        """Write what is kept; Keras writes the optimizer inside by itself."""
        for number, variable in enumerate(self._own_variables()):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take what `save_own_variables` has written."""
        for number, variable in enumerate(self._own_variables()):
            variable.assign(np.asarray(store[str(number)]))

    def _own_variables(self):
        return [*super().variables, *legacy_variables(self.inner_optimizer)]

    @property
    def learning_rate(self) -> Any:
        """Of the optimizer inside."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def loss_scale_factor(self) -> float | None:
        """Of the optimizer inside, which divides by it."""
        inner = getattr(self, "inner_optimizer", None)
        return getattr(inner, "loss_scale_factor", None)

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor: float | None) -> None:
        # Keras 3's base class sets it before there is one inside.
        if hasattr(self, "inner_optimizer"):
            self.inner_optimizer.loss_scale_factor = factor

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Let the optimizer inside end a training: it may put averages in place."""
        if hasattr(self.inner_optimizer, "finalize_variable_values"):
            self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        inner = keras.saving.serialize_keras_object(self.inner_optimizer)
        return {"inner_optimizer": inner, "batches": self.batches, "name": self.name}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "Accumulated":
        """The same from those arguments."""
        inner = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**{**config, "inner_optimizer": inner})


def _add(total, gradient):
    total.assign_add(tf.cast(gradient, total.dtype))


def _clear(total):
    total.assign(tf.zeros_like(total))
