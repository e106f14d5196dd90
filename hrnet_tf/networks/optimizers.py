"""Keras's optimizers by one operation a variable, and PyTorch's gradient descent."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.compat import FusedOptimizer, tensorflow_variable
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


class _AdamStep(FusedOptimizer):
    """Adam's step as one operation of TensorFlow a variable."""

    def numbers(self, rate):
        """The learning rate, and by their names what the operation takes besides."""
        betas = tf.constant(self.beta_1), tf.constant(self.beta_2)
        step = tf.cast(self.iterations + 1, tf.float32)
        powers = (tf.pow(beta, step) for beta in betas)
        return rate, {
            **dict(zip(("beta1", "beta2"), betas, strict=True)),
            **dict(zip(("beta1_power", "beta2_power"), powers, strict=True)),
            "epsilon": tf.constant(self.epsilon),
        }

    def update(self, gradient, variable, rate, shared):
        """Change one variable and its two moments."""
        if self.amsgrad or not _fits(gradient, variable):
            self.by_keras(gradient, variable, rate)
            return
        place = self.place(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=tensorflow_variable(self._momentums[place]).handle,
            v=tensorflow_variable(self._velocities[place]).handle,
            lr=rate,
            grad=tf.cast(gradient, variable.dtype),
            **shared,
        )


@keras.saving.register_keras_serializable("hrnet_tf")
class Adam(_AdamStep, Unstarted, keras.optimizers.Adam):
    """Keras's Adam, with one operation of TensorFlow for each variable.

    It has Keras's arguments, formula and variables, in place of a dozen operations a
    variable, and makes its variables outside of the graph of a step: training begins
    sooner and takes less memory (`python -m benchmarks steps`). Sparse gradients,
    `amsgrad` and variables that are not float32 go Keras's way.

    Source: Kingma and Ba, https://arxiv.org/abs/1412.6980, the formula before section
    2.1.

    Example:
        ```python
        model.compile(hrnet_tf.optimizers.Adam(0.001), loss="mse")
        ```
    """


@keras.saving.register_keras_serializable("hrnet_tf")
class AdamW(_AdamStep, Unstarted, keras.optimizers.AdamW):
    """Keras's AdamW, with one operation of TensorFlow for each variable.

    As `Adam`; before a step each variable shrinks by `learning_rate * weight_decay` of
    itself.

    Source: Loshchilov and Hutter, https://arxiv.org/abs/1711.05101.

    Example:
        ```python
        optimizer = hrnet_tf.optimizers.AdamW(0.001, weight_decay=0.01)
        model.compile(optimizer, loss="mse")
        ```
    """


@keras.saving.register_keras_serializable("hrnet_tf")
class SGD(FusedOptimizer, Unstarted, keras.optimizers.SGD):
    """Keras's SGD, with one operation of TensorFlow for each variable.

    As `Adam`; with `momentum`, also Nesterov's, or without. `CoupledSGD` is that of
    PyTorch.

    Example:
        ```python
        model.compile(hrnet_tf.optimizers.SGD(0.01, momentum=0.9), loss="mse")
        ```
    """

    def numbers(self, rate):
        """The learning rate, and the momentum."""
        return rate, tf.constant(float(self.momentum))

    def update(self, gradient, variable, rate, momentum):
        """Change one variable and its momentum, if it has one."""
        if not _fits(gradient, variable):
            self.by_keras(gradient, variable, rate)
            return
        gradient = tf.cast(gradient, variable.dtype)
        if not self.momentums:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=rate, delta=gradient
            )
            return
        buffer = self.momentums[self.place(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=tensorflow_variable(buffer).handle,
            lr=rate,
            grad=gradient,
            momentum=momentum,
            use_nesterov=self.nesterov,
        )


@keras.saving.register_keras_serializable("hrnet_tf")
class CoupledSGD(FusedOptimizer, Unstarted, keras.optimizers.SGD):
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

    def numbers(self, rate):
        """The learning rate."""
        return (rate,)

    def update(self, gradient, variable, rate):
        """Change one variable and its momentum, if it has one."""
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        rate = tf.cast(rate, variable.dtype)
        multiple = self._multiple(variable)
        if multiple != 1:
            rate *= multiple
        if self._decays(variable):
            gradient += self.coupled_weight_decay * variable
        if not self.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=rate, delta=gradient
            )
            return
        buffer = self.momentums[self.place(variable)]
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle,
            accum=tensorflow_variable(buffer).handle,
            lr=rate,
            grad=gradient,
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )

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


def _fits(gradient: Any, variable: tf.Variable) -> bool:
    """Whether one operation does the whole step."""
    return not isinstance(gradient, tf.IndexedSlices) and variable.dtype == tf.float32
