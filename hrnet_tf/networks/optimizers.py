"""What networks are compiled with, and gradient descent as PyTorch does it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError


class Unstarted(keras.optimizers.Optimizer):
    """An optimizer that a network is compiled with before it has learnt anything.

    Keras builds the variables of an optimizer that it opens, and warns where the saved
    one has had none.
    """

    def load_own_variables(self, store):
        """Take the saved variables, unless the optimizer had not begun."""
        begun = len(store.keys()) > 2  # more than iterations and learning rate
        if begun or len(self.variables) <= 2:
            super().load_own_variables(store)


@keras.saving.register_keras_serializable("hrnet_tf")
class SGD(Unstarted, keras.optimizers.SGD):
    """Keras's, for networks that are saved before they have learnt."""


@keras.saving.register_keras_serializable("hrnet_tf")
class Adam(Unstarted, keras.optimizers.Adam):
    """Keras's, for networks that are saved before they have learnt."""


@keras.saving.register_keras_serializable("hrnet_tf")
class CoupledSGD(Unstarted, keras.optimizers.SGD):
    """SGD whose weight decay is part of the gradient, and so of the momentum.

    With gradient `g`, variable `w` and momentum buffer `m` a step is

        g = g + coupled_weight_decay * w
        m = momentum * m + g
        w = w - learning_rate * m              (nesterov: g + momentum * m for m)

    Two things differ from Keras's own SGD: its `weight_decay` shrinks the variables
    beside the momentum, and its momentum keeps the learning rates of earlier steps,
    which matters where a schedule changes them. Clipping comes before the decay, as in
    PyTorch.

    Args:
        learning_rate: a number or a Keras schedule.
        momentum: in [0, 1].
        nesterov: whether to use Nesterov's momentum.
        coupled_weight_decay: at least 0.
        decay_kernels_only: leave variables with one axis out of the decay: biases, and
            batch norm's gamma and beta. The official programs decay all.
        rates: multiples of the learning rate by the start of layers' names, such as
            `{"last_layer": 10.0}`; other layers have 1.
        kwargs: what every Keras optimizer takes, such as `global_clipnorm` and
            `use_ema`.

    Raises:
        InputError: if the decay is negative, or if Keras's `weight_decay` is given.

    Source: https://pytorch.org/docs/stable/generated/torch.optim.SGD.html.

    Example:
        ```python
        optimizer = CoupledSGD(0.05, 0.9, nesterov=True, coupled_weight_decay=1e-4)
        model.compile(optimizer, loss="mse")
        ```
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        momentum: float = 0.9,
        nesterov: bool = False,
        coupled_weight_decay: float = 0.0,
        decay_kernels_only: bool = False,
        rates: Mapping[str, float] | None = None,
        name: str = "coupled_sgd",
        **kwargs: Any,
    ):
        if kwargs.get("weight_decay") is not None:
            raise InputError(
                "CoupledSGD takes `coupled_weight_decay`, which is added to the "
                f"gradient; `weight_decay` is {kwargs['weight_decay']}: leave it away."
            )
        if coupled_weight_decay < 0:
            raise InputError(
                f"`coupled_weight_decay` must be at least 0, got {coupled_weight_decay}"
                "; 0 is no decay."
            )
        super().__init__(
            learning_rate, float(momentum), nesterov=nesterov, name=name, **kwargs
        )
        self.coupled_weight_decay = coupled_weight_decay
        self.decay_kernels_only = decay_kernels_only
        self.rates = dict(rates or {})

    def build(self, variables):
        """Make a momentum buffer for each variable."""
        super().build(variables)
        self._places = {
            self._var_key(variable): i for i, variable in enumerate(variables)
        }

    def update_step(self, gradient, variable, *arguments):
        """One step of one variable; Keras 3 gives the learning rate as well."""
        rate = tf.cast(
            arguments[0] if arguments else self.learning_rate, variable.dtype
        )
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        if self._decays(variable):
            gradient += self.coupled_weight_decay * variable
        if self.momentum:
            buffer = self.momentums[self._places[self._var_key(variable)]]
            change = self.momentum * tf.convert_to_tensor(buffer) + gradient
            buffer.assign(change)
            gradient = gradient + self.momentum * change if self.nesterov else change
        variable.assign_sub(rate * self._multiple(variable) * gradient)

    def _multiple(self, variable):
        """Of the learning rate."""
        layer = getattr(variable, "path", variable.name).split("/")[-2:][0]
        for start, multiple in self.rates.items():
            if layer.startswith(start):
                return multiple
        return 1.0

    def _decays(self, variable):
        if not self.coupled_weight_decay:
            return False
        return len(variable.shape) > 1 or not self.decay_kernels_only

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "coupled_weight_decay": self.coupled_weight_decay,
            "decay_kernels_only": self.decay_kernels_only,
            "rates": self.rates,
        }


@keras.saving.register_keras_serializable("hrnet_tf")
class WarmSteps(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that drops at some steps, and rises as a line at the beginning.

    In step `i` of the first `warmup` ones it is multiplied by `1 - (1 - i / warmup) *
    (1 - start)`.

    Args:
        rate: after the warm-up, before the first drop.
        drops: steps, from 0, from which on it is lower.
        factor: by which it is multiplied at each drop.
        warmup: steps.
        start: of the rate, that it begins with.

    Source: MMCV's `StepLrUpdaterHook` with a linear warm-up.

    Example:
        ```python
        rate = WarmSteps(0.02, [80000, 110000], 0.1, 500)
        float(rate(0)), float(rate(500)), float(rate(90000))  # 0.00002, 0.02, 0.002
        ```
    """

    def __init__(
        self,
        rate: float,
        drops: Sequence[int],
        factor: float,
        warmup: int,
        start: float = 0.001,
    ):
        self.rate, self.drops, self.factor = rate, list(drops), factor
        self.warmup, self.start = warmup, start

    def __call__(self, step):
        """The rate of a step."""
        step = tf.cast(step, tf.float32)
        rises = tf.minimum(step / self.warmup, 1.0)
        passed = tf.cast([step >= drop for drop in self.drops], tf.float32)
        warm = self.start + rises * (1 - self.start)  # as above, without loss of digits
        return self.rate * warm * self.factor ** tf.reduce_sum(passed)

    def get_config(self):
        """Arguments of the constructor."""
        return {
            "rate": self.rate,
            "drops": self.drops,
            "factor": self.factor,
            "warmup": self.warmup,
            "start": self.start,
        }
