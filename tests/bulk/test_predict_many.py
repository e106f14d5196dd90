"""The command, with Ray's engine on this machine."""

import ast
import os
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
from hrnet_tf.images.pictures import write_image


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("images")
    for number in range(9):
        image = rng.integers(0, 256, (70, 50, 3), dtype=np.uint8)
        write_image(folder / f"{number}.png", image)
    (folder / "4x.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return folder


@pytest.fixture(scope="module")
def words(images, run_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("answers") / "out"
    words = ["predict-many", str(images), "--model", str(run_folder), "--out", str(out)]
    return [*words, "--part-size", "4"]


@pytest.fixture(scope="module")
def out(words, local_ray):
    """The parts of these images, done once."""
    cli.main(words)
    return Path(words[5])


def test_rows_hold_what_predictions_do(images, run_folder, out):
    rows = pd.read_parquet(out).set_index("path")
    assert len(rows) == 10
    assert [path.name[:11] for path in sorted(out.glob("*.parquet"))] == [
        f"part-00000{number}" for number in range(3)
    ]
    predictor = hrnet_tf.load(run_folder)
    for name in ("0.png", "8.png"):
        (person,) = rows.loc[name, "people"]
        found = np.array([[p["x"], p["y"]] for p in person["keypoints"]])
        expected = predictor.predict(images / name).keypoints[0]
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert "4x.jpg cannot be decoded" in rows.loc["4x.jpg", "error"]


def test_a_restart_does_what_is_missing(words, out, capsys):
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


def test_where_all_is_there_nothing_is_begun(words, out, capsys, monkeypatch):
    monkeypatch.setattr(bulk, "_run", None)
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
        for node in ast.parse(path.read_text()).body:  # not what functions import
            names = [alias.name for alias in getattr(node, "names", ())]
            module = getattr(node, "module", None) or ""
            told = [module] if isinstance(node, ast.ImportFrom) else names
            first = {name.split(".")[0] for name in told}
            if "ray" in first or (not own and first & {"pyarrow", "fsspec"}):
                wrong[path] = told
            if not own and module.startswith("hrnet_tf.bulk"):
                wrong[path] = told
    assert not wrong
