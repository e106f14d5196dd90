"""PyTorch's `.pth` files, without PyTorch and without running what they carry.

A `.pth` file is a pickle, a small program. The reader here knows the few calls that
rebuild tensors and containers and refuses every other one before it happens. Tensors
are views of the memory-mapped file: nothing is copied.
"""

import mmap
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn

import ml_dtypes
import numpy as np

from hrnet_tf.errors import InputError

# What the standard library and NumPy raise on damaged pickles and archives.
BROKEN = (
    *(zipfile.BadZipFile, pickle.UnpicklingError, struct.error, EOFError, MemoryError),
    *(ValueError, LookupError, TypeError, AttributeError, NotImplementedError),
)
ZIP = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

# NumPy's types by the names of PyTorch's storages.
STORAGES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie: a key, their type, and the first of them."""

    key: str
    dtype: np.dtype
    first: int


@dataclass(frozen=True)
class TensorView:
    """A tensor before its numbers are at hand; strides count numbers."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]


def read_pytorch(path: str | Path) -> Any:
    """Read a `.pth` file in either of the two formats that PyTorch has written.

    Args:
        path: the file; zip archives (since PyTorch 1.6) and the older plain format.

    Returns:
        What was saved: containers and numbers as they were, tensors as arrays of the
        same type (views of the mapped file, read-only; bfloat16 is that of
        `ml_dtypes`).

    Raises:
        InputError: if the file is truncated or something else, or if reading it would
            run code; the text names what it tried to call.
    """
    path = Path(path)
    with open(path, "rb") as file:
        content = np.frombuffer(_mapped(file), np.uint8)
        try:
            if content[:4].tobytes() == ZIP:
                return _read_archive(path, file, content)
            return _read_legacy(path, file, content)
        except InputError:
            raise
        except BROKEN as error:
            _refuse(path, f"it is truncated or broken ({error!r})")


def _mapped(file: BinaryIO) -> bytes | mmap.mmap:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:  # an empty file cannot be mapped
        return b""


def _read_archive(path: Path, file: BinaryIO, content: np.ndarray) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "data.pkl" not in names:
            _refuse(path, "it is a zip archive without data.pkl")
        order: Literal["<", ">"] = "<"
        if "byteorder" in names and archive.read(names["byteorder"]) == b"big":
            order = ">"
        with archive.open(names["data.pkl"]) as program:
            saved = TensorUnpickler(program, path).load()

        def numbers(storage: Storage) -> np.ndarray:
            entry = archive.getinfo(names[f"data/{storage.key}"])
            if entry.compress_type != zipfile.ZIP_STORED:
                raw = np.frombuffer(archive.read(entry), np.uint8)
            else:
                raw = _stored(entry, content)
            return raw.view(_ordered(storage.dtype, order))

        return _resolve(saved, numbers, {})


def _stored(entry: zipfile.ZipInfo, content: np.ndarray) -> np.ndarray:
    """The bytes of an uncompressed entry, where they lie in the file."""
    header = entry.header_offset
    name, extra = struct.unpack_from("<HH", content.data, header + 26)
    start = header + 30 + name + extra
    raw = content[start : start + entry.file_size]
    if len(raw) < entry.file_size:
        raise EOFError(f"{entry.filename} ends early")
    return raw


def _read_legacy(path: Path, file: BinaryIO, content: np.ndarray) -> Any:
    if TensorUnpickler(file, path).load() != LEGACY_MAGIC:
        _refuse(path, "it does not begin as a PyTorch file does")
    if TensorUnpickler(file, path).load() != LEGACY_PROTOCOL:
        _refuse(path, "it has an unknown version of PyTorch's old format")
    system = TensorUnpickler(file, path).load()
    program = TensorUnpickler(file, path)
    saved = program.load()
    order: Literal["<", ">"] = "<" if system["little_endian"] else ">"
    keys = TensorUnpickler(file, path).load()
    position, storages = file.tell(), {}
    for key in keys:
        dtype = _ordered(program.storages[key], order)
        start = position + 8
        (count,) = struct.unpack("<q", content[position:start].tobytes())
        position = start + count * dtype.itemsize
        if not start <= position <= len(content):
            raise EOFError("the numbers end early")
        storages[key] = content[start:position].view(dtype)
    return _resolve(saved, lambda storage: storages[storage.key], {})


class TensorUnpickler(pickle.Unpickler):
    """Unpickles containers, numbers and descriptions of tensors, and nothing else.

    Args:
        file: where the pickle begins.
        path: names the file in errors.

    Attributes:
        storages: type of every storage by its key, once loaded.
    """

    def __init__(self, file: Any, path: Path):
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.storages: dict[str, np.dtype] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may call, by the name it calls it by."""
        found = CALLS.get(f"{module}.{name}")
        if found is None:
            raise InputError(
                f"{self.path} is refused: reading it would call {module}.{name}, and "
                "only tensors and plain values are read. Save its state_dict() with "
                "torch.save, or as .safetensors."
            )
        return found

    def persistent_load(self, saved_id: Any) -> Storage:
        """A storage, which a pickle names by its type, key and length."""
        kind, dtype, key, _, _, *view = saved_id
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise ValueError(f"unknown reference {saved_id}")
        self.storages[key] = dtype
        first = view[0][1] if view and view[0] else 0
        return Storage(key, dtype, first)


def _ordered(dtype: np.dtype, order: Literal["<", ">"]) -> np.dtype:
    return dtype.newbyteorder(order)


def _tensor(storage: Any, offset: int, size: Any, strides: Any, *_: Any) -> TensorView:
    if not isinstance(storage, Storage):
        raise ValueError(f"a tensor on {storage!r}")
    return TensorView(storage, offset, tuple(size), tuple(strides))


def _parameter(tensor: TensorView, *_: Any) -> TensorView:
    return tensor


def _scalar(dtype: np.dtype, raw: bytes) -> Any:
    if dtype.hasobject:
        raise ValueError("an object in place of a number")
    return np.frombuffer(raw, dtype)[0]


def _encode(text: str, _: str) -> bytes:
    return text.encode("latin1")


# All that a pickle may call: what PyTorch and NumPy write for tensors and numbers.
CALLS: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": tuple,
    "_codecs.encode": _encode,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    **{f"torch.{name}": dtype for name, dtype in STORAGES.items()},
}


def _resolve(saved: Any, numbers: Any, found: dict) -> Any:
    """Containers with every description of a tensor replaced by an array."""
    if isinstance(saved, TensorView):
        key = saved.storage.key
        if key not in found:
            found[key] = numbers(saved.storage)
        return _view(found[key], saved)
    if isinstance(saved, dict):
        return {key: _resolve(value, numbers, found) for key, value in saved.items()}
    if isinstance(saved, (list, tuple)):
        return type(saved)(_resolve(value, numbers, found) for value in saved)
    return saved


def _view(values: np.ndarray, tensor: TensorView) -> np.ndarray:
    first = tensor.storage.first + tensor.offset
    reach = sum(
        (n - 1) * step for n, step in zip(tensor.size, tensor.strides, strict=True)
    )
    empty = 0 in tensor.size
    if min((first, *tensor.size, *tensor.strides)) < 0:
        raise ValueError("a tensor with a negative size or stride")
    if not empty and first + reach >= len(values):
        raise EOFError("a tensor reaches beyond its numbers")
    itemsize = values.dtype.itemsize
    return np.ndarray(  # a view, at a fifth of what `as_strided` costs
        tensor.size,
        values.dtype,
        values,
        0 if empty else first * itemsize,
        [step * itemsize for step in tensor.strides],
    )


def _refuse(path: Path, reason: str) -> NoReturn:
    raise InputError(
        f"{path} cannot be read as a PyTorch checkpoint: {reason}; get the file again, "
        "or give a .pth, .safetensors or .npz file of tensors."
    )
