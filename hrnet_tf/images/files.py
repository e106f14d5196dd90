"""Image files to pixels: one decoder for training, judging, checks and prediction.

An image is uint8 RGB. Grey becomes three equal colours, opacity is dropped, of 16 bits
the upper 8 are kept, and of several pictures the first one counts. It lies as a viewer
shows it, turned by its EXIF tag, unless it is to be taken as stored.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.reading import PIXEL_LIMIT, UPRIGHT, Orientation, Reading
from hrnet_tf.images.header import (
    BITS,
    NO_IMAGE,
    SAMPLE_FORMAT,
    SAMPLES,
    TURN,
    WHOLE,
    Header,
    read_header,
)
from hrnet_tf.images.png import check_chunks

# What OpenCV, Pillow and TensorFlow's kernels also decode JPEG with; TensorFlow's
# default differs by up to four levels.
JPEG_METHOD = "INTEGER_ACCURATE"

# How pixels are turned that EXIF's orientation 1 to 8 is of: rows and columns
# exchanged, then the order of rows reversed, then that of columns.
TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def read_image(
    path: str | Path,
    orientation: Orientation = "upright",
    pixel_limit: int = PIXEL_LIMIT,
) -> np.ndarray:
    """Read a whole image file, as viewers show it: turned the way its EXIF tag says.

    Args:
        path: a JPEG, PNG, BMP, GIF, WebP or TIFF file, by its content.
        orientation: `"stored"`: not turned.
        pixel_limit: a larger image is refused before it is decoded.

    Returns:
        uint8 RGB, `(height, width, 3)`. Grey becomes three equal colours, opacity is
        dropped, of 16 bits the upper 8 are kept, of several pictures the first counts.

    Raises:
        InputError: if there is no such file, or it is broken, too large or no image.

    Example:
        ```python
        image = hrnet_tf.read_image("photo.jpg")
        ```
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"Image {path} does not exist; give the path of a JPEG or PNG file."
        )
    return decode_named(path, path.read_bytes(), Reading(orientation, pixel_limit))


def decode_named(name: str | Path, encoded: bytes, reading: Reading) -> np.ndarray:
    """Decode an image that has a name; see `decode`.

    Raises:
        InputError: if it is broken, too large, empty or no image; it says which.
    """
    try:
        return decode(encoded, reading)
    except InputError as error:
        raise InputError(f"Image {name} cannot be decoded: {_reason(error)}.") from None


def decode(
    encoded: bytes, reading: Reading = UPRIGHT, header: Header | None = None
) -> np.ndarray:
    """Decode an image, whatever its file is called.

    Args:
        encoded: JPEG, PNG, BMP, GIF, WebP or TIFF.
        reading: how it is taken.
        header: its header, where that has been read already.

    Returns:
        uint8 RGB, `(height, width, 3)`.

    Raises:
        InputError: if it is broken, too large, empty or no image.
    """
    header = header or read_header(encoded, reading)
    if is_fractional(header) or header.number(SAMPLES) > 4:
        raise InputError(
            "the image cannot be decoded: a TIFF file of one to four values of 8 or 16 "
            f"whole bits is needed, this one has {header.number(SAMPLES)} of "
            f"{header.number(BITS)} bits a pixel"
        )
    if header.format == "JPEG":
        pixels = _decode_jpeg(encoded)
    elif header.format == "GIF" or header.number(SAMPLES) in (2, 4):
        # OpenCV multiplies the colours of TIFF files by their opacity.
        pixels = _with_pillow(_untagged(encoded, header), header, "RGB")
    else:
        pixels = decode_values(encoded, header, cv2.IMREAD_COLOR_RGB)
    if pixels.shape[:2] != (header.height, header.width):
        raise InputError(NO_IMAGE)
    return turned(pixels, header.turn_for(reading))


def decode_values(encoded: bytes, header: Header, flags: int) -> np.ndarray:
    """Decode a file with OpenCV, as its pixels are stored.

    Args:
        encoded: PNG, BMP, WebP or TIFF.
        header: of the file.
        flags: OpenCV's, but for the orientation.

    Raises:
        InputError: if it is broken.
    """
    if header.format == "PNG":
        check_chunks(encoded)
    encoded = _untagged(encoded, header)
    if flags != cv2.IMREAD_UNCHANGED:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except (cv2.error, MemoryError):
        pixels = None
    if pixels is None:
        raise InputError(NO_IMAGE)
    return pixels


def decode_indices(encoded: bytes, header: Header) -> np.ndarray:
    """Decode a TIFF file with a palette to indices, as its pixels are stored.

    Raises:
        InputError: if it is broken.
    """
    return _with_pillow(_untagged(encoded, header), header, "P")


def is_fractional(header: Header) -> bool:
    """Whether a TIFF file holds other numbers than whole ones of up to 16 bits."""
    return header.number(SAMPLE_FORMAT) != WHOLE or header.number(BITS) > 16


def check_size(
    header: Header, reading: Reading, size: Sequence[int], said: str
) -> None:
    """Raise an InputError unless an image has the size that something else says.

    Args:
        header: of the image.
        reading: how it is taken.
        size: height and width that are expected.
        said: who says so, such as `its annotation says`.
    """
    found, wanted = header.size_for(reading), tuple(size)
    if found == wanted:
        return
    sizes = (
        f"the image has {found[1]}x{found[0]} pixels (width x height), {said} "
        f"{wanted[1]}x{wanted[0]}"
    )
    if wanted != found[::-1] or header.turn < 5:
        raise InputError(sizes)
    if reading.orientation == "upright":
        raise InputError(
            f"{sizes}, as it is stored: its EXIF tag turns it; turn what belongs to "
            "it, or take all files as they are stored: data.orientation=stored"
        )
    raise InputError(
        f"{sizes}, as viewers show it: its EXIF tag turns it; take all files as "
        "viewers show them: data.orientation=upright"
    )


def read_values(
    path: str | Path,
    what: str,
    formats: Sequence[str],
    reading: Reading,
    read: Callable[[bytes, Header], np.ndarray],
) -> np.ndarray:
    """Read a file of values of pixels, such as a mask.

    Args:
        path: of the file.
        what: it is, in words, such as `the mask`.
        formats: that it may have, see `Header.format`.
        reading: how it is taken.
        read: gives the values as they are stored, or raises an InputError that goes on
            from `what`.

    Returns:
        The values, turned as the file says.

    Raises:
        InputError: if it is broken, too large or of another format.
    """
    encoded = Path(path).read_bytes()
    kinds = " or ".join(formats)
    try:
        header = read_header(encoded, reading)
        if header.format not in formats:
            raise InputError(
                f"is a {header.format} file; it must be a {kinds} file, which keeps "
                "values as they are"
            )
        values = read(encoded, header)
        if values.shape[:2] != (header.height, header.width):
            raise InputError(NO_IMAGE)
    except InputError as error:
        text = str(error).removeprefix("the image ").removeprefix("the PNG file ")
        if str(error) == NO_IMAGE:
            text = f"is broken, empty or no {kinds} file"
        raise InputError(f"{what} {path} {text}") from None
    return turned(values, header.turn_for(reading))


def turned(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Stored pixels as EXIF's orientation shows them.

    Args:
        pixels: `(height, width, ...)`.
        turn: 1 (as they are) to 8; 5 and more exchange height and width.
    """
    if turn == 1:
        return pixels
    exchanged, rows, columns = TURNS[turn]
    if exchanged:
        pixels = pixels.swapaxes(0, 1)
    if rows:
        pixels = pixels[::-1]
    if columns:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def stored_windows(
    windows: np.ndarray, sizes: np.ndarray, turns: np.ndarray
) -> np.ndarray:
    """Where parts of images lie in the pixels as they are stored.

    Args:
        windows: int `(n, 4)`, top, left, height, width in images as they are shown.
        sizes: int `(n, 2)`, height and width of these images.
        turns: int `(n,)`, EXIF's orientation of each.

    Returns:
        int32 `(n, 4)`, top, left, height, width.
    """
    stored = np.array(windows, np.int32)
    for row in np.flatnonzero(turns > 1):
        exchanged, rows, columns = TURNS[int(turns[row])]
        top, left, height, width = stored[row]
        top = sizes[row, 0] - top - height if rows else top
        left = sizes[row, 1] - left - width if columns else left
        window = (left, top, width, height) if exchanged else (top, left, height, width)
        stored[row] = window
    return stored


def decode_windows(
    contents: list[tf.Tensor], windows: tf.Tensor, turns: tf.Tensor
) -> list[tf.Tensor]:
    """Decode parts of JPEG files in a graph, and turn them.

    Args:
        contents: scalar strings; each has been decoded as a whole before.
        windows: int32 `(n, 4)`, see `stored_windows`.
        turns: int32 `(n,)`, EXIF's orientation of each.

    Returns:
        uint8 RGB `(height, width, 3)`, one each.
    """
    rows = zip(contents, tf.unstack(windows), strict=True)
    parts = [
        tf.io.decode_and_crop_jpeg(*row, channels=3, dct_method=JPEG_METHOD)
        for row in rows
    ]

    def turn_all() -> list[tf.Tensor]:
        def turn(turns: np.ndarray, *parts: np.ndarray) -> list[np.ndarray]:
            return [turned(*row) for row in zip(parts, turns.tolist(), strict=True)]

        types = [tf.uint8] * len(parts)
        found = tf.numpy_function(turn, [turns, *parts], types, stateful=False)
        return [tf.ensure_shape(part, (None, None, 3)) for part in found]

    return tf.cond(tf.reduce_any(turns > 1), turn_all, lambda: parts)


def _decode_jpeg(encoded: bytes) -> np.ndarray:
    try:
        with tf.device("/CPU:0"):
            pixels = tf.io.decode_jpeg(encoded, channels=3, dct_method=JPEG_METHOD)
            return pixels.numpy()
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.ResourceExhaustedError,
        MemoryError,
    ):
        raise InputError(NO_IMAGE) from None


def _with_pillow(encoded: bytes, header: Header, mode: str) -> np.ndarray:
    try:
        stream = io.BytesIO(encoded)
        with Image.open(stream, formats=(header.format,)) as image:
            return np.array(image if image.mode == mode else image.convert(mode))
    except Exception as error:  # Pillow raises whatever its parsers stumble over
        raise InputError(NO_IMAGE) from error


def _untagged(encoded: bytes, header: Header) -> bytes:
    """A TIFF file without its orientation: OpenCV and Pillow turn it by themselves."""
    if TURN not in header.tags:
        return encoded
    place = header.tags[TURN][1]
    upright = (1).to_bytes(2, "little" if encoded.startswith(b"II") else "big")
    return encoded[:place] + upright + encoded[place + 2 :]


def _reason(error: InputError) -> str:
    return str(error).removeprefix("the image cannot be decoded: ")
