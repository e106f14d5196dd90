import struct
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from hrnet_tf import InputError
from hrnet_tf.drawn.figures import CLASSES
from hrnet_tf.tasks.segmentation.classes import IGNORED, ClassSet
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import (
    find_class_set,
    open_masks,
    read_labels,
    read_mask,
)

VALUES = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
GARDEN = ClassSet("garden", ("grass", "path"), ids=(1, 300), ignored_ids=(0,))


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".txt":
        path.write_text(array)
    else:
        cv2.imwrite(str(path), array)


def put_sample(image, mask):
    write(image, np.zeros((2, 3, 3), np.uint8))
    write(mask, VALUES)


def put_folder(root, part="", names=("a", "b", "sub/c")):
    for name in names:
        image = root / "images" / part / f"{name}.jpg"
        put_sample(image, root / "masks" / part / f"{name}.png")
    (root / "classes.txt").write_text("w\nx\ny\nz\n")


def put_cityscapes(root):
    for part, city in (("train", "bonn"), ("train", "jena"), ("val", "ulm")):
        put_sample(
            root / f"leftImg8bit/{part}/{city}/{city}_01_leftImg8bit.png",
            root / f"gtFine/{part}/{city}/{city}_01_gtFine_labelIds.png",
        )
        # What lies beside the labels is no label.
        write(root / f"gtFine/{part}/{city}/{city}_01_gtFine_color.png", VALUES)


def put_parts(images, masks, parts=("train", "val")):
    def put(root):
        for part, names in zip(parts, (("p", "q"), ("r",)), strict=True):
            for name in names:
                image = root / images.format(part) / f"{name}.jpg"
                put_sample(image, root / masks.format(part) / f"{name}.png")

    return put


def put_context(where):
    def put(root):
        base = root / where
        for part, names in (("train", ("p", "q")), ("val", ("r",))):
            for name in names:
                put_sample(
                    base / "JPEGImages" / f"{name}.jpg",
                    base / "SegmentationClassContext" / f"{name}.png",
                )
            lists = base / "ImageSets" / "SegmentationContext"
            write(lists / f"{part}.txt", "\n".join(names) + "\n")

    return put


LAYOUTS = {
    "cityscapes": ("cityscapes", put_cityscapes),
    "ade20k": ("ade20k", put_parts("{}/image", "{}/label")),
    "ade20k, as it is published": (
        "ade20k",
        put_parts("images/{}", "annotations/{}", ("training", "validation")),
    ),
    "lip": (
        "lip",
        put_parts(
            "TrainVal_images/{}_images", "TrainVal_parsing_annotations/{}_segmentations"
        ),
    ),
    "coco_stuff": ("coco_stuff", put_parts("{}/image", "{}/label")),
    "pascal_context": ("pascal_context", put_context(".")),
    "pascal_context in VOC2010": ("pascal_context", put_context("VOC2010")),
    "pascal_context in VOCdevkit": (
        "pascal_context",
        put_context("VOCdevkit/VOC2010"),
    ),
}


@pytest.mark.parametrize(("layout", "put"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_has_its_pairs_parts_and_classes(layout, put, tmp_path):
    put(tmp_path)
    training, validation = open_masks(MaskSection(layout=layout, root=str(tmp_path)))
    assert (len(training), len(validation)) == (2, 1)
    expected = "pascal_context_59" if layout == "pascal_context" else layout
    assert training.class_set == ClassSet.read(expected)
    if layout == "cityscapes":
        assert training.names.tolist() == ["bonn/bonn_01", "jena/jena_01"]
        assert validation.targets[0].endswith("ulm/ulm_01_gtFine_labelIds.png")
    else:
        assert training.names.tolist() == ["p", "q"]
        assert validation.images[0].endswith("/r.jpg")
        assert validation.targets[0].endswith("/r.png")
    np.testing.assert_array_equal(read_mask(validation.targets[0]), VALUES)


@pytest.mark.parametrize(("layout", "put"), LAYOUTS.values(), ids=LAYOUTS)
def test_without_a_part_the_layout_is_another(layout, put, tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path} is not in the layout '{layout}'"):
        open_masks(MaskSection(layout=layout, root=str(tmp_path)))


def test_a_folder_with_both_parts(tmp_path):
    put_folder(tmp_path, "train")
    put_folder(tmp_path, "val", ("d",))
    training, validation = open_masks(MaskSection(root=str(tmp_path)))
    assert training.names.tolist() == ["a", "b", "sub/c"]
    assert validation.names.tolist() == ["d"]
    assert training.class_set.names == ("w", "x", "y", "z")


@pytest.mark.parametrize("part", ["", "train"])
def test_of_a_folder_without_validation_a_share_is_held_out(part, tmp_path):
    names = [f"{i:02d}" for i in range(20)]
    put_folder(tmp_path, part, names)
    section = MaskSection(root=str(tmp_path), validation_share=0.3)
    training, validation = open_masks(section, seed=1)
    assert len(validation) == 6
    assert sorted([*training.names, *validation.names]) == names
    assert open_masks(section, seed=1)[1].names.tolist() == validation.names.tolist()
    assert open_masks(section, seed=2)[1].names.tolist() != validation.names.tolist()


def test_of_a_single_image_nothing_can_be_held_out(tmp_path):
    put_folder(tmp_path, names=("a",))
    with pytest.raises(InputError, match=r"holds one image, .*a\.jpg; .* two"):
        open_masks(MaskSection(root=str(tmp_path)))


def test_the_drawn_data_set(data_folder, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    section = MaskSection(root=str(data_folder), classes=str(tmp_path / "names.txt"))
    training, validation = open_masks(section)
    assert (len(training), len(validation)) == (12, 6)
    labels = read_labels(training.targets[0], training.class_set)
    assert labels.shape == (256, 256)
    assert set(np.unique(labels)) <= set(range(4))
    assert (labels == CLASSES.index("person")).any()


BROKEN = {
    "no mask": (lambda root: (root / "masks/b.png").unlink(), r"b\.jpg: has no mask "),
    "no image": (
        lambda root: (root / "images/b.jpg").unlink(),
        r"masks/b\.png: there is no image",
    ),
    "an empty mask": (
        lambda root: (root / "masks/b.png").write_bytes(b""),
        r"masks/b\.png: is empty",
    ),
    "an empty image": (
        lambda root: (root / "images/b.jpg").write_bytes(b""),
        r"images/b\.jpg: is empty",
    ),
}


@pytest.mark.parametrize(("spoil", "text"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_stops_or_is_left_out(spoil, text, tmp_path, caplog):
    put_folder(tmp_path)
    spoil(tmp_path)
    section = MaskSection(root=str(tmp_path))
    with pytest.raises(InputError, match=f"(?s)1 broken samples .*{text}"):
        open_masks(section)
    parts = open_masks(replace(section, on_error="skip"))
    assert sorted(name for part in parts for name in part.names) == ["a", "sub/c"]
    assert "1 broken samples skipped, 2 kept" in caplog.text


def test_two_images_of_one_name_are_broken(tmp_path):
    put_folder(tmp_path)
    write(tmp_path / "images" / "a.png", np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png: has the same name as .*a\.jpg"):
        open_masks(MaskSection(root=str(tmp_path)))


def test_hidden_files_do_not_count(tmp_path):
    put_folder(tmp_path)
    (tmp_path / "images" / "._a.jpg").write_bytes(b"")
    assert sum(map(len, open_masks(MaskSection(root=str(tmp_path))))) == 3


def test_a_part_without_pairs_is_an_error(tmp_path):
    put_folder(tmp_path, "train")
    (tmp_path / "images" / "val").mkdir()
    section = MaskSection(root=str(tmp_path), on_error="skip")
    with pytest.raises(InputError, match="holds no image that has a mask in one of"):
        open_masks(section)


def test_a_list_that_is_missing_or_names_nothing(tmp_path):
    put_context(".")(tmp_path)
    lists = tmp_path / "ImageSets" / "SegmentationContext"
    (lists / "val.txt").write_text("r\nnone\n")
    section = MaskSection(layout="pascal_context", root=str(tmp_path))
    with pytest.raises(InputError, match=r"none\.jpg: does not exist"):
        open_masks(section)
    (lists / "val.txt").unlink()
    with pytest.raises(InputError, match=r"no list .*val\.txt; it must hold the names"):
        open_masks(section)


def test_a_folder_that_is_not_there():
    with pytest.raises(InputError, match=r"no folder /none; `data\.root` must"):
        open_masks(MaskSection(root="/none"))


def test_a_folder_must_say_its_classes(tmp_path):
    put_folder(tmp_path)
    (tmp_path / "classes.txt").unlink()
    section = MaskSection(root=str(tmp_path))
    with pytest.raises(InputError, match=r"neither classes\.yaml nor classes\.txt"):
        find_class_set(section)
    (tmp_path / "classes.yaml").write_text("name: mine\nnames: [w, x, y, z]\n")
    assert find_class_set(section).name == "mine"
    assert find_class_set(replace(section, classes="lip")).name == "lip"


def png(bits, rows, palette=b""):
    """A PNG file of one row a byte string; no library here writes all these kinds."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    width, color = 8 // bits * len(rows[0]), 3 if palette else 0
    header = struct.pack(">IIBBBBB", width, len(rows), bits, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    if palette:
        parts[1:1] = [(b"PLTE", palette), (b"tRNS", b"\0\1")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("palette", [b"", bytes([10, 20, 30] * 16)])
@pytest.mark.parametrize(
    ("bits", "row", "expected"),
    [
        (1, b"\xa5", [1, 0, 1, 0, 0, 1, 0, 1]),
        (2, b"\x1b", [0, 1, 2, 3]),
        (4, b"\x5c\x0f", [5, 12, 0, 15]),
        (8, b"\0\5\x0b", [0, 5, 11]),
    ],
)
def test_values_are_indices_not_colours(bits, row, expected, palette, tmp_path):
    path = tmp_path / "mask.png"
    # All entries of the palette have one colour: only the index tells them apart.
    path.write_bytes(png(bits, [row, row], palette[: 3 << bits]))
    np.testing.assert_array_equal(read_mask(path), [expected, expected])


def test_a_palette_file_of_another_library(tmp_path):
    image = Image.fromarray(VALUES)
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 10, 20, 30])
    image.save(tmp_path / "mask.png", transparency=1)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), VALUES)


def test_grey_of_16_bits_keeps_its_values(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), VALUES.astype(np.uint16) * 300)
    found = read_mask(path)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, VALUES.astype(np.uint16) * 300)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_become_labels(dtype, tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.array([[0, 7, 33], [255, 26, 16]], dtype))
    labels = read_labels(path, ClassSet.read("cityscapes"))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, [[IGNORED, 0, 18], [IGNORED, 13, IGNORED]])


def test_values_above_a_byte_become_labels(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.array([[0, 300, 1]], np.uint16))
    np.testing.assert_array_equal(read_labels(path, GARDEN), [[IGNORED, 1, 0]])


def test_an_unknown_value_is_named_with_its_place(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.array([[1, 0, 1], [1, 44, 43]], np.uint8))
    expected = (
        f"the mask {path} holds values that stand for none of the 2 classes of garden, "
        "such as 43, 44, in 2 pixels, the first in row 1, column 1;"
    )
    with pytest.raises(InputError, match=f"^{expected}"):
        read_labels(path, GARDEN)


NO_MASKS = {
    "text": (b"text", "is broken, empty or no PNG or TIFF file"),
    "empty": (b"", "empty"),
    "a PNG of nothing": (b"\x89PNG\r\n\x1a\n", "is cut off"),
    "cut off": (png(8, [b"\1\2\3" * 50] * 20)[:-20], "is cut off in its chunk IDAT"),
}


@pytest.mark.parametrize(("content", "text"), NO_MASKS.values(), ids=NO_MASKS)
def test_what_is_no_mask_is_refused(content, text, tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^the mask {path} .*{text}"):
        read_mask(path)


def test_a_cut_off_palette_file_is_refused(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(png(8, [b"\1\2\3" * 50] * 20, bytes(768))[:-20])
    with pytest.raises(InputError, match="is cut off in its chunk IDAT at byte"):
        read_mask(path)


def test_colours_are_refused(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(InputError, match=r"holds colours; .* one value a pixel"):
        read_mask(path)
