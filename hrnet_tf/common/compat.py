"""What differs between the lanes: Keras 3 on the newest TensorFlow, Keras 2.15."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3

# For layers that change images; those of Keras 2 are channels last in any case.
CHANNELS_LAST: dict[str, Any] = {"data_format": "channels_last"} if KERAS_3 else {}


# What Keras's base class of optimizers is given where there is no rate of its own.
NO_RATE: dict[str, Any] = {"learning_rate": 0.0} if KERAS_3 else {}


def variable_leaf(variable: tf.Variable) -> str:
    """The last part of a variable's name, such as `kernel`."""
    return variable.name.rsplit("/", 1)[-1].split(":")[0]


def freeze(concrete: Any) -> Any:
    """A concrete function with its variables as constants.

    TensorFlow has no public name for this; both lanes have it under the same one.
    """
    frozen = convert_variables_to_constants_v2(concrete)
    signature = [tf.TensorSpec(x.shape, x.dtype, x.op.name) for x in frozen.inputs]

    def restructured(*inputs: tf.Tensor) -> Any:
        # The frozen function answers with a flat list.
        return tf.nest.pack_sequence_as(concrete.structured_outputs, frozen(*inputs))

    function = tf.function(restructured, input_signature=signature, autograph=False)
    return function.get_concrete_function()


def without_calls(concrete: Any) -> Any:
    """A concrete function on constants, with all functions that it calls put inline."""
    calls = any("Call" in op.type for op in concrete.graph.get_operations())
    return convert_variables_to_constants_v2(concrete) if calls else concrete


def optimizer_averages_weights(optimizer_class: type) -> bool:
    """Whether an optimizer knows `use_ema`; those of tensorflow-addons do not."""
    return issubclass(optimizer_class, keras.optimizers.Optimizer)


def averaged_values(model: keras.Model) -> list[tuple]:
    """Each trainable variable of a compiled model with its moving average."""
    optimizer = model.optimizer
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return list(
        zip(
            model.trainable_variables,
            optimizer._model_variables_moving_average,
            strict=True,
        )
    )


def loss_scale(optimizer: Any) -> float | None:
    """What mixed precision multiplies the loss by; None: it is not multiplied.

    It halves with each step whose gradients are not finite, which is left out.
    """
    if KERAS_3:
        scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        return float(optimizer.dynamic_scale) if scaled and optimizer.built else None
    scaled = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
    return float(optimizer.loss_scale) if scaled else None


def clips_each_device(optimizer: Any) -> bool:
    """Whether an optimizer clips what each device has, before that is added up."""
    limits = ("clipnorm", "clipvalue", "global_clipnorm")
    return KERAS_3 and any(getattr(optimizer, name, None) for name in limits)


def scale_losses(optimizer: Any) -> Any:
    """What `mixed_float16` needs around an optimizer, for any number of devices."""
    if KERAS_3:
        return AllDevicesScale(optimizer, name="loss_scale_optimizer")
    return keras.mixed_precision.LossScaleOptimizer(optimizer)


def scaled_if_mixed(optimizer: Any) -> Any:
    """An optimizer for `compile`, with what `mixed_float16` needs around it.

    Keras 3 would put one around it that makes its variables in the first step, which is
    traced twice then.
    """
    mixed = keras.mixed_precision.global_policy().name == "mixed_float16"
    return scale_losses(optimizer) if mixed else optimizer


if KERAS_3:
    UNSTARTED = 4  # variables of an optimizer with one around it, before they are built

    @keras.saving.register_keras_serializable("hrnet_tf")
    class AllDevicesScale(keras.optimizers.LossScaleOptimizer):
        """Leaves a batch out if gradients of any device are not finite.

        Keras 3's own asks the first device alone, and follows another one into NaN; and
        it makes its variables in the graph of the first step, which is traced again.
        """

        def build(self, var_list):
            """Make the variables, outside of the graph of a step."""
            outside_of_graphs(super().build, var_list)

        def load_own_variables(self, store):
            """Take the saved variables, unless the optimizer had not begun."""
            begun = len(store.keys()) > UNSTARTED
            if begun or len(self.variables) <= UNSTARTED:
                super().load_own_variables(store)

        def check_finite(self, grads):
            """Whether all gradients of all devices are finite."""
            finite = super().check_finite(grads)
            context = tf.distribute.get_replica_context()
            if context.num_replicas_in_sync == 1:
                return finite
            count = tf.cast(finite, tf.float32)
            count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
            return tf.equal(count, context.num_replicas_in_sync)


def outside_of_graphs(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call something that makes variables, if need be while a graph is traced.

    TensorFlow traces a step again that has made variables, also within `init_scope`. A
    thread of its own is in no graph. It is in no strategy either, whose variables are
    therefore made as they come.
    """
    traced = tf.compat.v1.get_default_graph().building_function
    if not traced or tf.distribute.has_strategy():
        return call(*arguments)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call, *arguments).result()


class FusedOptimizer(keras.optimizers.Optimizer):
    """An optimizer that computes the numbers of a step once for all variables.

    Subclasses, which have an optimizer of Keras beside this one, state `numbers` and
    `update`.
    """

    def numbers(self, rate: Any) -> tuple[Any, ...]:
        """What `update` takes besides a gradient and its variable.

        Args:
            rate: the learning rate of the step.
        """
        raise NotImplementedError

    def update(self, gradient: Any, variable: tf.Variable, *numbers: Any) -> None:
        """Change one variable, and what the optimizer has for it."""
        raise NotImplementedError

    def by_keras(self, gradient: Any, variable: tf.Variable, rate: Any) -> None:
        """Change one variable as the optimizer of Keras does."""
        super().update_step(gradient, variable, *[rate] * KERAS_3)

    def place(self, variable: tf.Variable) -> int:
        """Of a variable among those that the optimizer was built with."""
        if KERAS_3:
            return self._get_variable_index(variable)
        return self._index_dict[self._var_key(variable)]

    def build(self, variables: Any) -> None:
        """Make the variables of the optimizer, outside of the graph of a step."""
        outside_of_graphs(super().build, variables)

    def update_step(self, gradient, variable, *numbers):
        """One step of one variable; Keras 3 hands on what is shared by all."""
        decay, *others = numbers[0] if KERAS_3 else self._shared
        if decay is not None and self._use_weight_decay(variable):
            variable.assign_sub(variable * tf.cast(decay, variable.dtype))
        self.update(gradient, variable, *others)

    def _apply_weight_decay(self, variables):
        """Nothing: `update_step` does it, by a rate that is computed once a step."""

    def _with_decay(self, rate):
        rate = tf.convert_to_tensor(rate)
        decay = rate * self.weight_decay if self.weight_decay else None
        return decay, *self.numbers(rate)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Of Keras 3.
        numbers = self._with_decay(learning_rate)
        super()._backend_update_step(grads, trainable_variables, numbers)

    def _distributed_apply_gradients_fn(self, distribution, grads_and_vars, **more):
        # Of Keras 2, like the one below.
        self._shared = self._with_decay(self.learning_rate)
        return super()._distributed_apply_gradients_fn(
            distribution, grads_and_vars, **more
        )

    def _update_step_xla(self, gradient, variable, key):
        """Without a function of its own, which one operation does not need."""
        self._update_step(gradient, variable)


def build_optimizer(model: keras.Model) -> None:
    """Make the variables of a compiled model's optimizer."""
    begin_inner_optimizer(model.optimizer, model.trainable_variables)


def build_losses(model: keras.Model) -> None:
    """Make what keeps the means of a compiled model's losses, one for each output.

    Keras makes it in the first step, which is traced twice then. With one loss there is
    none.
    """
    if KERAS_3:
        losses = model._compile_loss
        known = losses is not None and not losses.built and losses._user_loss
    else:
        losses = model.compiled_loss
        known = not losses._built and model.loss
    outputs = getattr(model, "output", None)  # models of other kinds have none
    if not isinstance(known, dict) or not isinstance(outputs, dict):
        return
    if len(known) > 1 and known.keys() <= outputs.keys():
        # Only names are asked of what would be targets.
        losses.build(*[outputs] * (2 if KERAS_3 else 1))


def begin_inner_optimizer(optimizer: Any, variables: list[Any]) -> None:
    """Make the variables of an optimizer inside another one."""
    if _is_legacy(optimizer):
        optimizer._create_all_weights(variables)
    elif not getattr(optimizer, "built", False):
        optimizer.build(variables)


def legacy_variables(optimizer: Any) -> list[tf.Variable]:
    """What `.keras` leaves out of an optimizer inside another one."""
    return list(optimizer.variables()) if _is_legacy(optimizer) else []


def share_schedule(optimizer: Any, inner: Any) -> None:
    """Let TensorBoard see the schedule of an optimizer inside; Keras 3 asks it."""
    if not KERAS_3:
        optimizer._learning_rate = getattr(inner, "_learning_rate", None)


def tensorflow_variable(variable: Any) -> tf.Variable:
    """What TensorFlow knows a variable of Keras as; its own ones are themselves."""
    if KERAS_3 and isinstance(variable, keras.Variable):
        return variable.value
    return variable


def seeded_dropout() -> None:
    """Have layers that are built from here on draw from what `begin_dropout` sets."""
    if not KERAS_3:
        keras.backend.experimental.enable_tf_random_generator()


def draws_by_chance(layer: Any) -> bool:
    """Whether a layer, or one inside, has random numbers of its own, as dropout has."""
    holder = "seed_generator" if KERAS_3 else "_random_generator"
    flat = layer._flatten_layers()
    return any(getattr(each, holder, None) is not None for each in flat)


_updates = threading.local()  # devices of a strategy trace in threads of their own


def updates_held() -> bool:
    """Whether layers are called within `without_updates`."""
    return getattr(_updates, "held", False)


@contextlib.contextmanager
def without_updates() -> Iterator[None]:
    """Layers that are called in here change no variables.

    Under Keras 2 this holds for those that `let_updates_be_held` was given.
    """
    before = updates_held()
    with contextlib.ExitStack() as held:
        if KERAS_3:
            held.enter_context(keras.StatelessScope(initialize_variables=False))
        _updates.held = True
        try:
            yield
        finally:
            _updates.held = before


def let_updates_be_held(layer: Any) -> None:
    """Have a layer obey `without_updates`; those of Keras 3 do."""
    if KERAS_3 or "add_update" in vars(layer):
        return
    update = layer.add_update

    def unless_held(updates: Any) -> None:
        if not updates_held():
            update(updates)

    layer.add_update = unless_held


def begin_dropout(model: keras.Model, seed: Sequence[int]) -> None:
    """Have all layers that draw by chance begin anew, each with numbers of its own."""
    holder, part = (
        ("seed_generator", "state") if KERAS_3 else ("_random_generator", "_generator")
    )
    drawing = (getattr(layer, holder, None) for layer in model._flatten_layers())
    found = (getattr(each, part, None) for each in drawing)
    for number, state in enumerate(each for each in found if each is not None):
        own = int(np.random.SeedSequence([*seed, number]).generate_state(1)[0] >> 1)
        if KERAS_3:
            state.assign([own, 0])
        else:
            state.reset_from_seed(own)


def own_variables(model: keras.Model) -> list[Any]:
    """All variables that are saved with a model, once each."""
    optimizer = getattr(model, "optimizer", None)
    found = [] if optimizer is None else optimizer.variables
    found = [*model.variables, *(found() if callable(found) else found)]
    if not KERAS_3:
        found += [each for metric in model.metrics for each in metric.variables]
    return list({id(variable): variable for variable in found}.values())


def legacy_state(model: keras.Model) -> dict[str, np.ndarray] | None:
    """An optimizer's state that `.keras` leaves out (tensorflow-addons'), by names."""
    if not _has_legacy_optimizer(model):
        return None
    values = model.optimizer.get_weights()
    return {f"arr_{number}": value for number, value in enumerate(values)}


def load_legacy_optimizer(model: keras.Model, path: Path) -> None:
    """Give such an optimizer the state back that `legacy_state` has found."""
    if _has_legacy_optimizer(model):
        model.optimizer._create_all_weights(model.trainable_variables)
        saved = np.load(path)
        model.optimizer.set_weights([saved[name] for name in saved.files])


def _has_legacy_optimizer(model: keras.Model) -> bool:
    return _is_legacy(model.optimizer)


def _is_legacy(optimizer: Any) -> bool:
    return not KERAS_3 and isinstance(optimizer, keras.optimizers.legacy.Optimizer)
