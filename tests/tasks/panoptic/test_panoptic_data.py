"""Files in COCO's panoptic format, whole and broken."""

import json

import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.drawn.scenes import CLASSES, draw_scene_data_set
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.panoptic.classes import PanopticClasses, shades
from hrnet_tf.tasks.panoptic.coco_panoptic import encode_ids, open_panoptic
from hrnet_tf.tasks.panoptic.config import (
    PanopticEvaluate,
    PanopticModel,
    PanopticSection,
    PanopticTrain,
)
from hrnet_tf.tasks.panoptic.pipeline import SegmentReader
from hrnet_tf.tasks.panoptic.result import PanopticMap
from hrnet_tf.tasks.panoptic.segments import CROWD, VOID
from hrnet_tf.tasks.panoptic.survey import (
    NO_THING,
    check_segments,
    survey_segments,
)

# Ids of 24 bits, such as COCO's.
GRASS, LEFT, RIGHT, HERD = 65_536, 16_777_215, 300, 70_000
CATEGORIES = [
    {"id": 7, "name": "sheep", "isthing": 1, "color": [200, 200, 190]},
    {"id": 193, "name": "grass", "isthing": 0, "color": [20, 120, 20]},
]


def segment(number, category, **more):
    return {"id": number, "category_id": category, "iscrowd": 0, **more}


SEGMENTS = [
    segment(RIGHT, 7),
    segment(GRASS, 193),
    segment(LEFT, 7),
    segment(HERD, 7, iscrowd=1),
]


def ids_of():
    ids = np.full((10, 12), GRASS)
    ids[0] = 0
    ids[2:5, 1:4], ids[2:5, 8:11], ids[7:, 4:8] = LEFT, RIGHT, HERD
    return ids


def write(root, part, segments=SEGMENTS, ids=None, categories=CATEGORIES, name="1"):
    ids = ids_of() if ids is None else ids
    table = root / "annotations" / f"panoptic_{part}.json"
    table.with_suffix("").mkdir(parents=True, exist_ok=True)
    (table.with_suffix("") / f"{name}.png").write_bytes(encode_ids(ids))
    image = np.full((*ids.shape, 3), 90, np.uint8)
    write_image(root / "images" / part / f"{name}.jpg", image)
    content = {
        "images": [{"id": 1, "file_name": f"{name}.jpg", "width": 12, "height": 10}],
        "annotations": [
            {"image_id": 1, "file_name": f"{name}.png", "segments_info": segments}
        ],
        "categories": categories,
    }
    table.write_text(json.dumps(content))
    return table


@pytest.fixture
def root(tmp_path):
    for part in ("train", "val"):
        write(tmp_path, part)
    return tmp_path


def reader_of(root, part=0, **more):
    section = PanopticSection(root=str(root), **more)
    return SegmentReader(open_panoptic(section)[part], section)


def test_ids_of_24_bits_become_classes_and_numbers(root):
    reader = reader_of(root)
    assert reader.images.classes == PanopticClasses(
        ("sheep", "grass"), ("sheep",), (7, 193), ((200, 200, 190), (20, 120, 20))
    )
    image, found = reader.read(0)
    assert image.shape == (10, 12, 3)
    expected = np.full((10, 12), 1000)
    expected[0] = VOID
    expected[2:5, 8:11], expected[2:5, 1:4], expected[7:, 4:8] = 1, 2, CROWD
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32


def test_what_is_written_is_read_again(root):
    _, expected = reader_of(root).read(0)
    classes = reader_of(root).images.classes
    answer = PanopticMap(expected, np.ones(expected.shape, np.float32), classes)
    info = answer.segments_info()
    assert [each["category_id"] for each in info] == [7, 7, 7, 193]
    assert info[0]["bbox"] == [8, 2, 3, 3]
    assert sum(each["area"] for each in info) == 9 * 12
    for each in info:
        each["iscrowd"] = int(each["area"] == 12)  # the herd; answers have no crowds
    write(root, "train", info, answer.ids())
    np.testing.assert_array_equal(reader_of(root).read(0)[1], expected)


def test_crops_are_mirrored_and_void_outside(root):
    reader = reader_of(root)
    section = PanopticSection(root=str(root))
    chances = np.array([[0.4, 0, 0, 0.9], [0.4, 0, 0, 0.1]])
    images, (plain, mirrored) = reader.read_crops(
        np.array([0, 0]), (16, 16), section, chances
    )
    assert images.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])
    assert (plain[14:] == VOID).all()
    assert {0, 1, 2} <= set(np.unique(plain % 1000))


def test_a_cache_knows_another_annotation(root, tmp_path):
    cache = str(tmp_path / "cache")
    first = reader_of(root, cache=cache).read(0)[1]
    np.testing.assert_array_equal(reader_of(root, cache=cache).read(0)[1], first)
    write(root, "train", [{**each, "iscrowd": 0} for each in SEGMENTS])
    assert CROWD not in reader_of(root, cache=cache).read(0)[1] % 1000


BROKEN = {
    "holds segment 300 in row 2, column 8, which its annotation": SEGMENTS[1:],
    "segment 5 has the category 8, which is not listed": [segment(5, 8)],
    "`id` must lie between 1 and 16777215": [segment(2**24, 7)],
    "a segment must have a whole number as `id`": [{"category_id": 7}],
    "has segment 300 twice": [*SEGMENTS, SEGMENTS[0]],
    "`segments_info` must be a list": {"id": 1},
    "`iscrowd` must be 0 or 1": [segment(300, 7, iscrowd="perhaps")],
    "more than 998 things of the class sheep": [
        segment(number, 7) for number in range(1, 1000)
    ],
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_annotation_is_told_of(sentence, root):
    write(root, "train", BROKEN[sentence])
    with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
        reader_of(root).read(0)


def test_other_files_are_told_of(root):
    png = root / "annotations" / "panoptic_train" / "1.png"
    write_image(png, np.zeros((10, 12), np.uint8))
    with pytest.raises(InputError, match="must have 8 bits of red, green and blue"):
        reader_of(root).read(0)
    write_image(png, np.zeros((12, 10, 3), np.uint8))
    with pytest.raises(InputError, match=r"12x10 pixels .* its PNG file of segments"):
        reader_of(root).read(0)
    png.unlink()
    with pytest.raises(InputError, match=r"1\.png: does not exist"):
        reader_of(root)


def test_other_formats_are_told_of(root):
    table = root / "annotations" / "panoptic_train.json"
    whole = json.loads(table.read_text())
    for change, sentence in (
        ({"annotations": [{"image_id": 1, "file_name": "1.png"}]}, "of instances are"),
        ({"annotations": None}, "has no list `annotations`"),
        ({"categories": []}, "has no list `categories`"),
        ({"categories": [{"id": 7, "name": "sheep"}]}, "`isthing` of category 7"),
        ({"images": whole["images"] * 2}, "`images` has id 1 more than once"),
        ({"images": []}, "there is no image with this id"),
    ):
        table.write_text(json.dumps(whole | change))
        with pytest.raises(InputError, match=sentence):
            reader_of(root)
    table.unlink()
    with pytest.raises(InputError, match=r"There is no .*panoptic_train\.json"):
        reader_of(root)
    with pytest.raises(InputError, match="There is no folder nowhere"):
        reader_of("nowhere")


def test_parts_must_have_the_same_classes(root):
    write(root, "val", categories=CATEGORIES[::-1])
    with pytest.raises(InputError, match="other categories than that of training"):
        reader_of(root)


def test_images_may_lie_in_folders_and_have_the_names_of_cityscapes(root):
    table = root / "annotations" / "panoptic_train.json"
    content = json.loads(table.read_text())
    content["images"][0] |= {"id": "ulm_1", "file_name": "ulm_1_gtFine_leftImg8bit.png"}
    content["annotations"][0]["image_id"] = "ulm_1"
    table.write_text(json.dumps(content))
    (root / "images" / "train" / "1.jpg").rename(root / "elsewhere.jpg")
    image = np.full((10, 12, 3), 90, np.uint8)
    write_image(root / "images" / "train" / "ulm" / "ulm_1_leftImg8bit.png", image)
    assert reader_of(root).images.images[0].endswith("ulm/ulm_1_leftImg8bit.png")


def test_broken_samples_are_left_out_and_counted(root):
    other = write(root, "val", SEGMENTS[1:], name="2")
    write(root, "val")
    added = json.loads(other.read_text())
    added["images"].append({"id": 2, "file_name": "2.jpg"})
    added["annotations"].append(
        {"image_id": 2, "file_name": "2.png", "segments_info": SEGMENTS[1:]}
    )
    other.write_text(json.dumps(added))
    reader = reader_of(root, 1, on_error="skip")
    survey = survey_segments(reader)
    assert (survey.samples, survey.usable) == (2, 1)
    assert survey.counts == {"sheep": 2, "grass": 1}
    assert "up to 2 in an image, 0 images without any; 1 crowds" in survey.notes[0]
    assert "void, which does not count: 10.0 % of pixels" in survey.table()
    assert reader.read(1) is None


def test_nothing_to_learn_is_refused(root):
    write(root, "train", [], np.zeros((10, 12), int))
    with pytest.raises(InputError, match="no pixel counts"):
        check_segments(reader_of(root), "here")
    stuff = [{**each, "isthing": 0} for each in CATEGORIES]
    for part in ("train", "val"):
        write(root, part, categories=stuff)
    survey = survey_segments(reader_of(root))
    assert survey.warnings == (NO_THING,)
    assert survey.counts["sheep"] == 1  # both sheep are one segment of stuff


def test_classes_are_checked():
    with pytest.raises(InputError, match="`things` names an unknown class dog"):
        PanopticClasses(("cat",), ("dog",))
    with pytest.raises(InputError, match="one entry for each of 1 `names`"):
        PanopticClasses(("cat",), ids=(1, 2))
    with pytest.raises(InputError, match="each number once"):
        PanopticClasses(("cat", "dog"), ids=(1, 1))
    with pytest.raises(InputError, match="254 classes, got 255"):
        PanopticClasses(tuple(map(str, range(255))))
    classes = PanopticClasses(tuple(map(str, range(60))))
    assert len({tuple(color) for color in classes.colors}) == 60
    assert len({shades((200, 60, 60), number) for number in range(1, 6)}) == 5


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (PanopticModel, {"aspp": False}),
        (PanopticTrain, {"hardest_share": 0}),
        (PanopticTrain, {"sigma": 0}),
        (PanopticTrain, {"center_weight": -1}),
        (PanopticEvaluate, {"center_window": 4}),
        (PanopticEvaluate, {"most_things": 999}),
        (PanopticEvaluate, {"stuff_area": -1}),
        (PanopticSection, {"segments": ""}),
    ],
)
def test_settings_out_of_range_are_named(kind, values):
    (name,) = values
    with pytest.raises(InputError, match=name):
        kind(**values)


def test_drawn_scenes_are_a_data_set(tmp_path):
    draw_scene_data_set(tmp_path, train=12, validation=2)
    before = (tmp_path / "annotations" / "panoptic_train.json").stat().st_mtime_ns
    draw_scene_data_set(tmp_path, train=12, validation=2)
    table = tmp_path / "annotations" / "panoptic_train.json"
    assert table.stat().st_mtime_ns == before
    reader = reader_of(tmp_path)
    assert reader.images.classes.names == tuple(name for name, _, _ in CLASSES)
    survey = survey_segments(reader)
    assert all(survey.counts.values())
    assert not survey.broken
    assert "0 images without any" not in survey.notes[0]
    ids = [
        each["id"]
        for row in json.loads(table.read_text())["annotations"]
        for each in row["segments_info"]
    ]
    assert max(ids) > 2**16
