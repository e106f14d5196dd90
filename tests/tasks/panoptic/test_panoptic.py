"""Panoptic segmentation from scenes to served segments, tiny network."""

import csv
import importlib.util
import json
import shutil

import numpy as np
import onnxruntime
import pytest

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.common.opencv import cv2
from hrnet_tf.drawn.scenes import draw_scene_data_set
from hrnet_tf.export import decoder
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.tasks import make_experiment, make_viewer, read_manifest
from hrnet_tf.tasks.panoptic.manifest import Grouping
from hrnet_tf.tasks.panoptic.segments import VOID
from hrnet_tf.training.media import predict_files
from support.networks import shallow_networks

SETTINGS = """
task: panoptic
output: {output}
model:
  width: 4
  size: [64, 64]
  modules: [1, 1, 1]
  blocks: 1
  stem: [[8, 2], [8, 2]]
  features: 8
  bn_momentum: 0.5
data: {{root: {root}}}
train:
  epochs: 1
  batch_size: 8
  steps_per_epoch: 25
  learning_rate: 0.01
  sigma: 4
  small_area: 100
evaluate: {{center_threshold: 0.02, stuff_area: 40, most_things: 20}}
"""


@pytest.fixture(scope="module", autouse=True)
def without_blocks():
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    draw_scene_data_set(root, train=16, validation=4)
    return root


def settings_of(root, output, *more):
    path = output.parent / "scenes.yaml"
    path.write_text(SETTINGS.format(root=root, output=output))
    return hrnet_tf.read_config(path, more)


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "scenes"
    return hrnet_tf.train(settings_of(scenes, output))


@pytest.fixture(scope="module")
def predictor(run):
    return hrnet_tf.load(run.folder)


@pytest.fixture(scope="module")
def exported(run):
    return export_run(run.folder, ("savedmodel", "onnx"))


@pytest.fixture(scope="module")
def for_phones(run):
    return export_run(run.folder, ("tflite", "tflite_int8", "tflite_decoded"))


def first_image(scenes):
    return hrnet_tf.read_image(scenes / "images" / "val" / "000001.jpg")


def test_training_leaves_a_run_that_has_begun_to_learn(run):
    with open(run.history, newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["val_pq"]) > 0.02
    assert sum(name.endswith("_loss") for name in row) == 3
    manifest = read_manifest(run.manifest)
    assert manifest.classes.things == ("ball", "crate", "tree")
    assert manifest.grouping == Grouping(0.02, 7, 20, 40)
    for name in ("curves.png", "overlays/epoch_0001.jpg", "checkpoints/best.keras"):
        assert (run.folder / name).is_file()


def test_evaluation_writes_scores_classes_and_the_worst(run):
    evaluation, path = hrnet_tf.evaluate_run(run.folder, progress=False)
    facts = json.loads(path.read_text())
    assert {"pq", "sq", "rq", "pq_things", "rq_stuff"} <= set(facts["statistics"])
    assert facts["statistics"]["pq"] == evaluation.statistics["pq"] > 0.02
    assert (facts["images"], facts["skipped"]) == (4, 0)
    with open(path.with_name(f"{path.stem}_classes.csv"), newline="") as file:
        names = [row["class"] for row in csv.DictReader(file)]
    assert names == list(facts["classes"])
    assert hrnet_tf.read_image(path.with_name(f"{path.stem}_worst.jpg")).std() > 0
    assert "4 images, 0 skipped" in evaluation.table()


def test_other_settings_group_and_look_otherwise(run, scenes):
    settings = ("evaluate.center_threshold=0.99", "evaluate.flip=true")
    settings += ("evaluate.scales=[0.75,1.0]", "evaluate.stuff_area=0")
    several = hrnet_tf.load(run.folder, overrides=settings)
    assert several.manifest.grouping == Grouping(0.99, 7, 20, 0)
    experiment = make_experiment(run.config)
    assert experiment.judged(read_manifest(run.manifest)).views.flip is False
    answer = several.predict(first_image(scenes)[:61, :47])
    assert answer.segments.shape == (61, 47)
    assert not set(answer.counts()) & {"ball", "crate", "tree"}


def test_offsets_follow_mirror_and_scale(run, scenes):
    image = first_image(scenes)
    plain = hrnet_tf.load(run.folder)
    maps = plain.sum_of_views(image)
    mirrored = plain.sum_of_views(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
    both = hrnet_tf.load(run.folder, flip=True).sum_of_views(image)
    expected = (maps[..., -3:] + mirrored[..., -3:] * [1, 1, -1]) / 2
    np.testing.assert_allclose(both[..., -3:], expected, atol=1e-4)
    large = hrnet_tf.load(run.folder, overrides=["evaluate.scales=[2.0]"])
    seen = plain.sum_of_views(cv2.resize(image, None, fx=2, fy=2))
    halved = cv2.resize(seen[..., -2:], image.shape[1::-1]) / 2
    np.testing.assert_allclose(large.sum_of_views(image)[..., -2:], halved, atol=1e-3)


def check_same(predictor, artefact, image):
    expected, found = predictor.predict(image), hrnet_tf.load(artefact).predict(image)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    assert (found.segments == expected.segments).mean() > 0.995


@pytest.mark.parametrize("name", ["savedmodel", "onnx"])
def test_artefacts_say_what_the_model_says(name, predictor, exported, scenes):
    check_same(predictor, exported[name], first_image(scenes)[:99, :77])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tflite", "tflite_decoded"])
def test_phones_say_what_the_model_says(name, predictor, for_phones, scenes):
    check_same(predictor, for_phones[name], first_image(scenes)[:64, :64])


@pytest.mark.slow
def test_integers_say_nearly_what_the_model_says(predictor, for_phones, scenes):
    image = first_image(scenes)[:64, :64]
    found = hrnet_tf.load(for_phones["tflite_int8"]).predict(image)
    assert (found.labels == predictor.predict(image).labels).mean() > 0.85


def test_a_savedmodel_takes_encoded_images_of_several_sizes(
    predictor, exported, scenes
):
    sizes = [(61, 47), (33, 58)]
    images = [np.ascontiguousarray(first_image(scenes)[:h, :w]) for h, w in sizes]
    encoded = [cv2.imencode(".png", x[..., ::-1])[1].tobytes() for x in images]
    given = {"image_bytes": np.array(encoded, object)}
    answer = call_signature(str(exported["savedmodel"]), "panoptic", given)
    assert answer["segments"].dtype == np.int32
    assert answer["segments"].shape == answer["confidence"].shape == (2, 61, 58)
    np.testing.assert_array_equal(answer["size"], sizes)
    for number, image in enumerate(images):
        expected, (height, width) = predictor.predict(image), sizes[number]
        segments = answer["segments"][number]
        assert (segments[:height, :width] == expected.segments).mean() > 0.995
        assert (segments[height:] == VOID).all()
        assert (segments[:, width:] == VOID).all()


def test_segments_are_decoded_beside_exports_in_numpy_alone(
    predictor, exported, scenes, monkeypatch
):
    path = exported["onnx"]
    spec = importlib.util.spec_from_file_location("own", path.parent / "panoptic.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    assert not {"tensorflow", "hrnet_tf", "cv2"} & set(vars(own))
    facts = decoder.read_manifest(f"{path}.json")
    image = first_image(scenes)[:99, :77]
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    tensor = decoder.prepare(image, facts)
    maps = dict(zip(names, session.run(names, {"image": tensor}), strict=True))
    found = own.decode(maps, facts, image.shape[:2])
    expected = predictor.predict(image).segments
    assert (found == expected).mean() > 0.995


def test_predict_writes_pictures_ids_and_their_list(predictor, scenes, tmp_path):
    viewer = make_viewer(predictor)
    source, out = scenes / "images" / "val", tmp_path / "out"
    assert predict_files(viewer, source, out).images == 4
    rows = json.loads((out / "panoptic.json").read_text())
    assert [row["image_id"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        pixels = cv2.imread(str(out / "panoptic" / row["file_name"])).astype(int)
        ids = pixels[..., 2] + 256 * pixels[..., 1] + 65536 * pixels[..., 0]
        listed = {each["id"]: each["area"] for each in row["segments_info"]}
        values, areas = np.unique(ids[ids > 0], return_counts=True)
        assert dict(zip(values.tolist(), areas.tolist(), strict=True)) == listed
    assert viewer.count().endswith(" segments")
    picture = hrnet_tf.read_image(out / "000001.jpg")
    assert picture.shape[1] == 3 * 128


@pytest.mark.slow
def test_mixed_precision_learns_and_goes_on(scenes, tmp_path, eagerly):
    more = ["train.precision=mixed_bfloat16", "train.steps_per_epoch=1"]
    more += ["train.schedule=step", "train.drop_at=[]"]
    more += ["data.augmentation.hue=0.1", "train.batch_size=2"]
    hrnet_tf.train(settings_of(scenes, tmp_path / "run", *more))
    run = hrnet_tf.train(settings_of(scenes, tmp_path / "run", *more, "train.epochs=2"))
    with open(run.history, newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 2
    assert np.isfinite(losses).all()


def test_a_part_of_the_classes_is_refused(run, scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "other")
    for part in ("train", "val"):
        path = tmp_path / "other" / "annotations" / f"panoptic_{part}.json"
        content = json.loads(path.read_text())
        content["categories"][4]["name"] = "globe"
        path.write_text(json.dumps(content))
    with pytest.raises(hrnet_tf.InputError, match=r"road, lake, globe, .* the model"):
        hrnet_tf.evaluate_run(run.folder, (f"data.root={tmp_path / 'other'}",))


def test_check_counts_segments(scenes, tmp_path, capsys):
    settings_of(scenes, tmp_path / "run")
    cli.main(["data", "check", str(tmp_path / "scenes.yaml")])
    said = capsys.readouterr().out
    assert "16 samples, 0 broken; segments:" in said
    assert "things are ball, crate, tree" in said


@pytest.mark.slow
def test_the_demo_learns_scenes(tmp_path):
    draw_scene_data_set(tmp_path / "scenes", validation=200)
    config = hrnet_tf.read_config(
        "panoptic/demo",
        [f"data.root={tmp_path / 'scenes'}", f"output={tmp_path / 'run'}"],
    )
    run = hrnet_tf.train(config)
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    assert evaluation.statistics["pq"] > 0.7
