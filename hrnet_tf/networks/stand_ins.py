"""Constants of a graph that get their values only when it is finished."""

from typing import Any

import numpy as np
import tensorflow as tf


class StandIns:
    """Constants that get their values only when the graph is finished.

    TensorFlow copies a graph some twenty times while it traces and saves it, and large
    weights with it. A stand-in has a weight's shape and holds a single number.

    Args:
        name: what those of one network are called; where several are saved together
            each needs another one.

    Example:
        ```python
        stand_ins = StandIns()
        graph = constant_graph(fold(model, stand_ins.constant), signature)
        definition = graph.graph.as_graph_def()
        stand_ins.fill_in(definition)
        ```
    """

    def __init__(self, name: str = "stand_in"):
        self.name = name
        self.weights: dict[str, np.ndarray] = {}

    def constant(self, weight: np.ndarray) -> tf.Tensor:
        """A stand-in for a float32 weight, in the graph that is being traced."""
        stand_in = tf.constant(0.0, shape=weight.shape, name=self.name)
        self.weights[stand_in.op.name] = weight
        return stand_in

    def fill_in(self, definition: Any) -> None:
        """Put the weights where their stand-ins are, in a `GraphDef`."""
        functions = definition.library.function
        nested = [node for function in functions for node in function.node_def]
        for node in [*definition.node, *nested]:
            if node.name in self.weights:
                value = tf.make_tensor_proto(self.weights[node.name])
                node.attr["value"].tensor.CopyFrom(value)

    def as_inputs(self, definition: Any) -> dict[str, np.ndarray]:
        """Make inputs of all kernels in a `GraphDef`, and put in the small weights.

        Returns:
            The kernels by the names of the inputs that stand for them.
        """
        kernels = {}
        for node in definition.node:
            # Where functions were put inline, their names stand in front.
            weight = self.weights.get(node.name.rsplit("/", 1)[-1])
            if weight is None:
                continue
            if weight.ndim == 1:
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weight))
                continue
            kernels[node.name] = weight
            node.op = "Placeholder"
            del node.attr["value"]
            shape = tf.TensorShape(weight.shape).as_proto()
            node.attr["shape"].shape.CopyFrom(shape)
        return kernels
