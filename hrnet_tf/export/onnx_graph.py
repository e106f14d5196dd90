"""What is done to ONNX graphs between their conversion and the file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def set_axes(value: Any, layout: str, names: Mapping[str, str]) -> None:
    """Name the dimensions of any size of what a graph takes or gives.

    Args:
        value: an `onnx.ValueInfoProto`.
        layout: a letter for each dimension, such as `"NHWC"`.
        names: of the dimensions, by these letters.
    """
    for axis, letter in zip(value.type.tensor_type.shape.dim, layout, strict=True):
        if not axis.HasField("dim_value"):
            axis.dim_param = names[letter]


def keep_rank(graph: Any, output: Any, rank: int) -> None:
    """Give what a graph answers the dimensions that it has in TensorFlow.

    tf2onnx writes a transposition of one channel as a reshape, with a dimension of 1
    put before, and a squeeze. If it removed the identity after it in an earlier round,
    which depends on the order of hashed names, the squeeze is left hanging.

    Args:
        graph: an `onnx.GraphProto`; it is changed.
        output: one of its `onnx.ValueInfoProto`.
        rank: in TensorFlow.
    """
    from onnx import helper, numpy_helper

    dimensions = output.type.tensor_type.shape.dim
    more = len(dimensions) - rank
    if more <= 0:
        return
    lifted, axes = f"{output.name}_lifted", f"{output.name}_lifted_axes"
    for node in graph.node:
        _replace(node.input, [lifted if x == output.name else x for x in node.input])
        _replace(node.output, [lifted if x == output.name else x for x in node.output])
    squeeze = helper.make_node("Squeeze", [lifted, axes], [output.name], output.name)
    graph.node.append(squeeze)
    numbers = np.arange(more, dtype=np.int64)
    graph.initializer.append(numpy_helper.from_array(numbers, axes))
    _replace(dimensions, list(dimensions)[more:])


def keep_sides(output: Any, sides: Sequence[int | None]) -> None:
    """Write down what TensorFlow knows of the sides of what a graph answers.

    Args:
        output: an `onnx.ValueInfoProto`; it is changed.
        sides: of the tensor in TensorFlow; None: any.
    """
    axes = output.type.tensor_type.shape.dim
    for axis, side in zip(axes, sides, strict=True):
        if side is not None:
            axis.dim_value = side


def pad_explicitly(graph: Any, kernels: Mapping[str, np.ndarray]) -> None:
    """Say how much convolutions of stride 1 pad, where they only say "same".

    Onnxruntime refuses "same" for atrous convolutions; tf2onnx says it for images of
    any size.

    Args:
        graph: an `onnx.GraphProto`; it is changed.
        kernels: `(height, width, in, out)`, by the names of inputs.
    """
    from onnx import helper

    sources = {node.output[0]: node.input[0] for node in graph.node if node.input}
    for node in graph.node:
        settings = {x.name: helper.get_attribute_value(x) for x in node.attribute}
        same = settings.get("auto_pad", b"").startswith(b"SAME")
        if node.op_type != "Conv" or not same or max(settings["strides"]) > 1:
            continue
        name = node.input[1]
        while name not in kernels:  # of depthwise ones reshaped, too
            name = sources[name]
        sides = kernels[name].shape[:2]
        total = [
            rate * (side - 1)
            for rate, side in zip(settings["dilations"], sides, strict=True)
        ]
        before = [n // 2 for n in total]
        after = [n - n // 2 for n in total]
        if settings["auto_pad"] == b"SAME_LOWER":
            before, after = after, before
        kept = [x for x in node.attribute if x.name != "auto_pad"]
        pads = helper.make_attribute("pads", before + after)
        _replace(node.attribute, [*kept, pads])


def infer_shapes(model: Any) -> Any:
    """A model with the shapes of all its tensors written down.

    Raises:
        onnx.shape_inference.InferenceError: if they contradict each other.
    """
    import onnx

    return onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True, data_prop=True
    )


def put_in_weights(graph: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Put weights in the place of the inputs that stand for them.

    Transposes of these inputs are done here, so that none are left for a runtime.

    Args:
        graph: an `onnx.GraphProto`; it is changed.
        weights: float32, by the names of inputs.
    """
    from onnx import numpy_helper

    values: dict[str, np.ndarray] = {}
    kept = []
    for node in graph.node:
        if node.op_type == "Transpose" and node.input[0] in weights:
            (order,) = node.attribute
            values[node.output[0]] = weights[node.input[0]].transpose(order.ints)
        else:
            kept.append(node)
    read = {name for node in kept for name in node.input}
    values |= {name: weights[name] for name in weights.keys() & read}
    _replace(graph.node, kept)
    _replace(graph.input, [x for x in graph.input if x.name not in weights])
    _replace(graph.value_info, [x for x in graph.value_info if x.name not in values])
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in values.items()
    )


def _replace(repeated: Any, items: list[Any]) -> None:
    del repeated[:]
    repeated.extend(items)
