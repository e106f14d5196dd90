"""Networks to ONNX files."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.compat import without_calls
from hrnet_tf.common.environment import environment
from hrnet_tf.export.onnx_graph import (
    infer_shapes,
    keep_rank,
    keep_sides,
    pad_explicitly,
    put_in_weights,
    set_axes,
)
from hrnet_tf.export.onnx_rules import CHANNELS_FIRST_RULES
from hrnet_tf.export.onnx_shapes import simplify_shapes
from hrnet_tf.export.options import Options
from hrnet_tf.export.signatures import divided, outputs_of
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.networks.regions import STANDS_FOR, to_roi_align
from hrnet_tf.networks.stand_ins import StandIns
from hrnet_tf.tasks.base.manifest import TaskManifest

# From 18 on tf2onnx does not move transposes past the mean of a classifier's maps.
OPSET = 17

# What the dimensions of any size are called, by the letters of a layout.
INPUT_AXES = {"N": "n", "H": "height", "W": "width"}
OUTPUT_AXES = {"N": "n", "H": "rows", "W": "columns"}


def write_onnx(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write an ONNX file: normalised images `image`, any number of them."""
    manifest = with_layout(manifest, options.layout)
    save(converted(model, manifest, options), manifest, path)
    return manifest


def save(model: Any, manifest: TaskManifest, path: str | Path) -> None:
    """Write an `onnx.ModelProto` with its facts: `manifest`, JSON, in its metadata.

    Raises:
        onnx.checker.ValidationError: if it is no valid model.
    """
    import onnx

    onnx.helper.set_model_props(model, {"manifest": manifest.as_json()})
    onnx.save(model, str(path))
    onnx.checker.check_model(str(path), full_check=True)


def converted(model: keras.Model, manifest: TaskManifest, options: Options) -> Any:
    """A network as an `onnx.ModelProto` of its own, converted once an export."""
    import onnx

    if "onnx" not in options.shared:
        options.shared["onnx"] = to_onnx(model, manifest).SerializeToString()
    return onnx.load_from_string(options.shared["onnx"])


def to_onnx(model: keras.Model, manifest: TaskManifest) -> Any:
    """A network as an `onnx.ModelProto`, in the layout that the manifest says."""
    import tf2onnx

    shape = (manifest.input.at_once, *manifest.input.shape, 3)
    image = tf.TensorSpec(shape, tf.float32, "image")
    stand_ins = StandIns()
    parts, rules = divided(manifest), CHANNELS_FIRST_RULES
    folded = fold(model, stand_ins.constant, rules, "onnx", divided=parts)

    def answer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return outputs_of(folded(image), manifest)

    traced = constant_graph(answer, image)
    called = sorted(traced.structured_outputs)  # the order of flattened outputs
    graph = without_calls(traced)
    definition = graph.graph.as_graph_def()
    # tf2onnx copies all constants some thirty times; inputs weigh nothing.
    kernels = stand_ins.as_inputs(definition)
    (given,), answered = graph.inputs, graph.outputs
    names = {given.name: "image"}
    names |= {x.name: name for x, name in zip(answered, called, strict=True)}
    names |= {f"{name}:0": name for name in kernels}
    channels_first = manifest.input.layout == "NCHW"
    are_maps = channels_first and hasattr(manifest.output, "layout")
    maps = [x.name for x in answered if are_maps and x.shape.rank == 4]
    with environment("TF2ONNX_CATCH_ERRORS", "FALSE"):  # no copy before each change
        converted, _ = tf2onnx.convert.from_graph_def(
            definition,
            name=model.name,
            input_names=[given.name, *(f"{name}:0" for name in kernels)],
            output_names=[x.name for x in answered],
            tensors_to_rename=names,
            inputs_as_nchw=[given.name] if channels_first else None,
            outputs_as_nchw=maps or None,
            opset=OPSET,
            custom_op_handlers={STANDS_FOR: (to_roi_align, [])},
        )
    set_axes(converted.graph.input[0], manifest.input.layout, INPUT_AXES)
    for output, x in zip(converted.graph.output, answered, strict=True):
        rank = x.shape.rank
        keep_rank(converted.graph, output, rank)
        layout = manifest.input.layout if rank == 4 else "N" + "C" * (rank - 1)
        if not hasattr(manifest.output, "layout"):
            keep_sides(output, x.shape)
        set_axes(output, layout, OUTPUT_AXES)
    pad_explicitly(converted.graph, kernels)
    converted = infer_shapes(converted)
    simplify_shapes(converted.graph)
    converted = infer_shapes(converted)
    put_in_weights(converted.graph, kernels)
    return converted


def with_layout(manifest: TaskManifest, layout: str) -> TaskManifest:
    """The facts of the same network with its input, and maps it answers, laid out."""
    given = dataclasses.replace(manifest.input, layout=layout)
    if not hasattr(manifest.output, "layout"):  # it is no map
        return dataclasses.replace(manifest, input=given)
    output = dataclasses.replace(manifest.output, layout=layout)
    return dataclasses.replace(manifest, input=given, output=output)  # type: ignore
