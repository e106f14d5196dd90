"""TFLite files as FlatBuffers: names, facts inside the file, ranges of integers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from hrnet_tf.tasks.base.manifest import Quantisation

SIGNATURE = "serving_default"
TYPES = {
    schema.TensorType.FLOAT32: "float32",
    schema.TensorType.INT8: "int8",
    schema.TensorType.INT16: "int16",
    schema.TensorType.UINT8: "uint8",
}


def unpack(content: bytes) -> Any:
    """A TFLite file as objects that can be changed."""
    # As an array, since parts of plain bytes would be packed again one by one.
    return flatbuffer_utils.read_model_from_bytearray(np.frombuffer(content, np.uint8))


def pack(model: Any) -> bytes:
    """The content of a TFLite file."""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def name_tensors(model: Any, taken: Sequence[str], given: Sequence[str]) -> None:
    """Give a file a signature: names for what it takes and gives, in their order."""
    graph = model.subgraphs[0]  # others are parts of loops
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = _named(taken, graph.inputs)
    signature.outputs = _named(given, graph.outputs)
    model.signatureDefs = [signature]


def tell_tensors_apart(model: Any) -> None:
    """Give tensors other names where two have one, which no quantizer takes.

    Parts of loops have such: converters call what each of them is given alike.
    """
    taken = set()
    for part, graph in enumerate(model.subgraphs):
        for index, tensor in enumerate(graph.tensors):
            name = tensor.name
            name = name if isinstance(name, str) else name.decode()
            if name in taken:
                name = f"{name}/part_{part}/{index}"
                tensor.name = name
            taken.add(name)


def _named(names: Sequence[str], indices: Sequence[int]) -> list[Any]:
    maps = []
    for name, index in zip(names, indices, strict=True):
        tensor = schema.TensorMapT()
        tensor.name, tensor.tensorIndex = name, int(index)
        maps.append(tensor)
    return maps


def tensor_facts(model: Any, name: str) -> tuple[str, Quantisation | None] | None:
    """A named input's or output's type, and what its integers mean.

    Returns:
        None if the file has no such tensor.
    """
    graph, (signature,) = model.subgraphs[0], model.signatureDefs
    for entry in (*signature.inputs, *signature.outputs):
        if entry.name in (name, name.encode()):
            tensor = graph.tensors[entry.tensorIndex]
            return TYPES[tensor.type], _quantisation(tensor.quantization)
    return None


def _quantisation(found: Any) -> Quantisation | None:
    if found is None or found.scale is None or not len(found.scale):
        return None
    return Quantisation(float(found.scale[0]), int(found.zeroPoint[0]))


def output_names(model: Any) -> list[str]:
    """What a file gives, in its order."""
    (signature,) = model.signatureDefs
    names = (entry.name for entry in signature.outputs)
    return [name if isinstance(name, str) else name.decode() for name in names]


def add_metadata(model: Any, name: str, content: bytes) -> None:
    """Put something into a file, under a name in its list of metadata."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(content, np.uint8)
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]


def read_metadata(content: bytes, name: str) -> bytes | None:
    """What `add_metadata` has put into a file; None: there is nothing.

    Example:
        ```python
        json.loads(read_metadata(Path("model.tflite").read_bytes(), "manifest"))
        ```
    """
    model = schema.Model.GetRootAsModel(content)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == name.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    return None
