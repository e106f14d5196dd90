"""Sizes in ONNX graphs for images of any size, computed in as few steps as can be.

TensorFlow computes sizes in int32 and with channels last; translated, each takes some
six casts, slices and gathers. Here every size is traced to the dimensions that it is
made of, and read from them again.
"""

from itertools import groupby
from typing import Any

import numpy as np

# A known number, or the dimension of a tensor: its name and the axis.
Side = int | tuple[str, int]

# Which input of these operations is a shape.
SHAPE_INPUTS = {"Resize": 3, "Reshape": 1}


def simplify_shapes(graph: Any) -> None:
    """Read the shapes that operations ask for straight from the tensors they are of.

    Args:
        graph: an `onnx.GraphProto` with `value_info` of all tensors; it is changed.
    """
    from onnx import helper

    if any(x.HasField("g") for node in graph.node for x in node.attribute):
        return  # what nested graphs read is not looked at here
    sides = _traced(graph)
    written: dict[str, Any] = {}  # new nodes by the name of what they give
    constants: dict[str, np.ndarray] = {}

    def constant(numbers: list[int]) -> str:
        name = "sides_" + "_".join(map(str, numbers))
        constants[name] = np.array(numbers, np.int64)
        return name

    def read(run: list[tuple[str, int]]) -> str:
        (tensor, start), end = run[0], run[-1][1] + 1
        name = f"{tensor}_sides_{start}_{end}"
        written[name] = helper.make_node(
            "Shape", [tensor], [name], name, start=start, end=end
        )
        return name

    nodes = []
    for node in graph.node:
        place = SHAPE_INPUTS.get(node.op_type, len(node.input))
        wanted = sides.get(node.input[place]) if place < len(node.input) else None
        if wanted is not None:
            before = len(written)
            if node.op_type == "Reshape":
                wanted = _copied(wanted, node.input[0])
            parts = [
                constant(run) if isinstance(run[0], int) else read(run)  # type: ignore
                for run in _runs(wanted)
            ]
            if len(parts) > 1:
                name = f"{node.output[0]}_sides"
                written[name] = helper.make_node("Concat", parts, [name], name, axis=0)
                parts = [name]
            node.input[place] = parts[0]
            nodes += list(written.values())[before:]
        nodes.append(node)
    _keep_what_is_read(graph, nodes, constants)


def _traced(graph: Any) -> dict[str, list[Side]]:
    """What each vector of sizes is made of, by its name."""
    from onnx import numpy_helper

    constants = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    sides: dict[str, list[Side]] = {
        name: value.tolist()
        for name, value in constants.items()
        if value.dtype in (np.int32, np.int64) and value.ndim == 1
    }
    for node in graph.node:
        given = [sides.get(name) for name in node.input]
        numbers = [constants.get(name) for name in node.input]
        found: Any = None
        if node.op_type == "Shape" and not node.attribute:
            source = node.input[0]
            found = [(source, axis) for axis in range(ranks[source])]
        elif not given or given[0] is None:
            continue
        elif node.op_type in ("Cast", "Identity"):
            found = given[0]
        elif node.op_type == "Gather" and numbers[1] is not None:
            found = [given[0][int(i)] for i in numbers[1].ravel()]
        elif node.op_type == "Slice" and all(x is not None for x in numbers[1:]):
            start, end = (int(x[0]) for x in numbers[1:3])  # type: ignore[index]
            found = given[0][start:end] if len(numbers) < 5 else None
        elif node.op_type == "Concat" and all(part is not None for part in given):
            found = [side for part in given for side in part or ()]
        if found is not None:
            sides[node.output[0]] = found
    return sides


def _copied(wanted: list[Side], source: str) -> list[Side]:
    """A shape to reshape to, with 0 for what stays where it is in the source."""
    return [0 if side == (source, axis) else side for axis, side in enumerate(wanted)]


def _runs(wanted: list[Side]) -> list[list[Side]]:
    """Neighbours that are numbers, or dimensions of one tensor in their order."""
    keys = [
        None if isinstance(side, int) else (side[0], side[1] - place)
        for place, side in enumerate(wanted)
    ]
    grouped = groupby(zip(keys, wanted, strict=True), key=lambda pair: pair[0])
    return [[side for _, side in group] for _, group in grouped]


def _keep_what_is_read(
    graph: Any, nodes: list[Any], constants: dict[str, np.ndarray]
) -> None:
    """Give a graph these nodes and constants, without those that nothing reads."""
    from onnx import numpy_helper

    read = {value.name for value in graph.output}
    kept = []
    for node in reversed(nodes):
        if read.intersection(node.output):
            read.update(node.input)
            kept.append(node)
    fresh = [
        numpy_helper.from_array(value, name)
        for name, value in constants.items()
        if name in read
    ]
    initializers = [x for x in graph.initializer if x.name in read]
    values = [x for x in graph.value_info if x.name in read]
    for repeated, items in (
        (graph.node, kept[::-1]),
        (graph.initializer, [*initializers, *fresh]),
        (graph.value_info, values),
    ):
        del repeated[:]
        repeated.extend(items)
