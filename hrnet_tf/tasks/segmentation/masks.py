"""Images with a mask each, that says for every pixel what is to be seen."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.reading import UPRIGHT, Reading
from hrnet_tf.common.text_files import MARK, read_text
from hrnet_tf.data.parts import find_part
from hrnet_tf.data.problems import Problems
from hrnet_tf.images.files import (
    decode_indices,
    decode_values,
    is_fractional,
    read_values,
)
from hrnet_tf.images.header import (
    BITS,
    MIN_IS_BLACK,
    PALETTE,
    PHOTOMETRIC,
    SAMPLES,
    Header,
)
from hrnet_tf.images.png import GREY, INDEXED, check_chunks, kind_of, to_grey
from hrnet_tf.tasks.dense.pairs import (
    Layout,
    PairedImages,
    Pairs,
    Part,
    check_root,
    collect,
    expected_folders,
    find_pairs,
    is_good,
    open_pairs,
)
from hrnet_tf.tasks.segmentation.classes import UNKNOWN, ClassSet
from hrnet_tf.tasks.segmentation.config import MaskSection

CLASS_FILES = ("classes.yaml", "classes.txt")


LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "folder": (
        Layout("images/{}", "masks/{}", alone=True),
        Layout("images", "masks", parts=("",)),
    ),
    "cityscapes": (
        Layout(
            "leftImg8bit/{}",
            "gtFine/{}",
            image_end="_leftImg8bit",
            target_ends=("_gtFine_labelIds.png",),
        ),
    ),
    "ade20k": (
        Layout("{}/image", "{}/label"),
        Layout("images/{}", "annotations/{}", ("training", "validation")),
    ),
    "lip": (
        Layout(
            "TrainVal_images/{}_images", "TrainVal_parsing_annotations/{}_segmentations"
        ),
    ),
    "coco_stuff": (Layout("{}/image", "{}/label"),),
}

# PASCAL-Context: JPEG files and masks of all parts together, and lists of names.
CONTEXT_FOLDERS = ("VOCdevkit/VOC2010", "VOC2010", ".")
CONTEXT_IMAGES, CONTEXT_MASKS = "JPEGImages", "SegmentationClassContext"
CONTEXT_LISTS = "ImageSets/SegmentationContext"


@dataclass(frozen=True, eq=False)
class MaskedImages(PairedImages):
    """Images and their masks, in files.

    Attributes:
        images: see `PairedImages`.
        targets: the masks.
        names: see `PairedImages`.
        class_set: what values in the masks mean.
    """

    class_set: ClassSet


def open_masks(
    section: MaskSection, seed: int = 0
) -> tuple[MaskedImages, MaskedImages]:
    """Open a data set of images with masks; nothing is decoded yet.

    Below `section.root` lie, by `section.layout`, with images of any format and masks
    in PNG, in folders of their own or not:

    * `folder`: `images/NAME.jpg` and `masks/NAME.png`, or both with `train/` and `val/`
      in between, and `classes.txt` (a name a line) or `classes.yaml` (a `ClassSet`);
      without `val/` a share is held out.
    * `cityscapes`: `leftImg8bit/{train,val}/CITY/*_leftImg8bit.png` and
      `gtFine/{train,val}/CITY/*_gtFine_labelIds.png`.
    * `ade20k`: `{train,val}/{image,label}`, or `images/{training,validation}` and
      `annotations/{training,validation}`.
    * `lip`: `TrainVal_images/{train,val}_images` and
      `TrainVal_parsing_annotations/{train,val}_segmentations`.
    * `pascal_context`: in `VOCdevkit/VOC2010`, in `VOC2010` or directly
      `JPEGImages/NAME.jpg`; `SegmentationClassContext/NAME.png`, values 0 to 59; and
      `ImageSets/SegmentationContext/{train,val}.txt`, a name a line.
    * `coco_stuff`: `{train,val}/{image,label}`.

    Args:
        section: the configuration's `data`.
        seed: of the choice whom to hold out; not negative.

    Returns:
        Training and validation images.

    Raises:
        InputError: if there is no such folder, class set or sample, or samples are
            broken and the policy is to stop: a mask or an image is missing or empty.

    Example:
        ```python
        section = MaskSection(root="CITYSCAPES", layout="cityscapes")
        training, validation = open_masks(section)
        training.class_set.names[0]  # "road"
        ```
    """
    check_root(section, f"images and masks in the layout {section.layout!r}")
    class_set = find_class_set(section)
    find = _listed_parts if section.layout == "pascal_context" else _paired_parts

    def make(images, masks, names):
        return MaskedImages(images, masks, names, class_set)

    return open_pairs(section, partial(find, section), make, "mask", seed)


def find_class_set(section: MaskSection) -> ClassSet:
    """The classes that the configuration names, or those that go with its data.

    Raises:
        InputError: if there are none, or they are not valid.
    """
    if section.classes:
        return ClassSet.read(section.classes)
    if section.layout == "pascal_context":
        return ClassSet.read("pascal_context_59")
    if section.layout != "folder":
        return ClassSet.read(section.layout)
    for name in CLASS_FILES:
        if (Path(section.root) / name).is_file():
            return ClassSet.read(Path(section.root) / name)
    raise InputError(
        f"{section.root} holds neither {' nor '.join(CLASS_FILES)}; write the names of "
        "the classes into classes.txt, one a line in the order of their values in the "
        "masks, or set `data.classes`."
    )


def read_labels(
    path: str | Path, class_set: ClassSet, reading: Reading = UPRIGHT
) -> np.ndarray:
    """Read a mask file as labels.

    Args:
        path: see `read_mask`.
        class_set: what its values mean.
        reading: how files are taken.

    Returns:
        uint8 `(height, width)`: indices of `class_set.names`; 255: does not count.

    Raises:
        InputError: if the mask is broken, or a value in it means nothing.
    """
    raw, table = read_mask(path, reading), class_set.lookup
    labels = cv2.LUT(raw, table[:256]) if raw.dtype == np.uint8 else table[raw]
    unknown = labels == UNKNOWN
    if unknown.any():
        y, x = np.argwhere(unknown)[0]
        values = ", ".join(map(str, np.unique(raw[unknown])[:5]))
        raise InputError(
            f"the mask {path} holds values that stand for none of the {len(class_set)} "
            f"classes of {class_set.name}, such as {values}, in {int(unknown.sum())} "
            f"pixels, the first in row {y}, column {x}; correct it, or name the values "
            "in the class set's `ids` or `ignored_ids`"
        )
    return labels


def read_mask(path: str | Path, reading: Reading = UPRIGHT) -> np.ndarray:
    """Read the values of a mask file.

    Args:
        path: a PNG or TIFF file, grey or with a palette (then its indices are the
            values).
        reading: how it is taken: turned by its EXIF tag, as viewers do, or not.

    Returns:
        uint8, or uint16 if the file holds 16 bits a pixel, `(height, width)`.

    Raises:
        InputError: if it is broken, empty, too large, or something else.
    """
    return read_values(path, "the mask", ("PNG", "TIFF"), reading, _values)


def _values(encoded: bytes, header: Header) -> np.ndarray:
    if header.format == "TIFF":
        return _tiff_values(encoded, header)
    check_chunks(encoded)
    bits, color = kind_of(encoded)
    if color not in (GREY, INDEXED):
        raise InputError(
            "holds colours; it must have one value a pixel, grey or with a palette"
        )
    if color == INDEXED:  # OpenCV gives colours, and two classes may have the same
        encoded = to_grey(encoded)
    # Not IMREAD_UNCHANGED, which adds channels to a file that names a clear value.
    raw = decode_values(encoded, header, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    # Grey of fewer bits is stretched to the whole range, which is for looking at it.
    return raw if bits >= 8 else raw // (255 // (2**bits - 1))


def _tiff_values(encoded: bytes, header: Header) -> np.ndarray:
    samples, bits = header.number(SAMPLES), header.number(BITS)
    colors = header.number(PHOTOMETRIC)
    if samples != 1 or is_fractional(header) or colors not in (MIN_IS_BLACK, PALETTE):
        raise InputError(
            "must have one value of 8 or 16 whole bits a pixel, grey (0 is black) "
            "or with a palette"
        )
    if colors == PALETTE:
        return decode_indices(encoded, header)
    if bits < 8:
        raise InputError(f"has {bits} bits a pixel; a TIFF mask must have 8 or 16")
    return decode_values(encoded, header, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)


def _paired_parts(section: MaskSection, problems: Problems) -> list[Part]:
    layouts = LAYOUTS[section.layout]
    parts = find_pairs(Path(section.root), layouts, "mask", problems)
    if parts is None:
        raise InputError(
            f"{section.root} is not in the layout {section.layout!r}: it must hold the "
            f"folders {expected_folders(layouts)}; see `data.root` and `data.layout`."
        )
    return parts


def _listed_parts(section: MaskSection, problems: Problems) -> list[Part]:
    """PASCAL-Context, where lists say what belongs to which part."""
    root = Path(section.root)
    inside = [root / folder for folder in CONTEXT_FOLDERS]
    base = next((path for path in inside if (path / CONTEXT_IMAGES).is_dir()), None)
    if base is None:
        raise InputError(
            f"{root} is not in the layout 'pascal_context': neither it nor VOC2010 in "
            f"it holds the folder {CONTEXT_IMAGES}."
        )
    return [
        collect(partial(_listed, base, part), problems) for part in ("train", "val")
    ]


def _listed(base: Path, part: str, problems: Problems) -> Pairs:
    """The images that a list names."""
    path = find_part(base, f"{CONTEXT_LISTS}/{{}}.txt", part)
    if not path.is_file():
        raise InputError(
            f"There is no list {path}; it must hold the names of the images of "
            "this part, one a line, without suffix."
        )
    pairs: Pairs = {}
    for name in dict.fromkeys(read_text(path).replace(MARK, "").split()):
        image = str(base / CONTEXT_IMAGES / f"{name}.jpg")
        mask = str(base / CONTEXT_MASKS / f"{name}.png")
        if is_good(image, mask, problems):
            pairs[name] = (image, mask)
    return pairs
