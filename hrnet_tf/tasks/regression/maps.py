"""Images with a map each, that gives numbers for every pixel, such as a depth."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.reading import Reading
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.files import decode_values, read_values
from hrnet_tf.images.header import PALETTE, PHOTOMETRIC, SAMPLES, Header
from hrnet_tf.images.png import GREY, RGB, check_chunks, kind_of
from hrnet_tf.tasks.dense.pairs import (
    Layout,
    PairedImages,
    Part,
    check_root,
    expected_folders,
    find_pairs,
    open_pairs,
)
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.config import MapSection


@dataclass(frozen=True, eq=False)
class MappedImages(PairedImages):
    """Images and their maps, in files.

    Attributes:
        images: see `PairedImages`.
        targets: the maps.
        names: see `PairedImages`.
        channels: what the numbers in the maps mean.
    """

    channels: ChannelSet


def open_maps(section: MapSection, seed: int = 0) -> tuple[MappedImages, MappedImages]:
    """Open a data set of images with maps; nothing is decoded yet.

    Below `section.root` lie images of any format and maps in PNG, TIFF or NumPy's
    format, see `read_map`: `images/NAME.jpg` and `TARGETS/NAME.png`, TARGETS being
    `section.targets`, or both with `train/` and `val/` in between; without `val/` a
    share is held out.

    Args:
        section: the configuration's `data`.
        seed: of the choice whom to hold out; not negative.

    Returns:
        Training and validation images.

    Raises:
        InputError: if there is no such folder or sample, or samples are broken and the
            policy is to stop: a map or an image is missing or empty.

    Example:
        ```python
        section = MapSection(root="rooms", targets="depth", unit_size=0.001, missing=0)
        training, validation = open_maps(section)
        ```
    """
    check_root(section, f"images and, in {section.targets}, their targets")

    def make(images, targets, names):
        return MappedImages(images, targets, names, section.channel_set)

    return open_pairs(section, partial(_paired_parts, section), make, "target", seed)


def read_map(path: str | Path, section: MapSection) -> np.ndarray:
    """Read a map file.

    Args:
        path: a PNG file of 8 or 16 bits, grey or RGB; a TIFF file of one or three
            channels, such as float32; both are turned by their EXIF tag unless
            `section.orientation` is `"stored"`. Or NumPy's `.npy`, `(height, width)` or
            `(height, width, channels)`.
        section: names the channels, what a stored number is multiplied by, and which
            one stands for nothing known.

    Returns:
        float32 `(height, width, channels)`, in the unit that `section.unit_size` makes;
        NaN where nothing is known.

    Raises:
        InputError: if the file is broken, has other channels, or holds infinite
            numbers.
    """
    raw = READERS[Path(path).suffix.lower()](path, section.reading)
    raw = raw[..., None] if raw.ndim == 2 else raw
    names = section.channels
    if raw.ndim != 3 or raw.shape[2] != len(names) or not raw.size:
        raise InputError(
            f"the target {path} has the shape {raw.shape}; it must be (height, width, "
            f"{len(names)}), as `data.channels` names {', '.join(names)}"
        )
    with np.errstate(over="ignore"):  # what is too large is infinite, and refused
        values = (raw.astype(np.float64) * section.unit_size).astype(np.float32)
    if section.missing is not None:
        values[raw == section.missing] = np.nan
    if np.isinf(values).any():
        row, column, channel = np.argwhere(np.isinf(values))[0]
        raise InputError(
            f"the target {path} holds {raw[row, column, channel]} in row {row}, column "
            f"{column}; where nothing is known it must hold NaN or the value of "
            "`data.missing`"
        )
    return values


def _read_png(path: str | Path, reading: Reading) -> np.ndarray:
    def values(encoded: bytes, header: Header) -> np.ndarray:
        check_chunks(encoded)
        bits, color = kind_of(encoded)
        if bits < 8 or color not in (GREY, RGB):
            raise InputError(
                "must be a PNG file of 8 or 16 bits, grey or RGB, with neither palette "
                f"nor opacity; it has {bits} bits and colour type {color}"
            )
        # Not IMREAD_UNCHANGED, which adds channels to a file that names a clear value.
        flags = cv2.IMREAD_GRAYSCALE if color == GREY else cv2.IMREAD_COLOR_RGB
        return decode_values(encoded, header, flags | cv2.IMREAD_ANYDEPTH)

    return read_values(path, "the target", ("PNG",), reading, values)


def _read_tiff(path: str | Path, reading: Reading) -> np.ndarray:
    def values(encoded: bytes, header: Header) -> np.ndarray:
        samples, colors = header.number(SAMPLES), header.number(PHOTOMETRIC)
        if samples > 4 or colors == PALETTE:
            raise InputError(
                "must be a TIFF file of one or three numbers a pixel, without a palette"
            )
        raw = decode_values(encoded, header, cv2.IMREAD_UNCHANGED)
        return raw[..., ::-1] if raw.ndim == 3 and raw.shape[2] == 3 else raw

    return read_values(path, "the target", ("TIFF",), reading, values)


def _read_npy(path: str | Path, reading: Reading) -> np.ndarray:
    try:  # nothing is read yet but what is in it
        raw = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"the target {path} cannot be read: {error}") from None
    if not isinstance(raw, np.ndarray) or raw.dtype.kind not in "buif":
        raise InputError(f"the target {path} must hold one array of numbers")
    if math.prod(raw.shape[:2]) > reading.pixel_limit:
        raise InputError(
            f"the target {path} has the shape {raw.shape}; up to {reading.pixel_limit} "
            "pixels are read (pixel_limit)"
        )
    return raw


READERS: dict[str, Callable[[str | Path, Reading], np.ndarray]] = {
    ".png": _read_png,
    ".npy": _read_npy,
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
}


def _paired_parts(section: MapSection, problems: Problems) -> list[Part]:
    folder, ends = section.targets, tuple(READERS)
    layouts = (
        Layout("images/{}", f"{folder}/{{}}", target_ends=ends, alone=True),
        Layout("images", folder, parts=("",), target_ends=ends),
    )
    parts = find_pairs(Path(section.root), layouts, "target", problems)
    if parts is None:
        raise InputError(
            f"{section.root} must hold the folders {expected_folders(layouts)}; see "
            "`data.root`."
        )
    return parts
