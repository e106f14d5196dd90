"""COCO instance annotations: what is read, repaired, left out and refused."""

import json
import logging

import numpy as np
import pytest
from pycocotools import mask as run_lengths

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.coco_objects import CocoObjects
from hrnet_tf.tasks.detection.objects import Wanted
from hrnet_tf.tasks.keypoints.outlines import check_outline, pixels_inside
from support.objects import annotation, write_objects

SIZES = [(40, 60), (60, 40)]


def read(folder, annotations, sizes=SIZES, classes="", categories=None, **wanted):
    more = {} if categories is None else {"categories": categories}
    section = write_objects(folder, annotations, sizes, **more)
    return CocoObjects(section, classes, Wanted(**wanted))


def test_own_category_ids_become_labels_in_ascending_order(tmp_path):
    rows = [annotation(1, 1, (5, 6, 20, 10), 7), annotation(2, 1, (0, 0, 9, 9), 3)]
    part = read(tmp_path, rows)
    assert part.classes.names == ("plate", "cup")
    assert part.classes.category_ids == (3, 7)
    objects = part.objects()
    assert objects.labels[0].tolist() == [1, 0]
    assert objects.boxes[0].tolist() == [[5, 6, 25, 16], [0, 0, 9, 9]]
    assert len(objects) == 2
    assert not len(objects.boxes[1])  # an image without objects is there
    assert objects.boxes[1].shape == (0, 4)


def test_coco_has_its_80_classes():
    coco = ObjectClasses.read("coco")
    assert len(coco) == 80
    assert coco.label_of[1] == 0
    assert (coco.names[79], coco.category_ids[79]) == ("toothbrush", 90)
    assert coco.names[coco.label_of[37]] == "sports ball"


def test_some_of_the_categories_may_be_wanted(tmp_path, caplog):
    names = tmp_path / "wanted.txt"
    names.write_text("cup\n")
    rows = [annotation(1, 1, (5, 6, 20, 10), 7), annotation(2, 1, (0, 0, 9, 9), 3)]
    part = read(tmp_path, rows, classes=str(names))
    assert part.classes.category_ids == (7,)
    assert part.objects().labels[0].tolist() == [0]
    assert "1 annotations of categories that are not among the classes" in caplog.text
    assert sorted(part.ground_truth.anns) == [1]


def test_classes_that_the_file_has_otherwise_are_refused(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: mine\nnames: [plate]\nids: [7]\n")
    with pytest.raises(InputError, match=r"no plate with id 7 \(that is cup\)"):
        read(tmp_path, [annotation(1, 1, (5, 6, 20, 10))], classes=str(wrong))
    with pytest.raises(InputError, match="have no person"):
        read(tmp_path, [annotation(1, 1, (5, 6, 20, 10))], classes="coco")


BROKEN = {
    "outside": (annotation(5, 1, (70, 6, 20, 10)), "lies outside the image of 60x40"),
    "without area": (annotation(5, 1, (7, 6, 0, 10)), "has no area"),
    "negative": (annotation(5, 1, (7, 6, -3, 10)), "has no area"),
    "no box": (annotation(5, 1, (7, 6, 3, 3), bbox="7, 6"), "`bbox` must be"),
    "not finite": (annotation(5, 1, (7, 6, 3, 3), bbox=[1, 2, 1e400, 3]), "must hold"),
    "unknown category": (annotation(5, 1, (7, 6, 3, 3), 9), "category 9 is not listed"),
    "unknown image": (annotation(5, 8, (7, 6, 3, 3)), "there is no image with id 8"),
    "odd crowd": (annotation(5, 1, (7, 6, 3, 3), iscrowd="x"), "`iscrowd` must be"),
    "no mask": (annotation(5, 1, (7, 6, 3, 3), segmentation=[]), "has no mask"),
    "no points": (annotation(5, 1, (7, 6, 3, 3), segmentation=[[]]), "three pairs"),
    "other size": (
        annotation(5, 1, (7, 6, 3, 3), segmentation={"size": [9, 9], "counts": [81]}),
        "are of an image of",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_annotations_are_reported_or_skipped(tmp_path, case, caplog):
    row, told = BROKEN[case]
    rows = [annotation(1, 1, (5, 6, 20, 10)), row]
    with pytest.raises(InputError, match=told) as failure:
        read(tmp_path, rows, masks=True).objects()
    assert "annotation 5" in str(failure.value)
    assert "annotations.json" in str(failure.value)
    caplog.set_level(logging.WARNING)
    part = read(tmp_path, rows, masks=True, on_error="skip")
    assert [len(boxes) for boxes in part.objects().boxes] == [1, 0]
    assert "1 broken samples skipped" in caplog.text
    assert sorted(part.ground_truth.anns) == [1]  # nor is it judged
    assert len(part.broken) == 1


def test_boxes_alone_need_no_masks(tmp_path):
    row = annotation(1, 1, (5, 6, 20, 10))
    del row["segmentation"], row["area"], row["iscrowd"]
    part = read(tmp_path, [row], training=True)
    assert part.objects().outlines == [[None]]
    assert part.ground_truth.anns[1]["area"] == 200
    assert any("`area` is missing" in line for line in part.notes)


def test_what_teaches_nothing_is_left_out_of_training_only(tmp_path, caplog):
    rows = [
        annotation(1, 1, (5, 6, 20, 10)),
        annotation(2, 1, (5, 6, 0.5, 10)),
        annotation(3, 1, (5, 6, 20, 10), area=0),
        annotation(4, 1, (5, 6, 20, 10), ignore=1),
        annotation(5, 1, (5, 6, 20, 10), iscrowd=1),
        annotation(6, 2, (5, 6, 20, 10), iscrowd=1),
        annotation(7, 4, (5, 6, 20, 10)),
        annotation(8, 3, (59, 39, 1, 1)),
    ]
    sizes = [(40, 60), (60, 40), (40, 60), (31, 60)]
    objects = read(tmp_path, rows, sizes, training=True).objects()
    assert objects.images.image_ids.tolist() == [1, 3]
    assert objects.crowds[0].tolist() == [False, True]
    assert objects.boxes[1].tolist() == [[59, 39, 60, 40]]  # one pixel is an object
    for told in (
        "1 times: boxes are narrower or lower than 1 pixel",
        "1 times: annotations have an `area` that is not above 0",
        "1 times: annotations say `ignore`",
        "1 times: images have no objects",
        "1 times: images have a side of less than 32 pixels",
    ):
        assert told in caplog.text
    everything = read(tmp_path, rows, sizes).objects()
    assert [len(boxes) for boxes in everything.boxes] == [5, 1, 1, 1]
    kept = read(tmp_path, rows[:5], training=True, empty=True).objects()
    assert [len(boxes) for boxes in kept.boxes] == [2, 0]


def test_images_that_are_missing_or_empty_are_reported_or_skipped(tmp_path):
    rows = [annotation(1, 1, (5, 6, 20, 10)), annotation(2, 2, (5, 6, 20, 10))]
    section = write_objects(tmp_path, rows, SIZES, files=[2])
    with pytest.raises(InputError, match=r"2\.png \(image id 2\): the image file does"):
        CocoObjects(section).objects()
    (tmp_path / "images" / "2.png").write_bytes(b"")
    part = CocoObjects(section, "", Wanted(on_error="skip"))
    assert len(part.objects()) == 1
    assert part.unread == {2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no valid JSON"),
        ("[]", "has no list `images`"),
        ('{"images": [], "annotations": [], "categories": []}', "`categories` is"),
    ],
)
def test_empty_files_are_refused(tmp_path, text, told):
    section = write_objects(tmp_path, [], [])
    (tmp_path / "annotations.json").write_text(text)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=told):
        CocoObjects(section).objects()


def test_a_thousand_boxes_are_read(tmp_path):
    rows = [annotation(n + 1, 1, (n % 50, n % 30, 3, 3)) for n in range(1000)]
    assert len(read(tmp_path, rows).objects().boxes[0]) == 1000


def test_two_categories_of_one_name_are_refused(tmp_path):
    both = [{"id": 3, "name": "cup"}, {"id": 7, "name": "cup"}]
    with pytest.raises(InputError, match="cup is there twice"):
        read(tmp_path, [], categories=both)


def test_all_forms_of_outlines_are_the_same_pixels():
    polygon = [[2, 3, 12, 3, 12, 9, 2, 9]]
    packed = run_lengths.merge(run_lengths.frPyObjects(polygon, 20, 15))
    pixels = run_lengths.decode(packed).astype(bool)
    flat = pixels.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    text = packed["counts"].decode()
    for outline in (
        polygon,
        {"size": [20, 15], "counts": counts},
        {"size": [20, 15], "counts": text},
    ):
        found = pixels_inside(check_outline(outline, (20, 15)), (20, 15))
        np.testing.assert_array_equal(found, pixels)
    assert pixels[3:9, 2:12].all()
    assert pixels.sum() == 60


@pytest.mark.parametrize("text", ["zzzz", "é", "0", "PPPP", ""])
def test_damaged_run_lengths_are_refused(text):
    # pycocotools would read beyond them.
    with pytest.raises(InputError, match="run lengths"):
        check_outline({"size": [10, 10], "counts": text}, (10, 10))


def test_annotations_stay_as_they_are_in_the_file(tmp_path):
    rows = [annotation(1, 1, (5, 6, 20, 10))]
    read(tmp_path, rows)
    written = json.loads((tmp_path / "annotations.json").read_text())
    assert written["annotations"] == rows
