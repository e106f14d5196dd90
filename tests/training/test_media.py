import json

import cv2
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.viewer import PoseViewer
from hrnet_tf.training.media import predict_files
from support.spots import spot_image, spot_manifest, spot_network

IMAGE = spot_image((60, 80), [(30, 20), (20, 40), (50, 45)], radius=4)
EMPTY = np.zeros((50, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture
def source(tmp_path):
    """A folder of two images and a text."""
    folder = tmp_path / "images"
    write_image(folder / "000012.png", IMAGE)
    write_image(folder / "street.png", EMPTY)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def entries_in(out):
    return json.loads((out / "keypoints.json").read_text())


# Images


def test_an_image_is_drawn_and_its_person_written_down(predictor, source, out):
    summary = predict_files(PoseViewer(predictor), source / "000012.png", out)
    assert files_in(out) == ["000012.jpg", "keypoints.json"]
    assert (summary.folder, summary.images, summary.found) == (out, 1, 1)
    assert entries_in(out) == predictor.predict(IMAGE).to_coco(12)


def test_a_drawn_image_has_its_people_at_their_places(predictor, source, out):
    predict_files(PoseViewer(predictor), source / "000012.png", out)
    drawn = hrnet_tf.read_image(out / "000012.jpg")
    x, y = predictor.predict(IMAGE).keypoints[0, 1].round().astype(int)
    assert drawn.shape == (240, 320, 3)  # four times as large, to be looked at
    # Orange where it was green.
    assert IMAGE[y, x, 0] < 10 < 200 < drawn[4 * y + 1, 4 * x + 1, 0]


def test_scores_are_drawn_on_request(predictor, source, out):
    drawn = []
    for scores in (False, True):
        viewer = PoseViewer(predictor, scores=scores)
        predict_files(viewer, source / "000012.png", out / str(scores))
        drawn.append(hrnet_tf.read_image(out / str(scores) / "000012.jpg").astype(int))
    changed = (np.abs(drawn[0] - drawn[1]) > 60).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert 100 < changed.sum() < 2000  # a plate, in a corner of the box
    assert max(rows.max(), columns.max()) < 60


def test_a_folder_is_read_in_order_and_other_files_are_left_out(predictor, source, out):
    summary = predict_files(PoseViewer(predictor), source, out)
    assert files_in(out) == ["000012.jpg", "keypoints.json", "street.jpg"]
    assert [entry["image_id"] for entry in entries_in(out)] == [12, "street.png"]
    assert (summary.images, summary.found, summary.skipped) == (2, 2, [])


def test_images_that_differ_only_by_their_ending_are_all_drawn(predictor, out, source):
    write_image(source / "street.bmp", IMAGE)
    predict_files(PoseViewer(predictor), source, out)
    assert {"street.jpg", "street.png.jpg"} <= set(files_in(out))


def test_a_broken_image_is_skipped_with_a_reason(predictor, source, out):
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    summary = predict_files(PoseViewer(predictor), source, out)
    assert (summary.images, len(summary.skipped)) == (2, 1)
    assert "broken.jpg cannot be decoded" in summary.skipped[0]


def test_a_broken_image_that_was_asked_for_is_an_error(predictor, source, out):
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(hrnet_tf.InputError, match=r"broken\.jpg cannot be decoded"):
        predict_files(PoseViewer(predictor), source / "broken.jpg", out)
    assert not out.exists()


def test_a_folder_without_images_is_refused(predictor, tmp_path, out):
    with pytest.raises(hrnet_tf.InputError, match="no image in it; give an image"):
        predict_files(PoseViewer(predictor), tmp_path, out)


def test_a_path_where_nothing_is_is_refused(predictor, tmp_path, out):
    with pytest.raises(hrnet_tf.InputError, match="no such file or folder; give an"):
        predict_files(PoseViewer(predictor), tmp_path / "nowhere", out)


def test_images_that_cannot_be_read_at_all_are_an_error(predictor, source, out):
    for path in source.glob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(
        hrnet_tf.InputError, match=r"none of its 2 images can be read; .*000012\.png"
    ):
        predict_files(PoseViewer(predictor), source, out)
    assert not out.exists()


def test_images_of_one_number_have_their_names_as_ids(predictor, source, out):
    for name in ("12.png", "12.bmp", "7.png", "007.png", "8.png"):
        write_image(source / name, IMAGE)
    predict_files(PoseViewer(predictor), source, out)
    assert [entry["image_id"] for entry in entries_in(out)] == [
        "000012.png",
        "007.png",
        "12.bmp",
        "12.png",
        "7.png",
        8,
        "street.png",
    ]


def test_answers_that_are_not_finite_are_refused(predictor, source, out):
    def answer(crops):
        cells, scores = predictor.answer(crops)
        return cells, scores * np.nan

    dead = PosePredictor(answer, predictor.manifest)
    with pytest.raises(hrnet_tf.InputError, match="answers are not finite"):
        predict_files(PoseViewer(dead), source, out)
    assert not (out / "keypoints.json").exists()


# Videos


def write_video(path, frames, code="MJPG"):
    height, width = frames[0].shape[:2]
    fourcc = cv2.VideoWriter.fourcc(*code)
    writer = cv2.VideoWriter(str(path), fourcc, 10.0, (width, height))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()


def read_video(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (frame := capture.read()[1]) is not None:
        frames.append(frame[..., ::-1])
    return frames


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_a_video_that_breaks_off_is_told_of(share, predictor, tmp_path, out, caplog):
    path = tmp_path / "walk.avi"
    write_video(path, [IMAGE] * 20)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    summary = predict_files(PoseViewer(predictor), path, out)
    assert 2 < summary.images < 19
    expected = f"lacks frames: it promises 20, {summary.images} can be"
    assert caplog.text.count(expected) == 1


def test_a_video_with_frames_that_cannot_be_decoded(predictor, tmp_path, out, caplog):
    path = tmp_path / "walk.avi"
    write_video(path, [IMAGE] * 20)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle - 2000 : middle + 2000] = bytes(4000)
    path.write_bytes(content)
    summary = predict_files(PoseViewer(predictor), path, out)
    assert summary.images < 19
    assert "walk.avi breaks off or lacks frames: it promises 20," in caplog.text


def test_a_whole_video_does_not_break_off(predictor, tmp_path, out, caplog):
    for name, code in (("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "mp4v")):
        write_video(tmp_path / name, [IMAGE] * 20, code)
        predict_files(PoseViewer(predictor), tmp_path / name, out / name)
    assert "breaks off" not in caplog.text


def test_huge_frames_are_refused(predictor, tmp_path, out):
    write_video(tmp_path / "walk.avi", [IMAGE] * 3)
    with pytest.raises(hrnet_tf.InputError, match="has frames of 80x60 pixels"):
        predict_files(PoseViewer(predictor), tmp_path / "walk.avi", out, 80 * 60 - 1)


@pytest.mark.parametrize("name", ["walk.avi", "WALK.AVI"])
def test_every_frame_of_a_video_is_drawn(name, predictor, tmp_path, out):
    write_video(tmp_path / name, [IMAGE] * 5)
    summary = predict_files(PoseViewer(predictor), tmp_path / name, out)
    stem = name.split(".")[0]
    frames = read_video(out / f"{stem}.mp4")
    assert set(files_in(out)) == {f"{stem}.mp4", "keypoints.json"}
    assert [frame.shape for frame in frames] == [(240, 320, 3)] * 5
    assert (summary.images, summary.found) == (5, 5)


def test_frames_are_numbered_and_keep_their_pace(predictor, tmp_path, out):
    write_video(tmp_path / "walk.mp4", [IMAGE] * 3, "mp4v")
    predict_files(PoseViewer(predictor), tmp_path / "walk.mp4", out)
    capture = cv2.VideoCapture(str(out / "walk.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert [entry["image_id"] for entry in entries_in(out)] == [0, 1, 2]


def test_frames_of_odd_size_lose_their_last_row_and_column_at_most(
    predictor, tmp_path, out
):
    frame = np.tile(IMAGE[:59, :77], (6, 5, 1))[:353, :385]
    write_video(tmp_path / "walk.avi", [frame] * 2)
    predict_files(PoseViewer(predictor), tmp_path / "walk.avi", out)
    shapes = {frame.shape for frame in read_video(out / "walk.mp4")}
    assert shapes <= {(352, 384, 3), (353, 385, 3)}  # MPEG-4 stores pairs of pixels
    assert len(entries_in(out)) == 2


@pytest.mark.parametrize("content", [b"nothing", None])
def test_a_video_that_cannot_be_read_is_refused(content, predictor, tmp_path, out):
    if content is not None:
        (tmp_path / "walk.mp4").write_bytes(content)
    with pytest.raises(hrnet_tf.InputError, match=r"Video .*walk\.mp4 cannot be read"):
        predict_files(PoseViewer(predictor), tmp_path / "walk.mp4", out)


# Where it is written


def test_a_folder_with_something_in_it_is_not_written_to(predictor, source, out):
    out.mkdir()
    (out / "keypoints.json").write_text("older")
    with pytest.raises(hrnet_tf.InputError, match=r"out is there and not empty"):
        predict_files(PoseViewer(predictor), source, out)
    assert (out / "keypoints.json").read_text() == "older"


def test_a_file_is_not_taken_for_a_folder(predictor, source, out):
    out.write_text("older")
    with pytest.raises(hrnet_tf.InputError, match=r"out is there and not empty"):
        predict_files(PoseViewer(predictor), source, out)


def test_an_empty_folder_is_taken(predictor, source, out):
    out.mkdir()
    predict_files(PoseViewer(predictor), source, out)
    assert "keypoints.json" in files_in(out)


def test_without_a_folder_each_prediction_has_a_new_one(
    predictor, source, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    folders = [
        str(predict_files(PoseViewer(predictor), source / "street.png").folder)
        for _ in range(3)
    ]
    assert folders == [
        "predictions/street",
        "predictions/street-2",
        "predictions/street-3",
    ]
