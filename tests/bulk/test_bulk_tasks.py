"""Every task: what a part says of an image is what its predictor in Python says."""

import io

import cv2
import numpy as np
import pyarrow as pa
import pytest

from hrnet_tf.bulk.sources import find_pieces
from hrnet_tf.bulk.tables import schema_of
from hrnet_tf.bulk.worker import outcomes_of
from hrnet_tf.common.reading import Reading
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import TASKS, make_viewer, parts_of, usual_options
from hrnet_tf.tasks.base.viewer import Viewer
from support.served import IMAGES


def points_of(row, name):
    values = [[[p["x"], p["y"], p["score"]] for p in each[name]] for each in row]
    return np.array(values).reshape(len(row), -1, 3)


def boxes_of(row):
    return np.array([list(each["box"].values()) for each in row]).reshape(-1, 4)


def check_points(row, name, found, points):
    assert len(row) == len(found) > 0
    values = points_of(row, name)
    np.testing.assert_allclose(values[..., :2], points, atol=1e-2)
    np.testing.assert_allclose(values[..., 2], found.scores, atol=1e-4)
    np.testing.assert_allclose(boxes_of(row), found.boxes, atol=1e-2)


def check_pose(row, found):
    check_points(row["people"], "keypoints", found, found.keypoints)


def check_people(row, found):
    check_pose(row, found)
    scores = [person["score"] for person in row["people"]]
    np.testing.assert_allclose(scores, found.person_scores, atol=1e-4)


def check_faces(row, found):
    check_points(row["faces"], "landmarks", found, found.landmarks)


def check_objects(row, found):
    objects = row["objects"]
    assert [each["name"] for each in objects] == list(found.names)
    assert len(objects) > 0
    np.testing.assert_allclose(boxes_of(objects), found.boxes, atol=1e-2)
    scores = [each["score"] for each in objects]
    np.testing.assert_allclose(scores, found.scores, atol=1e-4)


def check_class(row, found):
    assert row["label"] == found.label
    np.testing.assert_allclose(row["probabilities"], found.probabilities, rtol=1e-4)
    assert row["probability"] == pytest.approx(found.probabilities.max(), rel=1e-4)


def check_labels(row, found):
    encoded = np.frombuffer(row["labels"], np.uint8)
    assert cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED).shape[:2] == found.labels.shape
    shares = {each["class"]: each["share"] for each in row["shares"]}
    assert shares == pytest.approx(found.shares(), abs=1e-3)
    assert row["mean_confidence"] == pytest.approx(found.confidence.mean(), abs=1e-4)


def check_segments(row, found):
    encoded = np.frombuffer(row["panoptic"], np.uint8)
    assert cv2.imdecode(encoded, cv2.IMREAD_COLOR).shape[:2] == found.segments.shape
    areas = {each["id"]: each["area"] for each in row["segments"]}
    expected = {each["id"]: each["area"] for each in found.segments_info()}
    assert areas == pytest.approx(expected, abs=8)
    assert {each["class"] for each in row["segments"]} == set(found.counts())


def check_values(row, found):
    values = np.load(io.BytesIO(row["values"]))
    np.testing.assert_allclose(values, found.values, rtol=1e-3, atol=1e-4)
    for each in row["statistics"]:
        expected = found.statistics()[each["channel"]]
        assert each["max"] == pytest.approx(expected["max"], rel=1e-3)


CHECKS = {
    "pose": check_pose,
    "bottom_up": check_people,
    "landmarks": check_faces,
    "detection": check_objects,
    "classification": check_class,
    "segmentation": check_labels,
    "panoptic": check_segments,
    "regression": check_values,
}


def test_every_task_is_looked_at():
    assert CHECKS.keys() == TASKS.keys()


@pytest.fixture
def folder(tmp_path):
    for number, image in enumerate([*IMAGES, IMAGES[0][:, ::-1]]):
        write_image(tmp_path / f"{number}.png", image)
    return tmp_path


@pytest.mark.parametrize("task", CHECKS)
def test_rows_are_what_the_predictor_says(task, networks, folder, unimproved):
    model, manifest = networks[task]
    predictor = parts_of(manifest).predictor.from_model(model, manifest)
    viewer = make_viewer(predictor, **usual_options(manifest))
    (piece,) = find_pieces(str(folder), 10)
    found = [row for rows in outcomes_of(viewer, piece, Reading()) for row in rows]
    # Through Arrow, which holds them to their types.
    table = pa.Table.from_pylist(found, schema_of(parts_of(manifest).columns))
    assert table.column_names[:3] == ["path", "width", "height"]
    for row in table.to_pylist():
        assert row["error"] is None
        CHECKS[task](row, predictor.predict(folder / row["path"]))


class NoteViewer(Viewer):
    """Of a task of one's own, without columns."""

    file_name = "notes.json"

    def look(self, name, image_id, image):
        self.entries.append({"image_id": image_id, "mean": float(image.mean())})
        return image

    def count(self):
        return "some"


def test_a_viewer_of_ones_own_answers_in_json(networks, folder):
    model, manifest = networks["pose"]
    predictor = parts_of(manifest).predictor.from_model(model, manifest)
    (piece,) = find_pieces(str(folder), 10)
    rows = [
        r for rows in outcomes_of(NoteViewer(predictor), piece, Reading()) for r in rows
    ]
    expected = f'[{{"image_id": "0.png", "mean": {float(IMAGES[0].mean())}}}]'
    assert rows[0]["answer"] == expected
    assert rows[0]["width"] == IMAGES[0].shape[1]
