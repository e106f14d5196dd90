"""Arrays by name in files, NumPy's `.npz`: written whole, read with checks."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import writing

# What reading a damaged file may raise, somewhere in zip, zlib and NumPy's headers.
DAMAGES = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
    RuntimeError,  # the zip says that it is encrypted, or packed in an unknown way
    SyntaxError,
    RecursionError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def write_arrays(
    path: str | Path, arrays: Mapping[str, np.ndarray], compressed: bool = False
) -> None:
    """Write arrays by name, whole or not at all."""
    packing = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    # Not `np.savez`, which leaves the archive open where the disk is full.
    with writing(path) as partial, zipfile.ZipFile(partial, "w", packing) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(
                    file, np.asanyarray(array), allow_pickle=False
                )


def read_arrays(
    path: str | Path, names: Sequence[str] = (), advice: str = "make it again"
) -> dict[str, np.ndarray]:
    """Read all arrays of a file.

    Args:
        path: what `write_arrays` has written.
        names: that must be there.
        advice: what to do if the file is no good, for the error.

    Raises:
        InputError: if it is missing, damaged, or lacks an array.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}; {advice}.")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except PermissionError:
        raise
    except (*DAMAGES, AttributeError) as error:  # a bare array has no `files`
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is damaged ({reason[:200]}); {advice}.") from None
    if missing := [name for name in names if name not in arrays]:
        raise InputError(f"{path} holds no array {missing[0]!r}; {advice}.")
    return arrays
