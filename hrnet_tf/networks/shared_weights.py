"""A network's weights as variables that all graphs of one file share.

A constant is copied whenever TensorFlow takes a graph into its hands, some twenty times
from the file to the first answer; a variable is there once. What constants are for,
that oneDNN keeps them in the order that its kernels want, variables have only in
processes that say of themselves that no weight ever changes in them (`FROZEN_WEIGHTS`
of `export/processes/runtimes.py`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

LEAST = 4096  # numbers; less stays a constant, as a variable is work to load


class SharedWeights:
    """Variables in place of the constants of a folded network.

    Example:
        ```python
        weights = SharedWeights()
        network = fold(model, weights.constant)
        weights.collect(network, specification)
        graph = tf.function(network, input_signature=[specification])
        ```
    """

    def __init__(self) -> None:
        # The arrays are kept, so that no other one gets the identity of one of them.
        self._arrays: dict[int, np.ndarray] = {}
        self._variables: dict[int, tf.Variable] = {}
        self._collecting = False

    def collect(self, network: Callable, specification: tf.TensorSpec) -> None:
        """Make the variables, which cannot be made while a graph is traced that stays.

        Args:
            network: a function that `fold` has made with `constant`.
            specification: of what it takes.
        """
        self._collecting = True
        signature = [specification]
        try:  # a graph that is thrown away
            traced = tf.function(network, input_signature=signature, autograph=False)
            traced.get_concrete_function()
        finally:
            self._collecting = False
        for key, weight in self._arrays.items():
            self._variables[key] = tf.Variable(weight, trainable=False)

    def constant(self, weight: np.ndarray) -> Any:
        """What `fold` puts into a graph for a weight."""
        if self._collecting:
            if weight.size >= LEAST:
                self._arrays[id(weight)] = weight
            return tf.zeros(weight.shape)
        variable = self._variables.get(id(weight))
        # So stays what is computed anew for each graph.
        return tf.constant(weight) if variable is None else variable.value()
