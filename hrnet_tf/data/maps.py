"""Images with a map each, that gives numbers for every pixel, such as a depth."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hrnet_tf.channels import ChannelSet
from hrnet_tf.config.regression import MapSection
from hrnet_tf.data.pairs import (
    Layout,
    PairedImages,
    Pairs,
    check_root,
    expected_folders,
    find_pairs,
    open_pairs,
)
from hrnet_tf.data.problems import Problems
from hrnet_tf.errors import InputError
from hrnet_tf.indexed_png import GREY, RGB, header_of
from hrnet_tf.opencv import cv2


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
            channels, such as float32; or NumPy's `.npy`, `(height, width)` or `(height,
            width, channels)`.
        section: names the channels, what a stored number is multiplied by, and which
            one stands for nothing known.

    Returns:
        float32 `(height, width, channels)`, in the unit that `section.unit_size` makes;
        NaN where nothing is known.

    Raises:
        InputError: if the file is broken, has other channels, or holds infinite
            numbers.
    """
    raw = READERS[Path(path).suffix.lower()](path)
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


def _read_png(path: str | Path) -> np.ndarray:
    encoded = Path(path).read_bytes()
    header = header_of(encoded)
    if header is None:
        raise InputError(f"the target {path} is broken, empty or no PNG file")
    bits, color = header
    if bits < 8 or color not in (GREY, RGB):
        raise InputError(
            f"the target {path} must be a PNG file of 8 or 16 bits, grey or RGB, with "
            f"neither palette nor opacity; it has {bits} bits and colour type {color}"
        )
    # Not IMREAD_UNCHANGED, which adds channels to a file that names a clear value.
    flags = cv2.IMREAD_GRAYSCALE if color == GREY else cv2.IMREAD_COLOR_RGB
    flags |= cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    return _decoded(path, encoded, flags)


def _read_tiff(path: str | Path) -> np.ndarray:
    raw = _decoded(path, Path(path).read_bytes(), cv2.IMREAD_UNCHANGED)
    return raw[..., ::-1] if raw.ndim == 3 and raw.shape[2] == 3 else raw


def _decoded(path: str | Path, encoded: bytes, flags: int) -> np.ndarray:
    raw = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags) if encoded else None
    if raw is None:
        raise InputError(f"the target {path} cannot be decoded: it is broken or empty")
    return raw


def _read_npy(path: str | Path) -> np.ndarray:
    try:
        raw = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"the target {path} cannot be read: {error}") from None
    if not isinstance(raw, np.ndarray) or raw.dtype.kind not in "buif":
        raise InputError(f"the target {path} must hold one array of numbers")
    return raw


READERS: dict[str, Callable[[str | Path], np.ndarray]] = {
    ".png": _read_png,
    ".npy": _read_npy,
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
}


def _paired_parts(section: MapSection, problems: Problems) -> list[Pairs]:
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
