"""Model cards: what they say is so, what they show runs, nobody's words are lost."""

import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml

import hrnet_tf
from hrnet_tf.common.model_cards import NAME, is_replaceable
from hrnet_tf.export import benchmark
from hrnet_tf.export.artefacts import export_model, targets_of
from hrnet_tf.export.card import UNLICENSED, UNSCORED, Origin, Row, card_of
from hrnet_tf.export.card_code import LINES
from hrnet_tf.export.card_files import origin_of, refresh_cards, write_card
from hrnet_tf.export.options import Options
from hrnet_tf.export.verify import verify
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import TASKS, parts_of, read_manifest
from hrnet_tf.tasks.base.manifest import Artefact
from hrnet_tf.training.run import Run
from support.served import IMAGES, samples_of

CODE = re.compile(r"## Code: (.*?)\n\n```python\n(.*?)\n```", re.DOTALL)
BESIDE = ("decoder", "people", "panoptic")
PHOTO = "photo.png"
# Of each task: variables of its code, and the same of a prediction.
ANSWERS = {
    "pose": lambda found: {"keypoints": found.keypoints[0], "scores": found.scores[0]},
    "landmarks": lambda found: {"landmarks": found.landmarks[0]},
    "bottom_up": lambda found: {"scores": found.person_scores},
    "classification": lambda found: {"probabilities": found.probabilities},
    "segmentation": lambda found: {"labels": found.labels},
    "regression": lambda found: {"values": found.values},
    "panoptic": lambda found: {"segments": found.segments},
    "detection": lambda found: {"scores": found.scores},
}
WHOLE = (
    "segmentation",
    "panoptic",
    "regression",
    "detection",
)  # images of the input's own size


def exported_to(folder, networks, task, formats):
    """Exports of a tiny network, and a photograph beside them."""
    model, manifest = networks[task]
    targets = targets_of(formats, folder, Options())
    crops = np.random.default_rng(0).integers(0, 256, (2, *manifest.input.size, 3))
    samples = {**samples_of(manifest), "crops": crops.astype(np.uint8)}
    export_model(model, manifest, samples, targets, Options())
    image = IMAGES[0]
    if task in WHOLE:
        image = image[: manifest.input.height, : manifest.input.width]
    write_image(folder / PHOTO, image)
    return targets


def codes_of(folder):
    """What the card in a folder shows, by titles."""
    return dict(CODE.findall((folder / NAME).read_text(encoding="utf-8")))


def run_code(code, folder, monkeypatch):
    """What the code of a card leaves, run in its folder as it stands."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in [n for n in sys.modules if n.split(".")[0] in BESIDE]:
        monkeypatch.delitem(sys.modules, name)
    scope = {}
    exec(compile(code.replace("photo.jpg", PHOTO), NAME, "exec"), scope)
    for name in [n for n in sys.modules if n.split(".")[0] in BESIDE]:
        del sys.modules[name]
    return scope


def check_codes(folder, task, targets, monkeypatch):
    """Run all code of a card, and compare with predictions of the files it names."""
    shown = codes_of(folder)
    assert len(shown) == len(targets)
    for code in shown.values():
        (path,) = (x for x in targets.values() if f'"{x.name}"' in code)
        body = [x for x in code.splitlines() if x and "import" not in x.split()]
        assert len(body) <= LINES
        scope = run_code(code, folder, monkeypatch)
        check_answers(task, scope, hrnet_tf.load(path))


def check_answers(task, scope, predictor):
    """Compare what code has left, beside its photograph, with a prediction."""
    given = {"boxes": [scope["box"]]} if "box" in scope else {}
    predicted = predictor.predict(hrnet_tf.read_image(PHOTO), **given)
    for name, expected in ANSWERS[task](predicted).items():
        found = np.asarray(scope[name])[: len(expected)]
        off = 1.0 if name == "landmarks" else 0.02  # whole pixels, by rounding
        np.testing.assert_allclose(found, expected, atol=off, err_msg=name)
        assert len(expected)


@pytest.mark.parametrize("task", list(ANSWERS))
def test_code_for_tflite_answers_as_the_predictor(
    task, networks, tmp_path, asked_here, monkeypatch
):
    targets = exported_to(tmp_path, networks, task, ["tflite"])
    check_codes(tmp_path, task, targets, monkeypatch)


# Of the detector there, what it is made of is no ONNX.
@pytest.mark.parametrize("task", [task for task in ANSWERS if task != "detection"])
def test_code_for_onnx_answers_as_the_predictor(
    task, networks, tmp_path, asked_here, monkeypatch
):
    targets = exported_to(tmp_path, networks, task, ["onnx"])
    check_codes(tmp_path, task, targets, monkeypatch)


@pytest.mark.parametrize("task", [task for task in ANSWERS if task != "detection"])
def test_code_for_openvino_answers_as_the_predictor(
    task, networks, tmp_path, asked_here, monkeypatch
):
    targets = exported_to(tmp_path, networks, task, ["openvino"])
    check_codes(tmp_path, task, targets, monkeypatch)


@pytest.mark.parametrize("task", list(ANSWERS))
def test_code_for_savedmodels_answers_as_the_predictor(
    task, networks, models, monkeypatch
):
    model, manifest = networks[task]
    path = models / task / "1"
    artefact = replace(manifest, artefact=Artefact("savedmodel", {}))
    (code,) = dict(CODE.findall(card_of([Row(path, artefact, 1)], Origin()))).values()
    write_image(path.parent / PHOTO, IMAGES[0])
    scope = run_code(code, path.parent, monkeypatch)
    predictor = parts_of(manifest).predictor.from_model(model, manifest)
    check_answers(task, scope, predictor)


@pytest.mark.parametrize("task", list(ANSWERS))
def test_code_for_files_that_decode_answers_as_the_predictor(
    task, networks, tmp_path, asked_here, monkeypatch
):
    targets = exported_to(tmp_path, networks, task, ["tflite_decoded"])
    check_codes(tmp_path, task, targets, monkeypatch)


@pytest.fixture
def card_folder(networks, tmp_path, asked_here):
    """Two exports of a pose network, with their card."""
    exported_to(tmp_path, networks, "pose", ["tflite", "onnx"])
    return tmp_path


def front_of(card):
    _, front, _ = card.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front)


def test_a_card_says_what_is_there_and_what_is_not_known(card_folder):
    card = card_folder / NAME
    text = card.read_text(encoding="utf-8")
    assert front_of(card) == {
        "license": "unknown",
        "library_name": "litert",
        "pipeline_tag": "keypoint-detection",
        "tags": ["hrnet", "pose", "litert", "tflite", "onnx"],
    }
    for said in (UNSCORED, UNLICENSED, "not measured", "## Limits", "123.675"):
        assert said in text
    for name in ("model.tflite", "model.onnx"):
        megabytes = (card_folder / name).stat().st_size / 1e6
        assert re.search(rf"`{name}` \|.*\| {megabytes:.2f} \|", text)
    assert "tmp" not in text
    assert verify(card_folder / "model.tflite").ok


def test_the_same_export_has_the_same_card(card_folder):
    card = card_folder / NAME
    before = card.read_bytes()
    card.unlink()
    path = card_folder / "model.onnx"
    manifest = read_manifest(path.with_name("model.onnx.json"))
    (card_folder / "new").mkdir()
    (card_folder / "new" / path.name).write_bytes(path.read_bytes())
    write_card(card_folder / "new", path, manifest, Origin())
    assert (card_folder / "new" / NAME).read_bytes() == before


def test_a_card_that_somebody_has_changed_stays(card_folder, networks, caplog):
    card = card_folder / NAME
    assert is_replaceable(card)
    card.write_text(card.read_text(encoding="utf-8").replace("Not known", "MIT"))
    mine = card.read_bytes()
    with caplog.at_level("INFO"):
        exported_to(card_folder, networks, "pose", ["tflite_decoded"])
    assert card.read_bytes() == mine
    assert "README.md is not as this program has written it" in caplog.text


def test_exports_of_another_model_are_named_apart(card_folder, networks):
    model, manifest = networks["pose"]
    networks = {"pose": (model, replace(manifest, model="Another"))}
    exported_to(card_folder, networks, "pose", ["tflite_decoded"])
    text = (card_folder / NAME).read_text(encoding="utf-8")
    assert "# Another (pose)" in text
    assert "Of other models, and not told of here: model.onnx, model.tflite." in text


def test_a_run_tells_its_data_scores_and_latencies(
    shallow_run, shallow, tmp_path, asked_here
):
    run = Run.open(shutil.copytree(shallow_run, tmp_path / "run"))
    (path,) = hrnet_tf.export_run(run.folder, ["tflite"]).values()
    card = path.with_name(NAME)
    text = card.read_text(encoding="utf-8")
    assert "* `data." in text
    assert "`hrnet-tf evaluate RUN` judges it" in text
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    refresh_cards(run)
    assert f"| AP | {evaluation.statistics['AP']:.4f} |" in card.read_text("utf-8")
    assert "AP" in front_of(card)["metrics"]
    flavour = benchmark.Flavour(
        "tflite", 1.0, 1.0, 12.34, 13.0, 1.0, 1.0, None, 0.0, 0.0
    )
    found = benchmark.Benchmark((flavour,), "AP", 2, 1)
    benchmark._write(found, run, {"tflite": benchmark._seal(path)})
    refresh_cards(run)
    assert "| 12.3 |" in card.read_text("utf-8")
    path.with_name("model.tflite.json").write_text(
        path.with_name("model.tflite.json")
        .read_text()
        .replace('"seal": "', '"seal": "0')
    )
    refresh_cards(run)
    assert "| 12.3 |" not in card.read_text("utf-8")
    assert origin_of(run, "other weights").scores == ()


def test_every_task_has_what_cards_say():
    for task in TASKS.values():
        card = task.parts().card
        assert card is None or (card.does and card.takes and card.limits)
