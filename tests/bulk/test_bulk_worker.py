"""Parts, done here: rows equal predictions, errors are rows, deaths are counted."""

import io
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import hrnet_tf
from hrnet_tf.bulk import worker
from hrnet_tf.bulk.job import Job
from hrnet_tf.bulk.predict_many import _forget_deaths
from hrnet_tf.bulk.sources import find_pieces
from hrnet_tf.bulk.trial import GOOD, LENGTH, Trial, answer
from hrnet_tf.bulk.worker import PartWorker
from hrnet_tf.common.reading import Reading
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.viewer import PoseViewer
from support.spots import spot_image, spot_manifest, spot_network


@pytest.fixture(scope="module")
def predictor():
    return PosePredictor.from_model(spot_network(), spot_manifest())


@pytest.fixture
def images(rng, tmp_path):
    """A folder of twelve good images and three that are broken."""
    for number in range(12):
        image = spot_image((60, 80), rng.integers(10, 50, (3, 2)), radius=4)
        write_image(tmp_path / "in" / f"{number:02d}.png", image)
    (tmp_path / "in" / "03x.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "in" / "05x.png").write_bytes(b"")
    write_image(tmp_path / "in" / "07x.png", np.zeros((200, 300, 3), np.uint8))
    return tmp_path / "in"


@pytest.fixture
def do(images, predictor, monkeypatch, tmp_path):
    """Do the only part of those images; gives what the worker says and the rows."""
    (piece,) = find_pieces(str(images), 20)
    job = Job(*[""] * 4, (), False, 20_000, "", "", 15, str(tmp_path / "out"))
    name = piece.name(0)

    def work(viewer=None, before=None):
        viewer = viewer or PoseViewer(predictor)
        reading = Reading(pixel_limit=job.pixel_limit)
        monkeypatch.setattr(worker, "open_viewer", lambda job: (viewer, reading))
        made = PartWorker(job)
        if before is not None:
            made.folder.write_text(f"_begun/{name}.txt", before)
        said = made({"name": np.array([name]), "piece": np.array([piece.as_json()])})
        path = tmp_path / "out" / name
        rows = pd.read_parquet(path) if path.exists() else None
        return {key: value[0] for key, value in said.items()}, rows

    return work


def test_rows_are_what_the_predictor_answers(do, images, predictor):
    said, rows = do()
    assert (said["images"], said["errors"], said["lacks"]) == (15, 3, "")
    assert list(rows["path"]) == sorted(path.name for path in images.iterdir())
    good = rows[rows["error"].isna()]
    assert len(good) == 12
    for row in good.itertuples():
        expected = predictor.predict(images / row.path)
        assert (row.width, row.height) == (80, 60)
        (person,) = row.people
        points = np.array([[p["x"], p["y"], p["score"]] for p in person["keypoints"]])
        np.testing.assert_allclose(points[:, :2], expected.keypoints[0], atol=1e-4)
        np.testing.assert_allclose(points[:, 2], expected.scores[0], rtol=1e-5)
        assert list(person["box"].values()) == expected.boxes[0].tolist()
        assert person["score"] == pytest.approx(expected.totals[0], abs=1e-5)


def test_broken_images_are_rows_with_a_sentence(do):
    _, rows = do()
    said = rows.set_index("path")["error"].dropna()
    assert "Image 03x.jpg cannot be decoded: it is broken" in said["03x.jpg"]
    assert "Image 05x.png cannot be decoded" in said["05x.png"]
    assert "300x200 pixels (width x height)" in said["07x.png"]
    assert rows.set_index("path").loc["05x.png", "people"] is None


def test_an_answer_that_is_not_finite_costs_its_image_alone(do, predictor):
    def answer(crops):
        cells, scores = predictor.answer(crops)
        return cells, np.where((np.arange(len(crops)) == 2)[:, None], np.nan, scores)

    said, rows = do(PoseViewer(PosePredictor(answer, predictor.manifest)))
    assert said["errors"] == 3  # alone, no crop is the third
    answers = PosePredictor(lambda crops: (crops[:, :3, 0, :2] * np.nan,) * 2, None)
    answers.manifest = predictor.manifest
    broken = PosePredictor(
        lambda crops: (predictor.answer(crops)[0], np.full((len(crops), 3), np.nan)),
        predictor.manifest,
    )
    said, rows = do(PoseViewer(broken))
    assert said["errors"] == 15
    assert "answers are not finite" in rows["error"][0]


class Deadly(Trial):
    """A process that dies of images larger than two kilobytes, quick to start."""

    def _start(self):
        program = (
            "import os, struct, sys\n"
            "while header := sys.stdin.buffer.read(8):\n"
            "    encoded = sys.stdin.buffer.read(*struct.unpack('<Q', header))\n"
            "    len(encoded) == 0 and os.kill(os.getpid(), 9)\n"
            f"    sys.stdout.buffer.write({GOOD!r}); sys.stdout.buffer.flush()\n"
        )
        import subprocess

        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", program], **pipes)


def test_after_a_death_images_are_decoded_elsewhere_first(do, monkeypatch):
    monkeypatch.setattr(worker, "Trial", Deadly)
    said, rows = do(before="1 process 7 on that")
    assert said["errors"] == 3
    told = rows.set_index("path")["error"]["05x.png"]
    assert "ends the process that decodes it (status -9)" in told


def test_a_part_that_goes_on_killing_is_given_up_and_tried_by_the_next_call(
    do, tmp_path
):
    said, rows = do(before="3 process 7 on that")
    assert (said["lacks"], rows) == ("3 workers have died with it", None)
    folder = worker.Folder(str(tmp_path / "out"))
    _forget_deaths(folder, [said["name"]])
    assert folder.read_text(f"_begun/{said['name']}.txt") == "1"


def test_what_decodes_says_so_of_good_and_broken_images(images):
    names = ("00.png", "03x.jpg", "05x.png", "01.png")
    files = [(images / name).read_bytes() for name in names]
    given = b"".join(LENGTH.pack(len(file)) + file for file in files)
    answer(source := io.BytesIO(given), target := io.BytesIO(), Reading())
    assert (target.getvalue(), source.read()) == (GOOD * 4, b"")


def test_a_folder_is_gone_on_with_by_the_same_job_alone(tmp_path):
    folder = worker.Folder(str(tmp_path / "out"))
    job = Job(
        "m", "a" * 64, "", "", ("evaluate.flip=true",), False, 9, "in", "b", 5, "out"
    )
    job.begin(folder)
    job.begin(folder)
    for change, said in (
        (
            {"model_digest": "c" * 64},
            r"another model \(m, SHA-256 aaaaaaaa then, m, SH",
        ),
        ({"detector": "d", "detector_digest": "e"}, r"another detector \(none then, d"),
        ({"inputs": "x", "images": 6}, r"another source \(5 images of in then, 6 im"),
        ({"settings": ()}, "another settings"),
        ({"pixel_limit": 8}, r"another pixel limit \(9 then, 8 now\)"),
    ):
        with pytest.raises(hrnet_tf.InputError, match=said):
            replace(job, **change).begin(folder)
    other = worker.Folder(str(tmp_path / "other"))
    other.write_text("notes.txt", "mine")
    with pytest.raises(hrnet_tf.InputError, match="not empty, and not of predict-many"):
        job.begin(other)
