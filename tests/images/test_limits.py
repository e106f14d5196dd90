"""What says that it is huge is refused by its header, in every task and command."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from hrnet_tf import InputError
from hrnet_tf.tasks.classification.config import ImageAugmentation
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.pipeline import ImageReader, training_images
from hrnet_tf.tasks.classification.survey import survey_images
from hrnet_tf.tasks.keypoints.people import People
from hrnet_tf.tasks.pose.augment import CropGeometry, plain_crops
from hrnet_tf.tasks.pose.pipeline import CropReader, crop_batches
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.survey import survey_people
from hrnet_tf.tasks.pose.viewer import PoseViewer
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.maps import open_maps, read_map
from hrnet_tf.tasks.regression.pipeline import MapReader
from hrnet_tf.tasks.regression.survey import survey_maps
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import open_masks, read_mask
from hrnet_tf.tasks.segmentation.pipeline import MaskReader
from hrnet_tf.tasks.segmentation.survey import survey_masks
from hrnet_tf.training.media import predict_files
from support.spots import spot_image, spot_manifest, spot_network
from support.stored import encoded

PICTURE = spot_image((60, 80), [(30, 20), (20, 40), (50, 45)], radius=4)
SIZE = (32, 24)


def huge_jpeg():
    content = bytearray(encoded(PICTURE, ".jpg"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 40000, 40000)
    return bytes(content)


def huge_png(values):
    content = bytearray(encoded(values, ".png"))
    content[16:24] = struct.pack(">II", 40000, 40000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def huge_tiff(values):
    content = bytearray(encoded(values, ".tif"))
    for tag in (256, 257):
        at = content.index(struct.pack("<HH", tag, 4)) + 8
        content[at : at + 4] = struct.pack("<I", 40000)
    return bytes(content)


@pytest.fixture(autouse=True)
def small_memory():
    """No test here may take the memory that a huge image would."""
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100e6


def test_classes_leave_a_huge_image_out(tmp_path, caplog):
    for name in "ab":
        for number in range(3):
            path = tmp_path / name / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encoded(PICTURE, ".jpg"))
    images, _ = open_images(tmp_path)
    with open(images.files[0], "wb") as stream:
        stream.write(huge_jpeg())
    reader = ImageReader(images, "skip")
    batches = training_images(reader, SIZE, ImageAugmentation(), range(2), 1, 4)
    weights = [batch[2] for batch in batches.as_numpy_iterator()]
    assert (np.concatenate(weights) == 0).sum() == 2
    assert caplog.text.count("40000x40000 pixels (width x height)") == 1
    (line,) = survey_images(ImageReader(images, "skip")).broken
    assert line.startswith(f"{images.files[0]}: the image has 40000x40000 pixels")
    stopping = ImageReader(images)
    with (
        pytest.raises(InputError, match=r"40000x40000 .*\(pixel_limit\)"),
        stopping.errors_explained(),
    ):
        list(training_images(stopping, SIZE, ImageAugmentation(), range(1), 1, 4))


def test_people_in_a_huge_image_are_left_out(tmp_path, coco_set):
    files = [tmp_path / "good.jpg", tmp_path / "huge.jpg"]
    files[0].write_bytes(encoded(PICTURE, ".jpg"))
    files[1].write_bytes(huge_jpeg())
    people = People(
        np.array(list(map(str, files))),
        np.arange(2),
        np.array(["person 0", "person 1"]),
        np.array([[60, 80], [40000, 40000]]),
        np.array([[5.0, 5, 40, 50]] * 2),
        np.ones(2),
        np.ones((2, 17, 3)),
    )
    reader = CropReader(people, SIZE, "skip")
    matrices = plain_crops(people, CropGeometry(SIZE, 1.25))
    _, good = next(crop_batches(reader, matrices, 2).as_numpy_iterator())
    assert good.tolist() == [True, False]
    (line,) = survey_people(CropReader(people, SIZE), coco_set).broken
    assert line.startswith("person 1: the image has 40000x40000 pixels")


def put_pair(root, kind, name, image, target):
    for folder, content in (("images", image), (kind, target)):
        path = root / folder / name
        path = path.with_suffix(".jpg") if folder == "images" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


VALUES = (PICTURE[..., 0] > 100).astype(np.uint8)
PAIRS = {
    "masks": (MaskSection, open_masks, MaskReader, survey_masks, "masks"),
    "maps": (MapSection, open_maps, MapReader, survey_maps, "targets"),
}


@pytest.mark.parametrize("which", ["image", "PNG", "TIFF"])
@pytest.mark.parametrize(
    ("section", "opened", "reader", "survey", "kind"), PAIRS.values(), ids=PAIRS
)
def test_a_huge_image_or_target_is_left_out(
    which, section, opened, reader, survey, kind, tmp_path
):
    jpeg, png = encoded(PICTURE, ".jpg"), encoded(VALUES, ".png")
    for number in range(4):
        put_pair(tmp_path, kind, f"{number}.png", jpeg, png)
    wrong = {
        "image": ("w.png", huge_jpeg(), png),
        "PNG": ("w.png", jpeg, huge_png(VALUES)),
        "TIFF": ("w.tif", jpeg, huge_tiff(VALUES)),
    }
    put_pair(tmp_path, kind, *wrong[which])
    (tmp_path / "classes.txt").write_text("a\nb\n")
    settings = section(root=str(tmp_path), on_error="skip")
    parts = opened(settings)
    lines = [line for part in parts for line in survey(reader(part, settings)).broken]
    assert len(lines) == 1
    assert "w.jpg: " in lines[0]
    assert "has 40000x40000 pixels (width x height)" in lines[0]
    assert lines[0].count("\n") == 0


def test_a_huge_array_is_not_read(tmp_path):
    path = tmp_path / "a.npy"
    with open(path, "wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": (40000, 40000)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + 40000 * 40000)  # a hole: no room on the disk
    with pytest.raises(InputError, match=r"shape \(40000, 40000\); up to 178956970"):
        read_map(path, MapSection(root=str(tmp_path)))


def test_the_limit_of_masks_and_maps_can_be_moved(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", VALUES)
    section = MaskSection(root=str(tmp_path), pixel_limit=VALUES.size)
    assert read_mask(tmp_path / "a.png", section.reading).shape == VALUES.shape
    section = MaskSection(root=str(tmp_path), pixel_limit=VALUES.size - 1)
    with pytest.raises(InputError, match=r"up to 4799 are read \(pixel_limit\)"):
        read_mask(tmp_path / "a.png", section.reading)
    for name in ("a.png", "a.npy"):
        limited = MapSection(root=str(tmp_path), pixel_limit=VALUES.size - 1)
        with pytest.raises(InputError, match="up to 4799"):
            read_map(tmp_path / name, limited)
    with pytest.raises(InputError, match=r"`data\.pixel_limit` must be positive"):
        MaskSection(root=str(tmp_path), pixel_limit=0)


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


def test_prediction_leaves_a_huge_image_out(predictor, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.png").write_bytes(encoded(PICTURE, ".png"))
    (tmp_path / "in" / "huge.png").write_bytes(huge_png(PICTURE))
    summary = predict_files(PoseViewer(predictor), tmp_path / "in", tmp_path / "out")
    assert (summary.images, len(summary.skipped)) == (1, 1)
    assert "huge.png cannot be decoded: the image has 40000x40000" in summary.skipped[0]
