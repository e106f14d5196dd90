"""The page of deploy/browser in Chromium: it finds what the predictors find."""

import json
import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import hrnet_tf
from hrnet_tf.export import decoder
from hrnet_tf.export.options import Options
from hrnet_tf.export.tflite import write_decoded, write_tflite
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import parts_of, read_manifest
from support.browser import GPU, load_script, open_page

CELLS = 0.5  # of a heatmap, by which the browser's pixels and numbers may move a peak
ROOT = Path(__file__).parents[2]
SHOWN = 27  # which validation image of the demo the documents show


@pytest.fixture(scope="module")
def tiny(networks):
    """A network and a manifest by task; what they answer depends on every pixel."""
    keras.utils.set_random_seed(1)
    crop = keras.Input((32, 32, 3))
    flat = layers.Dense(3)(layers.Flatten()(layers.AveragePooling2D(8)(crop)))
    return {
        **networks,
        "classification": (keras.Model(crop, flat), networks["classification"][1]),
    }


@pytest.fixture(scope="module")
def written(tiny, tmp_path_factory):
    """`written(task)`: a predictor in Keras, and its TFLite file."""
    folder = tmp_path_factory.mktemp("written")

    def write(task, writer=write_tflite):
        model, manifest = tiny[task]
        path = folder / f"{task}_{len(list(folder.iterdir()))}.tflite"
        facts = writer(model, manifest, path, Options())
        # A file has one size: its predictor in Keras looks through windows of it too.
        facts = replace(facts, output=manifest.output)
        return parts_of(manifest).predictor.from_model(model, facts), path

    return write


# Whole ways, from files to answers


def half_a_cell(box, manifest):
    """Half a cell of the heatmap in pixels of the picture, across and down."""
    crop = decoder.crop_matrix(box, json.loads(manifest.as_json()))
    return CELLS * manifest.output.stride * np.array([crop[0, 0], crop[1, 1]])


def drag(page, start, end):
    """Draw a box on the canvas; places are shares of its width and height."""
    from selenium.webdriver import ActionChains

    canvas = page.element("canvas")
    wide, tall = canvas.size["width"], canvas.size["height"]
    ends = [(round((x - 0.5) * wide), round((y - 0.5) * tall)) for x, y in (start, end)]
    chain = ActionChains(page.driver, duration=50)
    chain.move_to_element_with_offset(canvas, *ends[0]).click_and_hold()
    chain.move_to_element_with_offset(canvas, *ends[1]).release().perform()


def test_keypoints_are_those_of_keras(
    page, exported, photo, figure, tiny_model, tiny_manifest
):
    beside = exported["tflite"].with_name("model.tflite.json")
    assert page.open().choose("model", exported["tflite"], beside) == "done"
    assert page.text("where").startswith("WASM")
    assert page.choose("pictures", photo) == "done"
    drag(page, (0.2, 0.1), (0.8, 0.9))
    assert page.settled() == "done"
    (answer,) = page.answers()
    (chosen,) = answer["boxes"]
    assert chosen["box"][2] == pytest.approx(0.6 * figure.shape[1], abs=3)
    predictor = parts_of(tiny_manifest).predictor.from_model(tiny_model, tiny_manifest)
    expected = predictor.predict(figure, boxes=[chosen["box"]])
    off = np.abs(np.array(chosen["points"]) - expected.keypoints[0])
    assert (off <= half_a_cell(chosen["box"], tiny_manifest)).all()
    np.testing.assert_allclose(chosen["scores"], expected.scores[0], rtol=1e-2)
    page.element("whole").click()
    page.settled()
    whole = page.answers()[0]["boxes"][0]
    assert whole["box"] == [0, 0, figure.shape[1], figure.shape[0]]
    expected = predictor.predict(figure)
    off = np.abs(np.array(whole["points"]) - expected.keypoints[0])
    assert (off <= half_a_cell(whole["box"], tiny_manifest)).all()
    assert len(page.driver.find_element("id", "canvas").screenshot_as_png) > 10_000


@pytest.mark.parametrize("writer", [write_tflite, write_decoded])
def test_landmarks_are_those_of_keras(page, written, photo, figure, writer):
    predictor, path = written("landmarks", writer)
    assert page.open().choose("model", path) == "done"
    assert page.choose("pictures", photo) == "done"
    (found,) = page.answers()[0]["boxes"]
    expected = predictor.predict(figure)
    side = max(figure.shape[:2]) * predictor.manifest.decoding.padding
    cell = side / predictor.manifest.output.width
    off = np.abs(np.array(found["points"]) - expected.landmarks[0])
    assert off.max() <= CELLS * cell
    np.testing.assert_allclose(found["scores"], expected.scores[0], atol=1e-2)


@pytest.mark.parametrize("writer", [write_tflite, write_decoded])
def test_classes_are_those_of_keras(page, written, photo, figure, writer):
    predictor, path = written("classification", writer)
    assert page.open().choose("model", path) == "done"
    assert page.choose("pictures", photo) == "done"
    found = page.answers()[0]["ranking"]
    expected = predictor.predict(figure).top(3)
    assert [name for name, _ in found] == [name for name, _ in expected]
    shares = [[share for _, share in x] for x in (found, expected)]
    np.testing.assert_allclose(*shares, atol=5e-3)


def test_labels_are_those_of_keras(page, written, photo, figure):
    predictor, path = written("segmentation")
    assert page.open().choose("model", path) == "done"
    assert page.choose("pictures", photo) == "done"
    (answer,) = page.answers()
    expected = predictor.predict(figure)
    labels = np.reshape(answer["labels"], figure.shape[:2])
    assert (labels == expected.labels).mean() > 0.999
    sure = np.reshape(answer["confidence"], figure.shape[:2])
    assert np.abs(sure - expected.confidence).mean() < 1e-3
    assert "window slides" in page.text("notes")
    page.element("fitted").click()
    page.settled()
    assert "at once" in page.text("notes")


def test_labels_of_files_that_decode_are_those_of_keras(
    page, written, figure, tmp_path
):
    predictor, path = written("segmentation", write_decoded)
    part = figure[100:132, 110:142]
    write_image(tmp_path / "part.png", part)
    assert page.open().choose("model", path) == "done"
    assert page.choose("pictures", tmp_path / "part.png") == "done"
    labels = np.reshape(page.answers()[0]["labels"], part.shape[:2])
    assert len(np.unique(labels)) > 1
    assert (labels == predictor.predict(part).labels).mean() > 0.995


def test_addresses_open_a_network_and_a_picture(page, page_folder, exported, photo):
    target = page_folder / "network.tflite"
    target.write_bytes(exported["tflite"].read_bytes())
    beside = page_folder / "network.tflite.json"
    beside.write_bytes(exported["tflite"].with_name("model.tflite.json").read_bytes())
    (page_folder / "figure.png").write_bytes(photo.read_bytes())
    page.open("?model=network.tflite&picture=figure.png&runtime=wasm")
    assert page.settled() == "done"
    assert [answer["file"] for answer in page.answers()] == ["figure.png"]
    assert "checksum" not in page.text("notes")
    altered = page_folder / "altered.tflite"
    altered.write_bytes(exported["tflite"].read_bytes() + b"more")
    altered.with_name("altered.tflite.json").write_bytes(beside.read_bytes())
    page.open("?model=altered.tflite")
    assert page.settled() == "wrong"
    assert "was written for" in page.text("error")
    page.open("?model=nothing.tflite")
    assert page.settled() == "wrong"
    assert "nothing.tflite cannot be fetched: 404" in page.text("error")


def test_a_network_and_a_picture_are_dropped_at_once(page, written, photo, figure):
    predictor, path = written("pose")
    assert page.open().drop(path, photo) == "done"
    assert "not compared with its checksum" in page.text("notes")
    (found,) = page.answers()[0]["boxes"]
    off = np.abs(np.array(found["points"]) - predictor.predict(figure).keypoints[0])
    assert (off <= half_a_cell(found["box"], predictor.manifest)).all()


def test_a_folder_becomes_small_pictures(page, written, photo, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("left alone")
    _, path = written("pose")
    page.open().choose("model", path)
    assert page.choose("folder", tmp_path) == "done"
    assert len(page.driver.find_elements("css selector", "#gallery canvas")) == 2
    assert "broken.png is no picture" in page.text("gallery")
    assert page.text("status").startswith("2 pictures; 1 could not be looked at")
    assert [answer["file"] for answer in page.answers()] == ["a.png", "b.png"]


def test_the_camera_is_looked_at(page, written):
    _, path = written("pose")
    page.open().choose("model", path)
    page.element("camera").click()
    page.until(lambda: "frames per second" in page.text("status"))
    (answer,) = page.answers()
    assert len(answer["boxes"][0]["points"]) == 3
    page.element("camera").click()
    assert page.settled() == "done"


@pytest.mark.slow
def test_the_trained_network_of_the_demo_for_the_picture_of_the_documents(page):
    """With `HRNET_TF_SCREENSHOT` the page's picture is written there."""
    demo = ROOT / "saved_models" / "demo"
    network = demo / "run" / "export" / "model.tflite"
    if not network.is_file():
        pytest.skip("There is no saved_models/demo; `make demo` trains it.")
    annotations = demo / "data" / "annotations" / "person_keypoints_val.json"
    content = json.loads(annotations.read_text())
    entry = content["images"][SHOWN]
    people = [
        x
        for x in content["annotations"]
        if x["image_id"] == entry["id"] and x.get("num_keypoints")
    ]
    photo = demo / "data" / "images" / "val" / entry["file_name"]
    page.open().choose("model", network, network.with_name("model.tflite.json"))
    page.choose("pictures", photo)
    size = np.array([entry["width"], entry["height"]])
    for person in people:
        x, y, width, height = person["bbox"]
        drag(page, (x, y) / size, (x + width, y + height) / size)
        assert page.settled() == "done"
    boxes = page.answers()[0]["boxes"]
    manifest = read_manifest(network.with_name("model.tflite.json"))
    expected = hrnet_tf.load(network).predict(photo, [x["box"] for x in boxes])
    for box, keypoints, scores in zip(
        boxes, expected.keypoints, expected.scores, strict=True
    ):
        off = np.abs(np.array(box["points"]) - keypoints)[scores > 0.2]
        assert (off <= half_a_cell(box["box"], manifest)).all()
        assert off.mean() < 0.2
    if target := os.environ.get("HRNET_TF_SCREENSHOT"):
        picture = Image.open(BytesIO(page.driver.get_screenshot_as_png()))
        picture.convert("RGB").save(target, quality=88)


@pytest.mark.slow
def test_the_gpu_is_taken_only_where_it_answers_as_the_processor(
    page_folder, exported, tiny_model, tiny_manifest, photo, figure, tmp_path
):
    decoded = tmp_path / "decoded.tflite"
    write_decoded(tiny_model, tiny_manifest, decoded, Options())
    with open_page(page_folder, GPU) as page:
        page.choose("model", exported["tflite"])
        if "no WebGPU" in page.text("notes"):
            pytest.skip("This Chromium computes no WebGPU on the processor.")
        assert page.text("where") == "WebGPU"
        page.choose("pictures", photo)
        (found,) = page.answers()[0]["boxes"]
        predictor = parts_of(tiny_manifest).predictor
        expected = predictor.from_model(tiny_model, tiny_manifest).predict(figure)
        off = np.abs(np.array(found["points"]) - expected.keypoints[0])
        assert (off <= half_a_cell(found["box"], tiny_manifest)).all()
        # Of such files a part is left to the processor, and answers are wrong then.
        assert page.open().choose("model", decoded) == "done"
        assert page.text("where").startswith("WASM")
        assert "Not on WebGPU" in page.text("notes")


# What the page refuses


def test_files_that_do_not_fit_are_refused_in_a_sentence(
    page, exported, written, tiny, tmp_path
):
    def refused(name, *paths):
        assert page.open().choose(name, *paths) == "wrong"
        return page.text("error")

    (tmp_path / "empty.tflite").write_bytes(b"nothing at all")
    assert "carries no manifest" in refused("model", tmp_path / "empty.tflite")
    whole = exported["tflite"].read_bytes()
    (tmp_path / "half.tflite").write_bytes(whole[: len(whole) // 2])
    found = refused("model", tmp_path / "half.tflite")
    assert "is damaged" in found or "LiteRT.js does not take the file" in found
    _, other = written("pose")
    beside = exported["tflite"].with_name("model.tflite.json")
    assert "was written for" in refused("model", other, beside)
    of_onnx = exported["onnx"].with_name("model.onnx.json")
    assert "the manifest of onnx" in refused("model", other, of_onnx)
    assert "alone says nothing" in refused("model", beside)
    _, regression = written("regression")
    assert "task is regression" in refused("model", regression)
    manifest = json.loads(tiny["pose"][1].as_json())
    manifest["input"]["dtype"] = "int8"
    source = """
      const { check } = await there("manifest.js");
      try { check(given) } catch (error) { return error.message }
      return "nothing";
    """
    assert "takes numbers of the type int8" in page.ask(source, manifest)


# The programs around the page


def test_another_archive_than_the_known_one_is_refused(tmp_path):
    fetch = load_script("fetch")
    archive = tmp_path / "litertjs-core-2.5.3.tgz"
    archive.write_bytes(b"something else")
    with pytest.raises(SystemExit, match="is not the archive that is known"):
        fetch.check(archive, fetch.PACKAGES["core"][2])
