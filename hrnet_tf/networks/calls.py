"""A functional network as the calls of its layers."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import layers


class Call:
    """A layer with what it takes and gives (looked up once: Keras is slow).

    Args:
        layer: is called once.

    Attributes:
        layer: the same.
        inputs: symbolic tensors that it takes, in the structure of its argument.
        output: what it gives.

    Raises:
        ValueError: if it is called more than once, or belongs to no functional graph.
    """

    def __init__(self, layer: layers.Layer):
        self.layer = layer
        try:
            self.inputs, self.output = layer.input, layer.output
        except (AttributeError, ValueError) as error:
            raise ValueError(
                f"Layer {layer.name} is called more than once or belongs to no "
                "functional graph; only functional models that call every layer once "
                "can be taken apart."
            ) from error

    @property
    def taken(self) -> list[int]:
        """Identities of the tensors that the layer takes."""
        return [id(tensor) for tensor in tf.nest.flatten(self.inputs)]

    @property
    def given(self) -> list[int]:
        """Identities of the tensors that the layer gives."""
        return [id(tensor) for tensor in tf.nest.flatten(self.output)]

    def run(self, values: Mapping[int, Any], training: Any) -> dict[int, Any]:
        """What the layer gives.

        Args:
            values: tensors by the identities of the symbolic ones that they stand for.
            training: as layers take it.

        Returns:
            The same for what it gives.
        """
        inputs = tf.nest.map_structure(lambda tensor: values[id(tensor)], self.inputs)
        parameters = inspect.signature(self.layer.call).parameters
        learns = {"training": training} if "training" in parameters else {}
        answers = tf.nest.flatten(self.layer(inputs, **learns))
        return dict(zip(self.given, answers, strict=True))


def calls_of(model: keras.Model) -> list[Call]:
    """Those of all layers, each behind those that it takes something of.

    Raises:
        ValueError: if a layer is called more than once, or the model is not functional.
    """
    return [
        Call(layer)
        for layer in model.layers
        if not isinstance(layer, layers.InputLayer)
    ]


def check_connected(model: keras.Model, calls: list[Call]) -> None:
    """Raise a ValueError unless these calls lead from one input to all outputs."""
    known = {id(model.inputs[0]), *(tensor for call in calls for tensor in call.given)}
    needed = [id(tensor) for tensor in tf.nest.flatten(model.output)]
    needed += [tensor for call in calls for tensor in call.taken]
    if len(model.inputs) != 1 or not known.issuperset(needed):
        raise ValueError(
            f"Model {model.name} cannot be taken apart: it must have one input and "
            "call every layer once, with no model inside."
        )
