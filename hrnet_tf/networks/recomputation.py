"""Activations that are computed twice, where memory is too small to keep them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.compat import (
    draws_by_chance,
    let_updates_be_held,
    without_updates,
)
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.segments import Segment, segments


def recompute(network: keras.Model, *, in_inference: bool = False) -> None:
    """Let training steps of a network take less memory and more time.

    A step keeps what goes from one part of the network to the next. What is inside of a
    part is computed again when its gradients are, and the weights after each step are
    the same: batch norm notes what it sees once, dropout is not computed again, as any
    layer that draws by chance or has a state of its own. The network's layers, weights
    and files stay what they are. `python -m benchmarks recompute` measures it.

    Call it before the first step. A network that is loaded from a file or cloned does
    not recompute until it is told to.

    Args:
        network: one of this package's, or another functional model with one input that
            calls each layer once. Of detectors the body and the pyramid are computed
            twice, the heads are not.
        in_inference: whether gradients are asked for without `training=True` too.

    Raises:
        InputError: if it is a model of another kind.

    Source: Chen et al., Training Deep Nets with Sublinear Memory Cost,
    https://arxiv.org/abs/1604.06174.

    Example:
        ```python
        model = hrnet_tf.HRNetV1(width=48, input_shape=(384, 288, 3))
        hrnet_tf.recompute(model)
        model.fit(images, keypoints)
        ```
    """
    if own := getattr(network, "recompute", None):
        own()
        return
    try:
        parts = segments(network, _stays)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"The activations of {network.name} cannot be recomputed "
            f"(`train.recompute`): {error}"
        ) from error
    for layer in network.layers:
        let_updates_be_held(layer)
    plain = type(network).call

    @tf.autograph.experimental.do_not_convert
    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not (training or in_inference) or mask is not None:
            return plain(network, inputs, training=training, mask=mask)
        (image,) = tf.nest.flatten(inputs)
        values = {id(network.inputs[0]): image}
        for part in parts:
            given = [values[tensor] for tensor in part.inputs]
            run = _run(part, training)
            answers = (_again(run) if part.again else run)(*given)
            values.update(zip(part.outputs, answers, strict=True))
        return tf.nest.map_structure(lambda x: values[id(x)], network.output)

    network.call = call


def _stays(layer: Any) -> bool:
    """Whether a layer cannot be computed twice: by chance, or by what it changes."""
    norm = isinstance(layer, keras.layers.BatchNormalization)
    changes = layer.trainable and layer.non_trainable_variables
    return draws_by_chance(layer) or bool(changes and not norm)


def _run(part: Segment, training: Any) -> Callable[..., list[tf.Tensor]]:
    """A function that computes a segment's outputs of its inputs."""

    def run(*inputs: tf.Tensor) -> list[tf.Tensor]:
        values = dict(zip(part.inputs, inputs, strict=True))
        for call in part.calls:
            values.update(call.run(values, training))
        return [values[tensor] for tensor in part.outputs]

    return run


def _again(run: Callable[..., list[tf.Tensor]]) -> Callable[..., list[tf.Tensor]]:
    """The same function, of which nothing but inputs is kept for gradients.

    `tf.recompute_grad` is of this kind, but would have batch norm updated twice.
    """

    @tf.custom_gradient
    def once(*inputs: tf.Tensor) -> Any:
        def gradient(*upstream: tf.Tensor, variables: Any = None) -> Any:
            weights = list(variables or [])
            # Not before the gradients have come so far: it would all be kept otherwise.
            with tf.control_dependencies(upstream), without_updates():
                given = _behind(inputs, upstream)
                sources = [x for x in given if x.dtype.is_floating] + weights
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(sources)
                    outputs = run(*given)
            found = tape.gradient(
                outputs, sources, list(upstream), unconnected_gradients="zero"
            )
            of_inputs = [found.pop(0) if x.dtype.is_floating else None for x in given]
            return (of_inputs, found) if weights else of_inputs

        return run(*inputs), gradient

    return once


def _behind(
    tensors: Sequence[tf.Tensor], earlier: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """The same tensors, which cannot be had before the others.

    XLA does not know of control dependencies: a zero of the others is added.
    """
    if tf.executing_eagerly():
        return [tf.identity(x) for x in tensors]
    some = tf.cast(tf.reshape(earlier[0], (-1,))[:1], tf.bool)
    zero = tf.where(tf.reduce_all(some == some), 0.0, float("nan"))
    return [
        x + tf.cast(zero, x.dtype) if x.dtype.is_floating else tf.identity(x)
        for x in tensors
    ]
