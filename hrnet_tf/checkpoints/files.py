"""Checkpoint files of any kind to tensors by name."""

import io
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.archives import START as ZIP
from hrnet_tf.checkpoints.archives import Archive
from hrnet_tf.checkpoints.pytorch import mapped, read_pytorch
from hrnet_tf.checkpoints.states import Tensors, find_tensors
from hrnet_tf.common.errors import InputError

START = 1024  # bytes, enough for the name of an archive's first entry
NPY_HEADER = 1 << 14  # bytes that the head of an array may take

# Numbers in safetensors files.
TYPES = {
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    "BOOL": np.dtype(np.bool_),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
}


def read_checkpoint(path: str | Path) -> Tensors:
    """Read the tensors of a checkpoint, whatever kind of file it is.

    Args:
        path: `.pth` in either of PyTorch's formats, `.safetensors` or `.npz`, told
            apart by content.

    Returns:
        Arrays by name, in PyTorch's layout: read-only views of the file, unless it is
        compressed. A wrapper such as `state_dict` is taken off; averaged weights
        (`state_dict_ema`) come before others; `hrnet_tf.checkpoints.states` has the
        whole rule. What is no tensor is left out.

    Raises:
        InputError: if there is no such file, it is broken (numbers in zip archives are
            compared with their checksums), holds no tensors, wants more memory than
            `hrnet_tf.checkpoints.limits` allow, or carries code that would do harm.

    Example:
        ```python
        tensors = read_checkpoint("hrnetv2_w18_imagenet_pretrained.pth")
        tensors["conv1.weight"].shape  # (64, 3, 3, 3)
        ```
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}.")
    with open(path, "rb") as file:
        start = file.read(START)
    kind, read = _reader(start)
    try:
        return read(path)
    except InputError:
        raise
    except limits.BROKEN as error:
        limits.refuse(path, kind, limits.broken(error))


def _reader(start: bytes) -> tuple[str, Callable[[Path], Tensors]]:
    if start[8:9] == b"{":
        return "safetensors", _read_safetensors
    if _is_npz(start):
        return ".npz", _read_npz
    return "a PyTorch checkpoint", lambda path: find_tensors(read_pytorch(path), path)


def _is_npz(start: bytes) -> bool:
    """Whether a file is a zip archive whose first entry is one of NumPy's arrays."""
    if start[:4] != ZIP or len(start) < 30:
        return False
    (length,) = struct.unpack_from("<H", start, 26)
    return start[30 : 30 + length].endswith(b".npy")


def _read_npz(path: Path) -> Tensors:
    with open(path, "rb") as file:
        archive = Archive(mapped(file))
    arrays = {
        name.removesuffix(".npy"): _array(archive.read(name))
        for name in archive.entries
        if name.endswith(".npy")
    }
    return find_tensors(arrays, path)


def _array(raw: memoryview) -> np.ndarray:
    """An array in NumPy's file format, a view of its bytes."""
    head = io.BytesIO(raw[:NPY_HEADER])
    version = np.lib.format.read_magic(head)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"an array in version {version} of NumPy's format")
    shape, by_columns, dtype = readers[version](head)
    if dtype.hasobject:
        raise ValueError("an array of pickled objects")
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError("an array whose shape is no whole numbers")
    numbers = raw[head.tell() :]
    if math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"an array of shape {shape} on {len(numbers)} bytes")
    order: Any = "F" if by_columns else "C"
    return np.ndarray(shape, dtype, numbers, order=order)


def _read_safetensors(path: Path) -> Tensors:
    with open(path, "rb") as file:
        content = mapped(file)
    (length,) = struct.unpack_from("<Q", content)
    if length > limits.HEADER:
        raise ValueError(
            f"its header says that it has {length:,} bytes, {limits.HEADER:,} are the "
            "most"
        )
    _require_valid(path)
    numbers = content[8 + length :]
    tensors: Tensors = {}
    for name, facts in json.loads(bytes(content[8 : 8 + length])).items():
        if name == "__metadata__":
            continue
        if facts["dtype"] not in TYPES:
            raise ValueError(f"numbers of the type {limits.brief(facts['dtype'])}")
        first, end = facts["data_offsets"]
        tensors[name] = np.ndarray(
            facts["shape"], TYPES[facts["dtype"]], numbers[first:end]
        )
    return find_tensors(tensors, path)


def _require_valid(path: Path) -> None:
    """Have the format's own library look at header, offsets and sizes."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            return
    except SafetensorError as error:
        raise ValueError(str(error)) from None
