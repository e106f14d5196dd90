"""What is found in images: pixels of masks, pictures, results, and how good it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as run_lengths
from scipy.io import savemat

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import write_json
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.base.behind_detector import BoxFinder
from hrnet_tf.tasks.detection import masks
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.config import DetectionData, DetectionEvaluate
from hrnet_tf.tasks.detection.drawing import class_color, draw_objects, show_objects
from hrnet_tf.tasks.detection.evaluator import DetectionEvaluator
from hrnet_tf.tasks.detection.manifest import (
    DetectionManifest,
    ObjectInput,
    ObjectOutput,
)
from hrnet_tf.tasks.detection.padding import sizes_without_padding
from hrnet_tf.tasks.detection.pasting import paste
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.tasks.detection.result import FoundObjects
from hrnet_tf.tasks.detection.viewer import DetectionViewer
from support.objects import annotation, write_objects
from support.official import read_arrays

CLASSES = ObjectClasses("table", ("plate", "cup"), (3, 7))
RECORD = read_arrays("detection", "masks")


def bits(name, shape):
    height, width = RECORD[shape].tolist()
    rows = np.unpackbits(RECORD[name], axis=1)[:, : height * width]
    return rows.reshape(-1, height, width).astype(bool)


@pytest.mark.parametrize("kind", ["original", "resized"])
def test_masks_are_pasted_as_the_record_has_it(kind):
    wanted = bits(f"paste/{kind}_masks", f"paste/{kind}_shape")
    unsure = bits(f"paste/{kind}_near_half", f"paste/{kind}_shape")
    boxes = RECORD["paste/boxes"].astype(np.float32)
    if kind == "original":
        boxes = boxes / RECORD["paste/scale_factor"]
    boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    logits = RECORD["paste/logits"][np.arange(9), RECORD["paste/labels"]]
    for index, own in enumerate(1 / (1 + np.exp(-logits))):
        found = paste(own, boxes[index], wanted[index].shape)
        off = found != wanted[index]
        assert not (off & ~unsure[index]).any()
    assert wanted.sum() > 1000


def test_graphs_paste_the_same_pixels():
    maps = 1 / (1 + np.exp(-RECORD["paste/logits"][:, 0]))
    corners = RECORD["paste/boxes"].astype(np.float32)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    size = tuple(RECORD["paste/resized_shape"].tolist())
    together = masks.paste(maps, corners, size).numpy()
    for own, box, wanted in zip(maps, boxes, together, strict=True):
        assert (paste(own, box, size) != wanted).sum() <= 1  # where it is one half
    assert together.sum() > 1000


def test_results_are_those_of_the_record():
    """Run lengths, areas and boxes of masks, by way of COCO's result format."""
    height, width = RECORD["paste/original_shape"].tolist()
    logits = RECORD["paste/logits"][np.arange(9), RECORD["paste/labels"]]
    corners = RECORD["paste/boxes"] / RECORD["paste/scale_factor"]
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    names = ObjectClasses("three", ("a", "b", "c"))
    found = FoundObjects(
        boxes,
        np.linspace(0.9, 0.1, 9, dtype=np.float32),
        RECORD["paste/labels"],
        names,
        (height, width),
        1 / (1 + np.exp(-logits)),
    )
    entries = found.to_coco(12)
    exact = ~bits("paste/original_near_half", "paste/original_shape").any(axis=(1, 2))
    assert exact.sum() >= 5
    for index in np.flatnonzero(exact):
        outline = entries[index]["segmentation"]
        assert outline["counts"] == RECORD["paste/rle"][index]
        area = run_lengths.area({**outline, "counts": outline["counts"].encode()})
        assert area == RECORD["paste/rle_area"][index]
    assert entries[0]["image_id"] == 12
    assert entries[0]["category_id"] == 1 + RECORD["paste/labels"][0]
    json.dumps(entries)


def objects(boxes, labels, scores=None, size=(60, 80), maps=None):
    count = len(boxes)
    scores = np.linspace(0.9, 0.5, count) if scores is None else scores
    return FoundObjects(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(labels, np.int64),
        CLASSES,
        size,
        maps,
    )


def test_found_objects_can_be_chosen():
    found = objects([(1, 2, 30, 20), (5, 5, 9, 9), (8, 8, 3, 3)], [1, 0, 1])
    assert found.names == ("cup", "plate", "cup")
    assert len(found.above(0.7)) == 2
    assert found.of_class("cup").boxes.tolist() == [[1, 2, 30, 20], [8, 8, 3, 3]]
    with pytest.raises(ValueError, match="no class 'fork'"):
        found.of_class("fork")
    with pytest.raises(ValueError, match="boxes alone"):
        found.mask(0)
    with pytest.raises(ValueError, match="`scores` must be"):
        replace(found, scores=found.scores[:1])


def test_boxes_and_masks_are_drawn_in_the_colour_of_the_class():
    maps = np.ones((2, 28, 28), np.float32)
    image = np.full((200, 240, 3), 120, np.uint8)
    found = objects(
        [(20, 40, 80, 60), (150, 120, 50, 60)], [0, 1], (0.9, 0.8), (200, 240), maps
    )
    picture = draw_objects(image, found)
    assert picture.shape == image.shape
    assert tuple(picture[70, 20]) == class_color(0)  # on the box's left side
    assert tuple(picture[150, 150]) == class_color(1)
    blended = 120 + 0.45 * (np.array(class_color(0)) - 120)
    np.testing.assert_allclose(picture[80, 60], blended, atol=1)
    assert (picture[5, 5] == 120).all()
    plain = draw_objects(image, replace(found, maps=None))
    assert (plain[80, 60] == 120).all()
    assert (image == 120).all()


def test_colours_of_classes_differ():
    colors = np.array([class_color(label) for label in range(80)], float)
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert apart[~np.eye(80, dtype=bool)].min() > 1
    assert apart[:10, :10][~np.eye(10, dtype=bool)].min() > 40


def test_labels_stay_in_the_picture_and_off_one_another():
    image = np.zeros((300, 400, 3), np.uint8)
    boxes = [(0, 0, 100, 90), (2, 2, 96, 86), (330, 280, 70, 20), (-9, -9, 30, 30)]
    found = objects(boxes, [0, 0, 1, 1], size=(300, 400))
    picture = draw_objects(image, found)
    plates = (picture == class_color(0)).all(axis=-1).sum()
    assert plates > 2 * 60 * 18  # two plates that are seen whole


def test_small_images_are_enlarged_and_empty_ones_say_so():
    image = np.zeros((60, 80, 3), np.uint8)
    assert show_objects(image, objects([], [])).shape == (480, 640, 3)
    assert show_objects(image, objects([], [])).any()
    maps = np.ones((1, 28, 28), np.float32)
    drawn = show_objects(image, objects([(8, 8, 20, 20)], [0], maps=maps))
    assert drawn[20 * 8, 20 * 8].any()


MANIFEST = DetectionManifest(
    "stand-in", ObjectInput(64, 96), ObjectOutput(), CLASSES, (96, 64)
)
SIZES = [(40, 60), (60, 40), (50, 80)]
BOXES = {(40, 60): (6, 8, 30, 20), (60, 40): (10, 10, 20, 40), (50, 80): (5, 5, 50, 30)}


def answering(found, places=4):
    """A network that answers the same of all images of a size, in its own pixels.

    Its `found` is of sizes that the network sees: x1, y1, x2, y2, score, label.
    """

    def network(images):
        sizes = sizes_without_padding(images).numpy()
        assert images.dtype == tf.float32
        assert not (np.array(images.shape[1:3]) % 32).any()
        count = len(sizes)
        boxes, scores = np.zeros((count, places, 4)), np.zeros((count, places))
        labels, counts = np.zeros((count, places), int), np.zeros(count, int)
        for row, size in enumerate(sizes.tolist()):
            own = found(tuple(size))
            counts[row] = len(own)
            for place, (*box, score, label) in enumerate(own):
                boxes[row, place], scores[row, place] = box, score
                labels[row, place] = label
        answer = {"boxes": boxes, "scores": scores}
        answer = {name: tf.constant(v, tf.float32) for name, v in answer.items()}
        answer["labels"] = tf.constant(labels, tf.int32)
        answer["counts"] = tf.constant(counts, tf.int32)
        return answer | {"masks": tf.ones((count, places, 28, 28))}

    return network


def right(size):
    """What is annotated, as the network sees it."""
    for before, (x, y, width, height) in BOXES.items():
        factor = min(96 / max(before), 64 / min(before))
        fitted = [int(side * factor + 0.5) for side in before]
        if list(size) == fitted:
            fx, fy = fitted[1] / before[1], fitted[0] / before[0]
            box = (x * fx, y * fy, (x + width) * fx, (y + height) * fy)
            return [(*box, 0.9, 0)]
    raise AssertionError(size)


def with_a_wrong_one(size):
    return [*right(size), (0, 0, 9, 9, 0.95, 1)]


def data_of(folder, **more):
    folder.mkdir(exist_ok=True)
    rows = [
        annotation(number, number, BOXES[size]) for number, size in enumerate(SIZES, 1)
    ]
    section = write_objects(folder, rows, SIZES)
    return DetectionData(section, section, scale=(96, 64), **more)


def test_boxes_are_in_pixels_of_the_image():
    predictor = DetectionPredictor.from_network(answering(right), MANIFEST)
    images = [np.zeros((*size, 3), np.uint8) for size in SIZES]
    for size, found in zip(SIZES, predictor.predict_several(images), strict=True):
        np.testing.assert_allclose(found.boxes, [BOXES[size]], atol=1e-4)
        assert found.names == ("plate",)
        assert found.size == size
        assert found.maps is None
    fixed = replace(MANIFEST, input=ObjectInput(64, 96, any_size=False))
    predictor = DetectionPredictor.from_network(answering(lambda _: []), fixed)
    assert predictor.padded_size((60, 40)) == (64, 96)
    assert predictor.fitted_size((60, 40)) == (64, 43)
    assert len(predictor.predict(images[1])) == 0


def test_it_finds_boxes_for_models_that_look_at_them():
    predictor = DetectionPredictor.from_network(answering(with_a_wrong_one), MANIFEST)
    assert isinstance(predictor, BoxFinder)
    assert predictor.class_names == ("plate", "cup")
    boxes, scores = predictor.boxes_of(np.zeros((40, 60, 3), np.uint8), "plate")
    np.testing.assert_allclose(boxes, [BOXES[(40, 60)]], atol=1e-4)
    np.testing.assert_allclose(scores, [0.9])


def test_numbers_that_are_not_finite_are_refused():
    def broken(size):
        return [(np.nan, 0, 9, 9, 0.5, 1)]

    predictor = DetectionPredictor.from_network(answering(broken), MANIFEST)
    with pytest.raises(InputError, match="not finite"):
        predictor.predict(np.zeros((40, 60, 3), np.uint8))


@pytest.mark.parametrize("with_masks", [False, True])
def test_what_is_right_is_judged_so(tmp_path, with_masks):
    manifest = replace(MANIFEST, masks=with_masks)
    evaluator = DetectionEvaluator(data_of(tmp_path), DetectionEvaluate(2), manifest)
    predictor = DetectionPredictor.from_network(answering(right), evaluator.manifest)
    found = evaluator.evaluate(predictor)
    assert found.statistics["AP"] == pytest.approx(1)
    assert ("mask_AP" in found.statistics) == with_masks
    if with_masks:
        assert found.statistics["mask_AP"] == pytest.approx(1)
    assert found.worst is None
    assert "plate" in found.table()
    found.write_details(tmp_path / "scores.json")
    results = json.loads((tmp_path / "scores_results.json").read_text())
    assert [entry["image_id"] for entry in results] == [1, 3, 2]  # by size
    assert ("segmentation" in results[0]) == with_masks
    assert (tmp_path / "scores_precision.png").is_file()
    assert "box,plate,1" in (tmp_path / "scores_classes.csv").read_text()
    assert evaluator.draw(predictor).shape[2] == 3
    assert evaluator.samples()["crops"].shape == (3, 64, 96, 3)
    assert evaluator.survey().counts == {"plate": 3, "cup": 0}


def test_what_is_wrong_is_judged_so_and_shown(tmp_path):
    evaluator = DetectionEvaluator(data_of(tmp_path), DetectionEvaluate(), MANIFEST)
    network = answering(with_a_wrong_one)
    predictor = DetectionPredictor.from_network(network, evaluator.manifest)
    found = evaluator.evaluate(predictor)
    assert found.boxes.mistakes == {1: 1, 2: 1, 3: 1}
    assert found.worst is not None
    found.write_details(tmp_path / "scores.json")
    assert (tmp_path / "scores_worst.jpg").is_file()


def test_images_that_cannot_be_read_are_not_judged(tmp_path):
    data = data_of(tmp_path, on_error="skip")
    evaluator = DetectionEvaluator(data, DetectionEvaluate(), MANIFEST)
    (tmp_path / "images" / "1.png").write_bytes(b"broken")
    predictor = DetectionPredictor.from_network(answering(right), evaluator.manifest)
    found = evaluator.evaluate(predictor)
    assert found.unread == (1,)
    assert found.statistics["AP"] == pytest.approx(1)
    for number in (2, 3):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"broken")
    with pytest.raises(InputError, match="none of 3 samples can be read"):
        evaluator.evaluate(predictor)


def test_classes_of_the_model_must_be_in_the_file(tmp_path):
    other = replace(MANIFEST, classes=ObjectClasses("other", ("fork",), (3,)))
    with pytest.raises(InputError, match="no fork with id 3"):
        DetectionEvaluator(data_of(tmp_path), DetectionEvaluate(), other)


def test_faces_are_judged_by_their_own_metric(tmp_path):
    images, list_file = tmp_path / "images", tmp_path / "list.txt"
    lines = []
    for number, size in enumerate(SIZES, 1):
        name = f"0--Parade/{number}.jpg"
        write_image(images / name, np.full((*size, 3), 99, np.uint8))
        lines += [name, "1", " ".join(map(str, BOXES[size])) + " 0 0 0 0 0 0"]
    list_file.write_text("\n".join(lines) + "\n")
    faces, files, marks = (np.empty((1, 1), object) for _ in range(3))
    inner = [np.empty((3, 1), object) for _ in range(3)]
    for row, size in enumerate(SIZES):
        inner[0][row, 0] = np.array([BOXES[size]])
        inner[1][row, 0] = str(row + 1)
        inner[2][row, 0] = np.array([[1]])
    for cells, own in zip((faces, files, marks), inner, strict=True):
        cells[0, 0] = own
    events = np.empty((1, 1), object)
    events[0, 0] = "0--Parade"
    content = {"event_list": events, "file_list": files, "face_bbx_list": faces}
    savemat(tmp_path / "wider_face_val.mat", content)
    for subset in ("easy", "medium", "hard"):
        savemat(tmp_path / f"wider_{subset}_val.mat", {"gt_list": marks})
    data = data_of(tmp_path / "unused", format="wider_face")
    section = replace(
        data.validation,
        annotations=str(list_file),
        images=str(images),
        subsets=str(tmp_path),
    )
    data = replace(data, train=section, validation=section, classes="face")
    manifest = replace(MANIFEST, classes=ObjectClasses.read("face"))
    evaluator = DetectionEvaluator(data, DetectionEvaluate(), manifest)
    predictor = DetectionPredictor.from_network(answering(right), evaluator.manifest)
    found = evaluator.evaluate(predictor)
    assert [found.statistics[name] for name in ("easy", "medium", "hard")] == [1, 1, 1]
    assert found.statistics["AP"] == pytest.approx(1)
    assert "medium" in found.table()


def test_a_viewer_draws_what_is_sure_and_writes_all(tmp_path):
    def two(size):
        return [(0, 0, 20, 20, 0.9, 1), (30, 30, 50, 50, 0.1, 0)]

    predictor = DetectionPredictor.from_network(answering(two), MANIFEST)
    viewer = DetectionViewer(predictor, 0.3)
    picture = viewer.look("a.jpg", 4, np.zeros((60, 40, 3), np.uint8))
    assert picture.any()
    assert [entry["category_id"] for entry in viewer.entries] == [7, 3]
    assert "1 objects with a score of at least 0.3 (2 with any)" in viewer.count()
    write_json(tmp_path / viewer.file_name, viewer.entries)


def test_a_manifest_is_written_and_read(tmp_path):
    text = json.loads(MANIFEST.as_json())
    assert text["task"] == "detection"
    assert text["classes"]["ids"] == [3, 7]
    assert MANIFEST.class_names == ("plate", "cup")
