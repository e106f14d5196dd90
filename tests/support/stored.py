"""Image files as cameras write them: pixels that lie otherwise than they are shown."""

import io

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
TURNS = range(1, 9)


def smooth_image(height, width):
    """Slopes in all three channels, so that a misplaced pixel shows."""
    y, x = np.mgrid[:height, :width]
    image = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
    return np.stack(image, axis=-1).astype(np.uint8)


def encoded(pixels, suffix, turn=1, **options):
    """A file of pixels as they are stored, with an EXIF tag unless `turn` is 1."""
    stream, image = io.BytesIO(), Image.fromarray(pixels)
    kind = {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    if kind == "WEBP":
        options = {"lossless": True, **options}
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0, **options}
    if turn != 1 and kind == "TIFF":
        options["tiffinfo"] = {ORIENTATION: turn}
    elif turn != 1:
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        options["exif"] = exif
    image.save(stream, kind, **options)
    return stream.getvalue()


def stored_of(shown, turn):
    """The pixels that a viewer shows like this once it has turned them."""
    way_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    if turn == 1:
        return shown
    return np.array(Image.fromarray(shown).transpose(way_back[turn]))
