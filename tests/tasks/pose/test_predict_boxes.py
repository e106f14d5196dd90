"""Whom `predict` looks at: boxes of a detector, found by the ids of images."""

import json

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from hrnet_tf import InputError
from hrnet_tf.common.typed_yaml import write_config
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.keypoints.coco_scores import average_precision
from hrnet_tf.tasks.pose.config import DataSection, EvaluateSection
from hrnet_tf.tasks.pose.evaluator import PoseEvaluator
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.viewer import PoseViewer
from hrnet_tf.training.media import predict_files
from support.spots import COLORS, spot_image, spot_manifest, spot_network, write_crowd

IMAGE = spot_image((60, 80), [(30, 20), (20, 40), (50, 45)], radius=4)
NEAR, FAR = [10, 5, 50, 50], [20, 10, 30, 40]
NAN = float("nan")


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture
def look(predictor, tmp_path):
    """Predict on images with boxes: `look(names, boxes)` gives the entries."""

    def predict(names, boxes, data=None, threshold=0.0):
        folder, out = tmp_path / "images", tmp_path / "out"
        for name in names:
            write_image(folder / name, IMAGE)
        (tmp_path / "boxes.json").write_text(json.dumps(boxes))
        annotations = None if data is None else tmp_path / "annotations.json"
        if annotations:
            annotations.write_text(json.dumps(data))
        viewer = PoseViewer(
            predictor,
            tmp_path / "boxes.json",
            annotations=annotations,
            box_threshold=threshold,
        )
        predict_files(viewer, folder, out)
        return json.loads((out / "keypoints.json").read_text())

    return predict


def box(bbox=NEAR, **more):
    return {"bbox": bbox, "score": 0.5, **more}


def annotated(names, first=1, category=1):
    """Annotations of images of these names, with ids that go on from `first`."""
    return {
        "images": [
            {"id": number, "file_name": name, "width": 80, "height": 60}
            for number, name in enumerate(names, first)
        ],
        "annotations": [],
        "categories": [
            {"id": category, "name": "spots", "keypoints": list(COLORS.names)}
        ],
    }


def found(entries):
    return [(entry["image_id"], entry["bbox"]) for entry in entries]


# Which image a box is of


def test_annotations_say_whose_ids_are_whose(look, caplog):
    names = ["1.png", "2.png"]
    boxes = [box(NEAR, image_id=2, category_id=3), box(FAR, image_id=1, category_id=3)]
    data = annotated(["2.png", "1.png"], category=3)  # crosswise
    entries = look(names, boxes, data)
    assert found(entries) == [(2, NEAR), (1, FAR)]
    assert {entry["category_id"] for entry in entries} == {3}
    assert "2 boxes are of these images, 0 fit no image; 0 of 2 images" in caplog.text
    assert "guess" not in caplog.text


def test_images_that_annotations_do_not_know_are_counted(look, caplog):
    entries = look(["1.png", "2.png"], [box(image_id=1)], annotated(["1.png"]))
    assert found(entries) == [(1, NEAR)]
    assert "1 of 2 images are not in the annotations" in caplog.text


def test_an_image_of_another_size_than_annotated_is_skipped(look, caplog):
    data = annotated(["a.png", "b.png"])
    data["images"][0]["width"] = 60
    entries = look(["a.png", "b.png"], [box(image_id=1), box(image_id=2)], data)
    assert found(entries) == [(2, NEAR)]
    assert "has 80x60 pixels (width x height), its annotation says 60x60" in caplog.text


def test_entries_may_name_files(look):
    boxes = [box(file_name="a.png"), box(FAR, file_name="images/b.png", image_id=7)]
    assert found(look(["a.png", "b.png"], boxes)) == [("a.png", NEAR), (7, FAR)]


@pytest.mark.parametrize("name", ["other/a.png", "a.jpg", "ges/a.png", "/a.png"])
def test_a_file_of_another_folder_or_name_is_another_image(name, look, caplog):
    boxes = [box(file_name=name), box(file_name="b.png")]
    assert found(look(["a.png", "b.png"], boxes)) == [("b.png", NEAR)]
    assert f"1 fit no image (such as that of {name})" in caplog.text
    assert "1 of 2 images have no boxes" in caplog.text


def test_numbers_in_names_are_a_guess_that_is_told(look, caplog):
    names = ["000012.png", "frame_7_of_day_3.png"]
    boxes = [box(image_id=12), box(image_id=7), box(image_id=99)]
    entries = look(names, boxes)
    assert [number for number, _ in found(entries)] == [12, 7]
    assert "1 fit no image (such as that of image id 99)" in caplog.text
    assert "ids are guessed" in caplog.text


def test_numbers_that_are_several_images_are_not_used(look, caplog):
    names = ["1.png", "01.png", "1.bmp", "2.png"]
    entries = look(names, [box(image_id=1), box(image_id=2)])
    assert found(entries) == [(2, NEAR)]
    assert "1 ids are not used, such as 1" in caplog.text


def test_an_image_of_several_numbers_is_not_guessed(look, caplog):
    entries = look(["1_2.png", "3.png"], [box(image_id=i) for i in (1, 2, 3)])
    assert found(entries) == [(3, NEAR)]
    assert "2 ids are not used, such as 1" in caplog.text


def test_boxes_of_no_image_are_an_error(look, tmp_path):
    with pytest.raises(InputError, match=r"1 fit no image .*id 5.*--annotations FILE"):
        look(["street.png"], [box(image_id=5)])
    assert not (tmp_path / "out").exists()


def test_no_boxes_are_nobody(look, caplog):
    assert look(["1.png"], []) == []
    assert "0 boxes are of these images" in caplog.text


def test_known_images_may_have_no_boxes(look):
    assert look(["a.png"], [box(image_id=5)], annotated(["a.png"])) == []


# What is no box


BROKEN = {
    "no id": ({"image_id": None}, "needs `image_id` or `file_name`"),
    "no box": ({"bbox": None}, "`bbox` is missing"),
    "a box of three": ({"bbox": [1, 2, 3]}, r"\[x, y, width, height\], got"),
    "a box without area": ({"bbox": [1, 2, 0, 4]}, "has no area"),
    "a box of text": ({"bbox": "left"}, "x, y, width, height"),
    "a NaN": ({"bbox": [NAN, 1, 2, 3]}, "must hold four numbers"),
    "a number beyond float32": ({"bbox": [1, 1, 1e39, 3]}, "must hold four numbers"),
    "a boolean": ({"bbox": [True, 1, 2, 3]}, "must hold four numbers"),
    "a NaN score": ({"score": NAN}, "`score` must be a number, got nan"),
    "a text score": ({"score": "0.9"}, "`score` must be a number, got '0.9'"),
    "no score": ({"score": None}, "`score` must be a number, got None"),
    "a text category": ({"category_id": "1"}, "`category_id` must be an integer"),
    "a number as a name": ({"file_name": 5}, "`file_name` must be a path, got 5"),
}


@pytest.mark.parametrize(("change", "text"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_box_is_refused(change, text, look, tmp_path):
    boxes = [box(image_id=1), {**box(image_id=1), **change}]
    with pytest.raises(
        InputError, match=f"(?s)^{tmp_path}/boxes.json: .*box 1.*{text}"
    ):
        look(["1.png"], boxes)
    assert not (tmp_path / "out").exists()


def test_two_ids_of_one_file_are_refused(look):
    boxes = [box(file_name="a.png", image_id=1), box(file_name="a.png", image_id=2)]
    with pytest.raises(InputError, match=r"`image_id` 2 is not the one of .*a\.png"):
        look(["a.png"], boxes)


def test_an_id_and_a_name_of_two_images_are_refused(look):
    boxes = [box(file_name="a.png", image_id=2)]
    with pytest.raises(InputError, match=r"`image_id` 2 and .* are not of one image"):
        look(["a.png", "b.png"], boxes, annotated(["a.png", "b.png"]))


@pytest.mark.parametrize("image_id", ["1", True, [1], 1.5, 10**30])
def test_what_is_no_id_fits_no_image(image_id, look, caplog):
    boxes = [box(image_id=image_id), box(image_id=1)]
    assert found(look(["1.png"], boxes)) == [(1, NEAR)]
    assert "1 fit no image (such as that of image id" in caplog.text


@pytest.mark.parametrize("bbox", [[80, 5, 9, 9], [5, -9, 9, 9], [0, 0, 1e7, 1e7]])
def test_a_box_beyond_its_image_is_left_out_with_a_line(bbox, look, caplog):
    entries = look(["1.png"], [box(bbox, image_id=1), box(image_id=1)])
    assert found(entries) == [(1, NEAR)]
    assert "1 boxes are left out, such as box 0 of 1.png" in caplog.text


def test_corners_are_named(look, caplog):
    look(["1.png"], [box([10, 15, 75, 55], image_id=1)])
    assert "all 1 boxes fit their images as x, y, x, y" in caplog.text


def test_shares_of_an_image_are_named(look, caplog):
    look(["1.png"], [box([0.1, 0.2, 0.5, 0.6], image_id=1)])
    assert "all 1 boxes lie within one pixel: are they shares" in caplog.text


def test_other_categories_are_left_out_with_a_line(look, caplog):
    boxes = [box(image_id=1, category_id=2), box(FAR, image_id=1, category_id=1)]
    assert found(look(["1.png"], boxes)) == [(1, FAR)]
    assert "1 boxes of other categories than 1 (2) are left out" in caplog.text


def test_doubtful_boxes_are_left_out_with_a_line(look, caplog):
    boxes = [
        {"image_id": 1, "bbox": NEAR, "score": 0.29},
        {"image_id": 2, "bbox": NEAR, "score": 0.3},
        {"image_id": 3, "bbox": NEAR},  # sure, without a score
    ]
    entries = look(["1.png", "2.png", "3.png"], boxes, threshold=0.3)
    assert found(entries) == [(2, NEAR), (3, NEAR)]
    assert "1 boxes with a score below 0.3 are left out" in caplog.text


@pytest.mark.parametrize("content", ['{"boxes": []}', "[1]", "[", "9" * 5000])
def test_another_format_is_refused(content, predictor, tmp_path):
    (tmp_path / "boxes.json").write_text(content)
    with pytest.raises(InputError, match=r"boxes\.json (must hold|is no valid JSON)"):
        PoseViewer(predictor, tmp_path / "boxes.json")


def test_a_file_that_is_not_there_is_named(predictor, tmp_path):
    with pytest.raises(InputError, match=r"no file .*nowhere\.json"):
        PoseViewer(predictor, tmp_path / "nowhere.json")


# Frames


def test_a_video_has_boxes_by_the_number_of_a_frame(predictor, tmp_path, caplog):
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(tmp_path / "walk.avi"), code, 10.0, (80, 60))
    for _ in range(3):
        writer.write(IMAGE[..., ::-1])
    writer.release()
    boxes = [box(image_id=1), box(image_id=3), box(image_id=0, file_name="run.avi")]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    viewer = PoseViewer(predictor, tmp_path / "boxes.json")
    predict_files(viewer, tmp_path / "walk.avi", tmp_path / "out")
    assert found(viewer.entries) == [(1, NEAR)]
    assert "2 boxes fit no frame; 2 of 3 frames (numbered from 0)" in caplog.text


# The same as in evaluation


def test_prediction_and_evaluation_find_the_same_people(predictor, tmp_path, rng):
    crowd = write_crowd(tmp_path, rng)
    write_config(predictor.manifest.keypoints, tmp_path / "spots.yaml")
    data = DataSection(crowd, crowd, str(tmp_path / "spots.yaml"))
    settings = EvaluateSection(flip=False, refinement="none", nms_threshold=0.8)
    evaluator = PoseEvaluator(data, settings, predictor.manifest)
    same = PosePredictor.from_model(spot_network(), evaluator.manifest)
    judged = evaluator.evaluate(same)
    viewer = PoseViewer(
        same,
        crowd.boxes,
        annotations=crowd.annotations,
        box_threshold=crowd.box_threshold,
        settings=settings,
    )
    predict_files(viewer, crowd.images, tmp_path / "out")
    entries = json.loads((tmp_path / "out" / "keypoints.json").read_text())

    def in_order(results):
        return sorted(results, key=lambda entry: (entry["image_id"], entry["score"]))

    ours, theirs = in_order(entries), in_order(judged.results)
    assert 8 <= len(ours) == len(theirs) < 24  # some of 24 are suppressed
    for entry, other in zip(ours, theirs, strict=True):
        assert entry["image_id"] == other["image_id"]
        assert entry["category_id"] == other["category_id"]
        np.testing.assert_allclose(entry["keypoints"], other["keypoints"], atol=0.02)
        np.testing.assert_allclose(entry["score"], other["score"], atol=1e-3)
    sigmas = predictor.manifest.keypoints.sigmas
    coco = COCO(crowd.annotations)
    found = average_precision(coco, entries, 1, sigmas)
    assert found == pytest.approx(judged.statistics, abs=1e-3)
    assert found["AP"] > 0.5
