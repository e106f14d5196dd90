"""Checkpoint files of any kind to tensors by name."""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.checkpoints.pytorch import ZIP, read_pytorch
from hrnet_tf.errors import InputError

Tensors = dict[str, np.ndarray]

START = 1024  # bytes, enough for the name of an archive's first entry

# Where training programs put the tensors; the first that is there counts.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "net", "params")


def read_checkpoint(path: str | Path) -> Tensors:
    """Read the tensors of a checkpoint, whatever kind of file it is.

    Args:
        path: `.pth` in either of PyTorch's formats, `.safetensors` or `.npz`, told
            apart by content.

    Returns:
        Arrays by name, in PyTorch's layout. A wrapper such as `state_dict` is taken
        off; averaged weights (`state_dict_ema`) come before others.

    Raises:
        InputError: if there is no such file, it is broken, holds no tensors, or would
            run code when read.

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
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if _is_npz(start):
        return _read_npz(path)
    return find_tensors(read_pytorch(path), path)


def find_tensors(saved: Any, path: Path) -> Tensors:
    """The tensors in what a checkpoint holds, by name; everything else is left out.

    Raises:
        InputError: if there are none.
    """
    seen = []
    while isinstance(saved, Mapping):
        tensors = {
            str(name): value
            for name, value in saved.items()
            if isinstance(value, np.ndarray)
        }
        if tensors:
            return tensors
        seen.append(", ".join(map(str, saved)) or "nothing")
        inner = [saved[name] for name in WRAPPERS if name in saved]
        saved = next((value for value in inner if isinstance(value, Mapping)), None)
    found = " and in it ".join(seen) or saved
    raise InputError(
        f"{path} holds no tensors by name: found {found!r}, expected them bare or "
        f"under {', '.join(WRAPPERS)}."
    )


def _is_npz(start: bytes) -> bool:
    """Whether a file is a zip archive whose first entry is one of NumPy's arrays."""
    if start[:4] != ZIP or len(start) < 30:
        return False
    (length,) = struct.unpack_from("<H", start, 26)
    return start[30 : 30 + length].endswith(b".npy")


def _read_npz(path: Path) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as saved:
            return dict(saved)
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise InputError(f"{path} cannot be read as .npz: {error}.") from None


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}.") from None
