"""The command, with Ray's engine on this machine, and what a restart does."""

import ast
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.bulk import predict_many as bulk
from hrnet_tf.bulk.predict_many import Options, predict_many
from hrnet_tf.common import extras
from hrnet_tf.data import stores
from hrnet_tf.export.options import Options as ExportOptions
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.images.pictures import write_image
from support.poison.sitecustomize import POISON
from support.served import samples_of
from support.spots import spot_image


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Nine images with somebody in either half, or in one, or nobody; and no image."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("images")
    for number in range(9):
        image = spot_image((60, 80), rng.integers(10, 50, (3, 2)), radius=4)
        write_image(folder / f"{number}.png", image * (number % 3 > 0))
    (folder / "4x.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return folder


@pytest.fixture(scope="module")
def detector(networks, tmp_path_factory):
    """An exported detector of what is bright."""
    model, manifest = networks["detection"]
    folder = tmp_path_factory.mktemp("detector") / "1"
    options = ExportOptions(samples=samples_of(manifest))
    write_savedmodel(model, manifest, folder, options)
    return folder


@pytest.fixture(scope="module")
def words(images, run_folder, detector, tmp_path_factory):
    out = tmp_path_factory.mktemp("answers") / "out"
    words = ["predict-many", str(images), "--model", str(run_folder), "--out", str(out)]
    return [*words, "--detector", str(detector), "--part-size", "4"]


@pytest.fixture(scope="module")
def out(words, local_ray):
    """The parts of these images, done once, by Ray."""
    cli.main(words)
    return Path(words[5])


def points_of(people):
    """Of a row: x and y of all keypoints of everybody, `(n, 2)`."""
    points = [[p["x"], p["y"]] for person in people for p in person["keypoints"]]
    return np.array(points).reshape(-1, 2)


def test_rows_hold_what_predictions_behind_the_detector_do(
    images, run_folder, detector, out
):
    rows = pd.read_parquet(out).set_index("path")
    assert len(rows) == 10
    assert [path.name[:11] for path in sorted(out.glob("*.parquet"))] == [
        f"part-00000{number}" for number in range(3)
    ]
    predictor = hrnet_tf.load(run_folder, detector=detector)
    counts = set()
    for number in (0, 1, 8):
        people = rows.loc[f"{number}.png", "people"]
        expected = predictor.predict(images / f"{number}.png")
        assert len(people) == len(expected.keypoints)
        counts.add(len(people))
        found = points_of(people)
        np.testing.assert_allclose(found, expected.keypoints.reshape(-1, 2), atol=1e-3)
        scores = [person["box_score"] for person in people]
        np.testing.assert_allclose(scores, expected.box_scores, atol=1e-5)
    assert 0 in counts
    assert max(counts) > 0
    assert "4x.jpg cannot be decoded" in rows.loc["4x.jpg", "error"]


def test_a_restart_does_what_is_missing(words, out, capsys, here):
    parts = sorted(out.glob("part-*.parquet"))
    names = set(pd.read_parquet(out)["path"])
    parts[1].unlink()
    written = [parts[i].stat().st_mtime_ns for i in (0, 2)]
    cli.main(words)
    said = capsys.readouterr().out
    assert f"4 images in 1 parts written to {out}" in said
    assert "2 parts were there already and are kept" in said
    assert [parts[i].stat().st_mtime_ns for i in (0, 2)] == written
    assert set(pd.read_parquet(out)["path"]) == names


def test_a_restart_does_parts_of_changed_images_again(
    images, shallow_run, shallow, tmp_path, here
):
    source, out = shutil.copytree(images, tmp_path / "in"), tmp_path / "out"
    predict_many(source, shallow_run, out, Options(part_size=4))
    before = {path.name for path in out.glob("part-*.parquet")}
    write_image(source / "0.png", np.zeros((33, 44, 3), np.uint8))
    listed = predict_many(source, shallow_run, out, Options(part_size=4))
    assert (listed.kept, listed.changed, listed.images) == (2, 1, 4)
    assert "1 parts were of images whose files have changed" in listed.report()
    rows = pd.read_parquet(out)
    assert sorted(rows["path"]) == sorted(path.name for path in source.iterdir())
    assert rows.set_index("path").loc["0.png", "width"] == 44
    assert len({path.name for path in out.glob("part-*.parquet")} & before) == 2


def test_a_restart_says_what_it_cannot_know(
    shallow_run, shallow, tmp_path, here, monkeypatch
):
    monkeypatch.setattr(stores, "PAUSE", 0)
    listed = tmp_path / "list.txt"
    listed.write_text("http://127.0.0.1:1/a.png\nhere.png")
    before = predict_many(listed, shallow_run, tmp_path / "out", Options(part_size=1))
    assert (before.images, before.errors, before.unasked) == (2, 2, 0)
    write_image(tmp_path / "here.png", np.zeros((33, 44, 3), np.uint8))
    after = predict_many(listed, shallow_run, tmp_path / "out", Options(part_size=1))
    assert (after.kept, after.changed, after.errors, after.unasked) == (1, 1, 0, 1)
    assert "whether 1 images elsewhere, known by the list alone" in after.report()


@pytest.mark.parametrize("name", ["savedmodel", "tflite", "onnx"])
def test_exported_models_answer_as_they_do_elsewhere(
    name, exported, images, tmp_path, here
):
    model = exported[name]
    summary = predict_many(images, model, tmp_path / "out")
    assert (summary.images, summary.errors, summary.lacking) == (10, 1, {})
    rows = pd.read_parquet(tmp_path / "out").set_index("path")
    predictor = hrnet_tf.load(model)
    for image in ("1.png", "8.png"):
        expected = predictor.predict(images / image).keypoints.reshape(-1, 2)
        found = points_of(rows.loc[image, "people"])
        np.testing.assert_allclose(found, expected, atol=1e-3)
    refused = Options(settings=("evaluate.flip=true",))
    with pytest.raises(hrnet_tf.InputError, match="settings are for runs; those of"):
        predict_many(images, model, tmp_path / "other", refused)


def test_where_all_is_there_nothing_is_begun(words, out, capsys, monkeypatch):
    monkeypatch.setattr(bulk, "_done", None)
    cli.main(words)
    assert "3 parts were there already and are kept" in capsys.readouterr().out


def test_another_source_for_a_folder_is_refused(words, out, capsys):
    with pytest.raises(SystemExit):
        cli.main([*words[:-1], "5"])
    assert "was begun with another source (10 images" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(images, run_folder, local_ray, tmp_path):
    out = tmp_path / "out"

    def kill():
        while not (notes := list((out / "_begun").glob("*.txt"))):
            time.sleep(0.005)
        os.kill(int(notes[0].read_text().split()[2]), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    summary = predict_many(images, run_folder, out, Options(part_size=10))
    thread.join()
    assert (summary.images, summary.errors, summary.lacking) == (10, 1, {})
    assert len(pd.read_parquet(out)) == 10


@pytest.mark.slow
def test_a_poisoned_image_costs_itself_alone(images, run_folder, local_ray, tmp_path):
    source, out = shutil.copytree(images, tmp_path / "in"), tmp_path / "out"
    (source / "5x.png").write_bytes(POISON)
    summary = predict_many(source, run_folder, out, Options(part_size=4))
    assert (summary.images, summary.errors, summary.lacking) == (11, 2, {})
    rows = pd.read_parquet(out).set_index("path")
    assert len(rows) == 11
    said = rows.loc["5x.png", "error"]
    assert "ends the process that decodes it (status -9)" in said
    assert list(rows.index[rows["error"].notna()]) == ["4x.jpg", "5x.png"]


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        cli.main(["predict-many", "in", "--model", "m", "--out", "o"])
    said = capsys.readouterr().err
    assert "Prediction on many images needs ray, pyarrow, fsspec, which are not" in said
    assert "pip install 'hrnet-tf[ray]'" in said


def test_importing_the_package_does_not_import_ray():
    package = Path(hrnet_tf.__file__).parent
    wrong = {}
    for path in package.rglob("*.py"):
        own = path.parent.name == "bulk"
        for node in ast.parse(
            path.read_text(encoding="utf-8")
        ).body:  # not what functions import
            names = [alias.name for alias in getattr(node, "names", ())]
            module = getattr(node, "module", None) or ""
            told = [module] if isinstance(node, ast.ImportFrom) else names
            first = {name.split(".")[0] for name in told}
            if "ray" in first or (not own and first & {"pyarrow", "fsspec"}):
                wrong[path] = told
            if not own and module.startswith("hrnet_tf.bulk"):
                wrong[path] = told
    assert not wrong
