"""The table of a run's exports: who is in it, and that the numbers are measured."""

import json
import shutil

import pytest

import hrnet_tf
from hrnet_tf.cli import main
from hrnet_tf.export import benchmark
from hrnet_tf.export.artefacts import export_run, exports_of
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.training.run import Run

FORMATS = ["tflite", "tflite_int8", "tflite_decoded", "onnx"]


@pytest.fixture(scope="module")
def folder(run_folder, exported, tmp_path_factory):
    """A copy of the run with some exports."""
    copy = tmp_path_factory.mktemp("benchmark") / "run"
    shutil.copytree(run_folder, copy, ignore=shutil.ignore_patterns("1*"))
    export_run(copy, [name for name in FORMATS if name not in exported])
    return copy


@pytest.fixture(scope="module")
def found(folder):
    return benchmark_run(folder, threads=1, rounds=2, progress=False)


def test_the_highest_version_is_the_one_that_is_measured(exported, tmp_path):
    made = exported["savedmodel"]
    (tmp_path / "config.yaml").write_text((made.parent / "config.yaml").read_text())
    for version in ("9", "10"):
        (tmp_path / version).mkdir()
        shutil.copy(f"{made}.json", tmp_path / f"{version}.json")
    assert exports_of(Run.open(tmp_path)) == {"savedmodel": tmp_path / "10"}


def test_a_format_that_is_not_there_is_named(folder):
    with pytest.raises(hrnet_tf.InputError, match="no export savedmodel, only tflite"):
        benchmark_run(folder, ["savedmodel"])


def test_every_export_has_a_row_after_the_model(found, folder):
    rows = found[0].flavours
    assert [row.format for row in rows] == ["keras", *FORMATS]
    assert list(exports_of(Run.open(folder))) == FORMATS
    assert (found[0].metric, found[0].threads) == ("AP", 1)
    for row in rows:
        assert 0 < row.median_ms <= row.p95_ms
        assert min(row.megabytes, row.load_seconds, row.images_per_second) > 0


def test_scores_and_differences_are_those_of_the_answers(found):
    rows = {row.format: row for row in found[0].flavours}
    for name in ("tflite", "tflite_decoded", "onnx"):
        assert rows[name].score == pytest.approx(rows["keras"].score, abs=1e-3)
        assert 0 < rows[name].largest < 1e-4
    assert rows["tflite_int8"].largest > rows["tflite"].largest
    assert rows["tflite_int8"].mean < rows["tflite_int8"].largest


def test_memory_is_that_of_the_flavour_alone(found):
    rows = {row.format: row for row in found[0].flavours}
    # TensorFlow alone takes some hundred megabytes, LiteRT does not.
    assert rows["tflite"].peak_megabytes < 0.5 * rows["keras"].peak_megabytes


def test_the_results_are_written_as_json_table_and_picture(found):
    result, path = found
    told = json.loads(path.read_text())
    assert [row["format"] for row in told["flavours"]] == ["keras", *FORMATS]
    assert path.with_suffix(".txt").read_text() == result.table() + "\n"
    assert hrnet_tf.read_image(path.with_suffix(".png")).std() > 0


# Data that are not where they were


def moved(folder, tmp_path):
    """A copy of the run whose validation images have been moved; where they are."""
    copy, images = tmp_path / "run", tmp_path / "images"
    shutil.copytree(folder, copy)
    settings = Run.open(copy).config.data.validation
    shutil.copytree(settings.images, images)
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace(settings.images, "gone/val"))
    return copy, images


@pytest.fixture
def untimed(monkeypatch):
    """No processes: made-up times; the arguments of each measurement."""
    names = ("load_seconds", "median_ms", "p95_ms", "images_per_second")
    calls = []

    def made(*arguments):
        calls.append(arguments)
        facts = dict.fromkeys((*names, "peak_megabytes"), 1.0)
        return dict.fromkeys(arguments[0], facts)

    monkeypatch.setattr(benchmark, "measure_latency", made)
    return calls


def test_missing_data_are_told_before_anything_is_timed(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "measure_latency", None)
    copy, _ = moved(folder, tmp_path)
    with pytest.raises(hrnet_tf.InputError, match=r"nothing was measured: .*gone/val"):
        benchmark_run(copy, ["onnx"], progress=False)


def test_the_command_measures_what_it_is_told(folder, tmp_path, untimed, capsys):
    copy, images = moved(folder, tmp_path)
    setting = f"data.validation.images={images}"
    words = ["--format", "onnx", "--rounds", "7", "--threads", "3"]
    main(["benchmark", str(copy), setting, *words])
    table = capsys.readouterr().out
    assert "onnx" in table
    assert "tflite" not in table
    ((places, *settings),) = untimed
    assert list(places) == ["keras", "onnx"]
    assert {3, 7} <= {x for x in settings if isinstance(x, int)}


@pytest.mark.usefixtures("untimed")
def test_what_was_measured_is_kept_when_data_vanish(folder, tmp_path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    score = benchmark.Judge.score

    def vanish(judge, path, progress):
        if path is not None:
            raise hrnet_tf.InputError("the images are gone.")
        return score(judge, path, progress)

    monkeypatch.setattr(benchmark.Judge, "score", vanish)
    found, path = benchmark_run(copy, ["onnx"], threads=1, rounds=1, progress=False)
    rows = json.loads(path.read_text())["flavours"]
    assert rows[1]["score"] is None
    assert rows[1]["median_ms"] > 0
    assert "none" in found.table()


def test_a_damaged_export_is_told_before_anything_is_timed(folder, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    with open(copy / "export" / "model.onnx", "ab") as file:
        file.write(b"more")
    with pytest.raises(hrnet_tf.InputError, match=r"model\.onnx: altered since"):
        benchmark_run(copy, ["onnx"], progress=False)


def test_a_run_without_exports_is_told_how_to_make_some(shallow_run):
    with pytest.raises(hrnet_tf.InputError, match=r"hrnet-tf export .* --format all"):
        benchmark_run(shallow_run)


def test_an_export_that_does_not_run_is_named(folder, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    with pytest.raises(hrnet_tf.InputError, match=r"broken\.onnx does not run"):
        benchmark.Worker(broken, folder / "samples.npz", 1)
