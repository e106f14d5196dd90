"""How a SavedModel holds weights: as constants in graphs, or as variables beside."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from hrnet_tf.export.processes.runtimes import FROZEN_WEIGHTS
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.networks.shared_weights import SharedWeights
from hrnet_tf.networks.stand_ins import StandIns

logger = logging.getLogger(__name__)


class Constants:
    """Graphs that hold their weights: fast on CPUs in every process."""

    def __init__(self) -> None:
        self._models: list[StandIns] = []

    def of_model(self, model: keras.Model, image: tf.TensorSpec) -> Any:
        """The graph of a network, for images like this."""
        self._models.append(StandIns(f"stand_in_{len(self._models)}"))
        return constant_graph(fold(model, self._models[-1].constant), image)

    def of(self, function: Callable, *signature: tf.TensorSpec) -> Any:
        """The graph of a function of these, which may call that of a network."""
        return constant_graph(function, *signature)

    def save(self, path: Path, signatures: Mapping[str, Any]) -> None:
        """Write graphs by the names of their signatures."""
        tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
        saved = path / "saved_model.pb"
        content = saved_model_pb2.SavedModel.FromString(saved.read_bytes())
        for weights in self._models:
            weights.fill_in(content.meta_graphs[0].graph_def)
        saved.write_bytes(content.SerializeToString())
        (path / "fingerprint.pb").unlink(missing_ok=True)  # of the stand-ins


class Variables:
    """Graphs that share their weights; see `SharedWeights`."""

    def __init__(self) -> None:
        self._there: dict[int, tf.Variable] = {}  # graphs do not keep them

    def of_model(self, model: keras.Model, image: tf.TensorSpec) -> Any:
        """The graph of a network, for images like this."""
        weights = SharedWeights()
        network = fold(model, weights.constant)
        weights.collect(network, image)
        return self.of(network, image)

    def of(self, function: Callable, *signature: tf.TensorSpec) -> Any:
        """The graph of a function of these, which may call that of a network."""
        traced = tf.function(function, input_signature=signature, autograph=False)
        graph = traced.get_concrete_function()
        self._there |= {id(variable): variable for variable in graph.variables}
        return graph

    def save(self, path: Path, signatures: Mapping[str, Any]) -> None:
        """Write graphs by the names of their signatures, and the variables."""
        module = tf.Module()
        module.weights = list(self._there.values())
        tf.saved_model.save(module, str(path), signatures=signatures)
        ((name, value),) = FROZEN_WEIGHTS.items()
        logger.info(
            "weights are variables: set %s=%s for what serves %s on CPUs (and trains "
            "nothing), or each answer sorts them anew",
            *(name, value, path.name),
        )
