"""PyTorch's `.pth` files, without PyTorch and without running what they carry.

A `.pth` file is a pickle, a small program. `programs` reads it as data; here are the
few calls that rebuild tensors. Tensors are views of the memory-mapped file: nothing is
copied, and only what is asked for is looked at and compared with its checksum.
"""

import math
import mmap
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import ml_dtypes
import numpy as np

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.archives import START as ZIP
from hrnet_tf.checkpoints.archives import Archive
from hrnet_tf.checkpoints.machine import Inert, Machine, Name
from hrnet_tf.checkpoints.programs import (
    MOST_ARGUMENTS,
    ForbiddenError,
    dictionary,
    run,
)
from hrnet_tf.common.errors import InputError

KIND = "a PyTorch checkpoint"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MOST_AXES = 32  # that every NumPy has
BYTES = np.dtype(np.uint8)

# NumPy's types by the names of PyTorch's storages; one without a type is of bytes, and
# its tensors say what they are.
STORAGES = {
    "torch.DoubleStorage": np.dtype(np.float64),
    "torch.FloatStorage": np.dtype(np.float32),
    "torch.HalfStorage": np.dtype(np.float16),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.ComplexDoubleStorage": np.dtype(np.complex128),
    "torch.ComplexFloatStorage": np.dtype(np.complex64),
    "torch.LongStorage": np.dtype(np.int64),
    "torch.IntStorage": np.dtype(np.int32),
    "torch.ShortStorage": np.dtype(np.int16),
    "torch.CharStorage": np.dtype(np.int8),
    "torch.ByteStorage": BYTES,
    "torch.BoolStorage": np.dtype(np.bool_),
    "torch.storage.UntypedStorage": BYTES,
    "torch.UntypedStorage": BYTES,
}
# Types that only tensors on bytes have.
TYPES = {
    **{f"torch.uint{bits}": np.dtype(f"uint{bits}") for bits in (16, 32, 64)},
    "torch.float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "torch.float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
}

Order = Literal["<", ">"]


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a tensor's numbers lie: a key, their type, and the first of them."""

    key: str
    dtype: np.dtype
    first: int
    source: "Tensors"


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor before its numbers are looked at; strides count numbers.

    Attributes:
        storage: where they lie.
        offset: the first of them, in numbers.
        size: its shape.
        strides: in numbers.
        dtype: of the numbers.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype

    def array(self) -> np.ndarray:
        """The tensor as an array, a read-only view of the file.

        Raises:
            ValueError, EOFError, KeyError: if its numbers are damaged or not there.
        """
        values = self.storage.source.read(self.storage.key)
        if values.dtype != self.dtype:
            values = values.view(self.dtype)
        first = self.storage.first + self.offset
        steps = zip(self.size, self.strides, strict=True)
        reach = sum((count - 1) * step for count, step in steps)
        empty = 0 in self.size
        if not empty and first + reach >= len(values):
            raise EOFError("a tensor reaches beyond its numbers")
        if math.prod(self.size) > max(len(values), limits.REPEATED):
            raise ValueError(f"a tensor of shape {self.size} on {len(values)} numbers")
        itemsize = values.dtype.itemsize
        return np.ndarray(  # a view, at a fifth of what `as_strided` costs
            self.size,
            values.dtype,
            values,
            0 if empty else first * itemsize,
            [step * itemsize for step in self.strides],
        )


def read_pytorch(path: str | Path) -> Any:
    """Read a `.pth` file in either of the two formats that PyTorch has written.

    Args:
        path: the file; zip archives (since PyTorch 1.6) and the older plain format.

    Returns:
        What was saved: containers, texts and numbers as they were; tensors as
        `TensorView`, whose `array()` is a view of the mapped file (bfloat16 is that of
        `ml_dtypes`); every other object as an `Inert`, which names its class.

    Raises:
        InputError: if the file is truncated or something else, or if it carries code
            that would do harm; the text names what that would call.
    """
    path = Path(path)
    with open(path, "rb") as file:
        content = mapped(file)
        try:
            if content[:4] == ZIP:
                return _read_archive(path, content)
            return _read_legacy(path, content)
        except InputError:
            raise
        except ForbiddenError as error:
            raise InputError(
                f"{path} is refused: reading it would call {error}, and only tensors "
                "and plain values are read. Save its state_dict() with torch.save, or "
                "as .safetensors."
            ) from None
        except limits.BROKEN as error:
            limits.refuse(path, KIND, limits.broken(error))


def mapped(file: BinaryIO) -> memoryview:
    """The bytes of an open file, which are read when they are looked at."""
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:  # an empty file cannot be mapped
        return memoryview(b"")


def _read_archive(path: Path, content: memoryview) -> Any:
    archive = Archive(content)
    found = [n for n in archive.entries if n.rpartition("/")[2] == "data.pkl"]
    if len(found) != 1:
        limits.refuse(path, KIND, f"it is a zip archive with {len(found)} data.pkl")
    folder = found[0].removesuffix("data.pkl")
    order: Order = "<"
    stated = archive.entries.get(f"{folder}byteorder")
    if stated and stated.file_size <= len("little"):
        order = ">" if archive.read(stated.filename) == b"big" else "<"
    elif stated:
        raise ValueError("its byteorder is longer than a word")
    numbers: dict[str, np.ndarray] = {}
    reader = Tensors(order)

    def read(key: str) -> np.ndarray:
        if key not in numbers:
            raw = archive.read(f"{folder}data/{key}")
            numbers[key] = np.frombuffer(raw, reader.types[key])
        return numbers[key]

    reader.read = read
    return run(Machine(archive.read(found[0]), 0, reader.calls, reader.refer))


def _read_legacy(path: Path, content: memoryview) -> Any:
    position = 0

    def next_one(reader: "Tensors") -> Any:
        nonlocal position
        machine = Machine(content, position, reader.calls, reader.refer)
        found = run(machine)
        position = machine.position
        return found

    plain = Tensors("<")
    if next_one(plain) != LEGACY_MAGIC:
        limits.refuse(path, KIND, "it does not begin as a PyTorch file does")
    if next_one(plain) != LEGACY_PROTOCOL:
        limits.refuse(path, KIND, "it has an unknown version of PyTorch's old format")
    system = next_one(plain)
    if not isinstance(system, dict):
        raise ValueError("it does not say how its numbers are stored")
    reader = Tensors("<" if system.get("little_endian", True) else ">")
    saved, keys = next_one(reader), next_one(plain)
    if not isinstance(keys, list):
        raise ValueError("it does not list its storages")
    numbers: dict[str, np.ndarray] = {}
    for key in keys:
        dtype = reader.types[key]
        start = position + 8
        (count,) = struct.unpack("<q", content[position:start])
        position = start + count * dtype.itemsize
        if not start <= position <= len(content):
            raise EOFError("the numbers end early")
        numbers[key] = np.frombuffer(content[start:position], dtype)
    reader.read = numbers.__getitem__
    return saved


class Tensors:
    """The calls in a pickle that describe tensors.

    Args:
        order: of the bytes in a number.

    Attributes:
        types: of every storage by its key, once the pickle has run.
        read: gives a storage's numbers by its key.
        calls: by the names that pickles call them by.
    """

    read: Callable[[str], np.ndarray]

    def __init__(self, order: Order):
        self.order: Order = order
        self.types: dict[str, np.dtype] = {}
        self.calls: dict[str, Callable[..., Any]] = {
            "torch._utils._rebuild_tensor": self.tensor,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_tensor_v3": self.typed_tensor,
            "torch._utils._rebuild_parameter": _first,
            "torch._utils._rebuild_parameter_with_state": _first,
            "torch._tensor._rebuild_from_type_v2": self.subclass,
            "torch.nn.parameter.Parameter": _first,
            "torch.Size": _size,
            **dict.fromkeys(DICTIONARIES, dictionary),
        }

    def refer(self, saved_id: Any) -> Any:
        """A storage, which a pickle names by its type, key and length."""
        if not isinstance(saved_id, tuple) or not 2 <= len(saved_id) <= MOST_ARGUMENTS:
            raise ValueError("an unknown reference")
        kind, name, *more = saved_id
        if kind == "module":  # the class of a whole network, before its source
            return name
        dtype = STORAGES.get(name.text) if isinstance(name, Name) else None
        if kind != "storage" or len(more) < 3 or not isinstance(more[0], str):
            raise ValueError("an unknown reference")
        if dtype is None:
            return Inert(name.text if isinstance(name, Name) else "a storage")
        key, view = more[0], more[3] if len(more) > 3 else None
        dtype = dtype.newbyteorder(self.order)
        if self.types.setdefault(key, dtype) != dtype:
            raise ValueError("a storage of two types")
        first = view[1] if isinstance(view, tuple) and len(view) > 1 else 0
        return Storage(key, dtype, _whole(first), self)

    def tensor(
        self, storage: Any, offset: Any, size: Any, strides: Any, *_: Any
    ) -> TensorView | Inert:
        """A strided tensor; one on a storage of unknown type is inert."""
        if isinstance(storage, Inert):
            return Inert("torch.Tensor")
        if not isinstance(storage, Storage):
            raise ValueError("a tensor on what is no storage")
        shape, steps = _size(size), _size(strides)
        if len(shape) != len(steps):
            raise ValueError(f"a tensor of {len(shape)} axes and {len(steps)} strides")
        return TensorView(storage, _whole(offset), shape, steps, storage.dtype)

    def typed_tensor(self, *arguments: Any) -> TensorView | Inert:
        """A tensor on a storage of bytes, which says its own type."""
        storage, offset, size, strides, _, _, dtype, *_ = arguments
        known = TYPES.get(dtype.text) if isinstance(dtype, Name) else None
        if known is None or isinstance(storage, Inert):
            return Inert("torch.Tensor")
        view = self.tensor(storage, offset, size, strides)
        if not isinstance(view, TensorView) or storage.dtype != BYTES:
            raise ValueError("a tensor with a type on a storage with another one")
        known = known.newbyteorder(self.order)
        return TensorView(storage, view.offset, view.size, view.strides, known)

    def subclass(self, function: Any, _: Any, arguments: Any, *__: Any) -> Any:
        """A tensor of another class, or with attributes, as the tensor that it is."""
        call = self.calls.get(function.text) if isinstance(function, Name) else None
        if call is None or call == self.subclass:
            return Inert("torch.Tensor")
        if not isinstance(arguments, tuple) or len(arguments) > MOST_ARGUMENTS:
            return Inert("torch.Tensor")
        return call(*arguments)


DICTIONARIES = (
    "collections.OrderedDict",
    "collections.defaultdict",
    "builtins.dict",
    "__builtin__.dict",
)


def _first(tensor: Any = None, *_: Any) -> Any:
    return Inert("torch.Tensor") if tensor is None else tensor


def _whole(number: Any) -> int:
    """A whole number that is not negative and fits 64 bits."""
    if not isinstance(number, int) or not 0 <= number <= sys.maxsize:
        raise ValueError("a tensor whose sizes are no whole numbers")
    return number


def _size(sizes: Any = ()) -> tuple[int, ...]:
    if not isinstance(sizes, (tuple, list)) or len(sizes) > MOST_AXES:
        raise ValueError("a tensor without a shape, or with too many axes")
    for size in sizes:
        _whole(size)
    return tuple(sizes)
