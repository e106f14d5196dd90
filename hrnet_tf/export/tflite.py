"""Networks to TFLite files, for LiteRT on phones and small computers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.export.options import Options
from hrnet_tf.fold import StandIns, constant_graph, fold
from hrnet_tf.manifest import TaskManifest


def write_tflite(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a TFLite file: one normalised image, built-in operations."""
    image = tf.TensorSpec((1, *manifest.input.size, 3), tf.float32, "image")
    stand_ins = StandIns()
    graph = constant_graph(fold(model, stand_ins.constant), image)
    definition = graph.graph.as_graph_def()
    stand_ins.fill_in(definition)
    # TensorFlow 1's converter takes the graph as it is; the newer one would save and
    # load it first, which takes twice as long.
    converter = tf.compat.v1.lite.TFLiteConverter(
        definition, graph.inputs, graph.outputs
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.exclude_conversion_metadata = True  # writing it takes a second
    Path(path).write_bytes(_with_signature(converter.convert(), manifest.output.name))
    return replace(manifest, input=replace(manifest.input, any_size=False))


def _with_signature(content: bytes, output: str) -> bytes:
    """A TFLite file with names for what it takes, `image`, and gives."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated

    model = schema_py_generated.ModelT.InitFromPackedBuf(content)

    def named(name: str, index: int) -> Any:
        tensor = schema_py_generated.TensorMapT()
        tensor.name, tensor.tensorIndex = name, int(index)
        return tensor

    (graph,) = model.subgraphs
    signature = schema_py_generated.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs = [named("image", graph.inputs[0])]
    signature.outputs = [named(output, graph.outputs[0])]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
