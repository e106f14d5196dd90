"""What counts in a folder: images by their names, no clutter, no way round."""

import os

import numpy as np
import pytest
from PIL import Image

from hrnet_tf.images.folders import IMAGES, is_video, walk
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.maps import open_maps, read_map
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import open_masks, read_mask
from hrnet_tf.training.media import list_images

CLUTTER = [
    "Thumbs.db",
    "thumbs.db",
    "desktop.ini",
    ".DS_Store",
    "._a.jpg",
    "Icon\r",
    "@eaDir/a.jpg",
    "__MACOSX/._a.jpg",
    "__MACOSX/a.jpg",
    ".ipynb_checkpoints/a.jpg",
]


def put(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".npy":
        np.save(path, np.full((4, 6), value, np.uint8))
    else:
        shape = (4, 6) if "mask" in str(path) or "target" in str(path) else (4, 6, 3)
        kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".tif": "TIFF"}
        suffix = path.suffix.lower()
        image = Image.fromarray(np.full(shape, value, np.uint8))
        image.save(path, kind.get(suffix, suffix[1:].upper()))


def clutter(folder):
    for name in CLUTTER:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clutter")


def test_clutter_is_neither_a_sample_nor_a_problem_nor_a_class(tmp_path):
    for name in ("ant", "bee"):
        for number in range(3):
            put(tmp_path / name / f"{number}.jpg")
        clutter(tmp_path / name)
    clutter(tmp_path)
    training, validation = open_images(tmp_path)
    assert training.classes == ("ant", "bee")
    assert len(training) + len(validation) == 6


@pytest.mark.parametrize(
    ("section", "opened", "kind"),
    [(MaskSection, open_masks, "masks"), (MapSection, open_maps, "targets")],
)
def test_clutter_has_no_partner_and_needs_none(section, opened, kind, tmp_path):
    for part in ("train", "val"):
        for folder, suffix in (("images", ".jpg"), (kind, ".png")):
            put(tmp_path / folder / part / f"1{suffix}")
            clutter(tmp_path / folder / part)
            (tmp_path / folder / part / "Thumbs.png").mkdir()  # a folder is no file
    (tmp_path / "classes.txt").write_text("a\nb\n")
    parts = opened(section(root=str(tmp_path)))
    assert [len(part) for part in parts] == [1, 1]


def test_prediction_leaves_clutter_out(tmp_path):
    put(tmp_path / "a.jpg")
    clutter(tmp_path)
    assert list_images(tmp_path) == [tmp_path / "a.jpg"]


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path, caplog):
    for name in ("ant", "bee"):
        for number in range(2):
            put(tmp_path / name / f"{number}.jpg")
    os.symlink(tmp_path / "ant", tmp_path / "ant" / "again")
    os.symlink(tmp_path, tmp_path / "bee" / "above")
    training, validation = open_images(tmp_path)
    assert len(training) + len(validation) == 4
    assert "ant/again leads back to a folder that it lies in; left out" in caplog.text
    assert "bee/above leads back" in caplog.text


def test_links_to_other_folders_are_followed(tmp_path):
    put(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "here").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "here" / "one")
    os.symlink(tmp_path / "elsewhere", tmp_path / "here" / "two")
    found = [os.path.relpath(path, tmp_path) for path in walk(tmp_path / "here")]
    assert found == ["here/one/a.jpg", "here/two/a.jpg"]


@pytest.mark.parametrize("suffix", [*IMAGES, ".JPG", ".TIF", ".Png"])
def test_every_task_takes_every_kind_of_image(suffix, tmp_path):
    for number in range(2):
        for name in ("ant", "bee"):
            put(tmp_path / "classes" / name / f"{number}{suffix}")
        put(tmp_path / "images" / f"{number}{suffix}")
        put(tmp_path / "masks" / f"{number}.png")
        put(tmp_path / "targets" / f"{number}.png")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    assert sum(map(len, open_images(tmp_path / "classes"))) == 4
    assert sum(map(len, open_masks(MaskSection(root=str(tmp_path))))) == 2
    assert sum(map(len, open_maps(MapSection(root=str(tmp_path))))) == 2
    assert len(list_images(tmp_path / "images")) == 2


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".PNG", ".TIF"])
def test_masks_and_maps_of_every_kind(suffix, tmp_path):
    for number in range(2):
        put(tmp_path / "images" / f"{number}.jpg")
        put(tmp_path / "masks" / f"{number}{suffix}", number)
        put(tmp_path / "targets" / f"{number}{suffix}", number)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    masks, maps = MaskSection(root=str(tmp_path)), MapSection(root=str(tmp_path))
    for part in open_masks(masks):
        assert read_mask(part.targets[0]).max() == int(part.names[0])
    for part in open_maps(maps):
        assert read_map(part.targets[0], maps).max() == int(part.names[0])


@pytest.mark.parametrize(
    "name", ["a.mpg", "a.mpeg", "a.wmv", "a.ts", "a.mts", "A.MP4", "a.Mov"]
)
def test_videos_are_known_by_their_names(name):
    assert is_video(name)
