"""Networks to ONNX files."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from hrnet_tf.compat import without_calls
from hrnet_tf.export.options import Options
from hrnet_tf.fold import constant_graph, fold
from hrnet_tf.manifest import TaskManifest

OPSET = 18


def write_onnx(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write an ONNX file: normalised images `image`, any number of them."""
    import tf2onnx

    image = tf.TensorSpec((None, *manifest.input.shape, 3), tf.float32, "image")
    graph = without_calls(constant_graph(fold(model), image))
    (given,), (answered,) = graph.inputs, graph.outputs
    with _environment("TF2ONNX_CATCH_ERRORS", "FALSE"):  # no copy before each change
        tf2onnx.convert.from_graph_def(
            graph.graph.as_graph_def(),
            name=model.name,
            input_names=[given.name],
            output_names=[answered.name],
            tensors_to_rename={
                given.name: "image",
                answered.name: manifest.output.name,
            },
            opset=OPSET,
            output_path=str(path),
        )
    return manifest


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
