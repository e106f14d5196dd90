"""Detection from files to a trained run and back, on a tiny network."""

import json
from dataclasses import replace

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks import make_experiment, make_viewer, read_manifest
from hrnet_tf.tasks.detection.learning import Learning
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from hrnet_tf.training.check_data import check_data
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.media import predict_files
from hrnet_tf.training.train import train
from support.networks import shallow_networks


@pytest.fixture(scope="module")
def settings(data_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / "tiny_objects.yaml"
    path.write_text(
        f"""
task: detection
model:
  width: 4
  size: [64, 96]
  modules: [1, 1, 1]
  blocks: 1
  stem: [[8, 2], [8, 2]]
  masks: true
  features: 16
  hidden: 32
  proposals: {{before: 40, most: 20}}
  detections: {{least: 0.02}}
data:
  train:
    annotations: {data_folder}/annotations/instances_train.json
    images: {data_folder}/images/train
  validation:
    annotations: {data_folder}/annotations/instances_val.json
    images: {data_folder}/images/val
  scale: [64, 64]
  augmentation: {{short_sides: [48, 64]}}
train:
  epochs: 1
  batch_size: 2
  accumulate: 2
  steps_per_epoch: 1
  drop_at: []
  learning_rate: 0.001
  learning: {{before: 40, proposals: 20, anchors: 16, regions: 8}}
"""
    )
    return path


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    """A trained run."""
    folder = tmp_path_factory.mktemp("runs") / "objects"
    with shallow_networks():
        return train(read_config(settings, [f"output={folder}"]))


@pytest.fixture(scope="module")
def opened(run):
    """Its predictor, which keeps what it has traced."""
    with shallow_networks():
        return hrnet_tf.load(run.folder)


def test_a_run_is_trained_and_its_losses_are_told(run):
    header, first = run.history.read_text().splitlines()
    names = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask"}
    assert names <= set(header.split(","))
    assert "val_AP" in header
    assert "nan" not in first
    manifest = read_manifest(run.manifest)
    assert manifest.classes.names == ("person", "ball", "box")
    assert manifest.masks
    assert manifest.least == 0.02  # as the model has it, for comparisons of exports
    assert manifest.scale == (64, 64)
    assert run.read_samples()["crops"].shape[1:] == (64, 96, 3)
    assert list((run.folder / "overlays").glob("*.jpg"))


def test_a_training_goes_on_where_it_was(run, settings, tmp_path):
    import shutil

    folder = shutil.copytree(run.folder, tmp_path / "longer")
    with shallow_networks():
        longer = train(read_config(settings, [f"output={folder}", "train.epochs=2"]))
    lines = longer.history.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2"]


def test_a_run_is_judged(run):
    with shallow_networks():
        evaluation, target = evaluate_run(run.folder, progress=False)
    assert evaluation.images == 6
    for name in ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR100", "mask_AP"):
        assert -1 <= evaluation.statistics[name] <= 1
    assert target.stem == "instances_val_64x64"
    results = target.with_name(f"{target.stem}_results.json")
    entries = json.loads(results.read_text())
    assert len(entries) == json.loads(target.read_text())["objects_found"]
    classes = target.with_name(f"{target.stem}_classes.csv").read_text()
    assert "box,ball," in classes
    assert "mask,ball," in classes


def test_several_images_are_what_each_is_alone(opened, data_folder):
    predictor = opened
    assert isinstance(predictor, DetectionPredictor)
    files = sorted((data_folder / "images" / "val").glob("*.jpg"))[:3]
    images = [hrnet_tf.read_image(file) for file in files]
    images[1] = np.ascontiguousarray(images[1][:150])
    together = predictor.predict_several(images)
    for image, found in zip(images, together, strict=True):
        alone = predictor.predict(image)
        assert len(alone) == len(found)
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=1e-2)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-5)
    of_file = predictor.predict(files[0])
    np.testing.assert_array_equal(of_file.boxes, predictor.predict(images[0]).boxes)


def test_files_are_looked_at(opened, data_folder, tmp_path):
    viewer = make_viewer(opened, object_threshold=0.0)
    found = predict_files(viewer, data_folder / "images" / "val", tmp_path / "out")
    assert found.images == 6
    entries = json.loads((tmp_path / "out" / "objects.json").read_text())
    assert {"image_id", "category_id", "bbox", "score", "segmentation"} == {
        name for entry in entries for name in entry
    } or not entries


def test_data_are_checked(settings, tmp_path):
    surveys = check_data(read_config(settings, ["output=x"]), tmp_path / "survey")
    train_part = surveys["train"]
    assert train_part.samples == 12
    assert list(train_part.counts) == ["person", "ball", "box"]
    assert "in 12 of 12 images" in train_part.notes[0]
    assert (tmp_path / "survey" / "samples.jpg").is_file()


def test_broken_samples_stop_a_training_or_are_skipped(settings, data_folder, tmp_path):
    path = data_folder / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [900, 900, 5, 5]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(content))
    given = ["output=x", f"data.train.annotations={broken}"]
    with pytest.raises(InputError, match=r"annotation 1 of image .* lies outside"):
        train(read_config(settings, given))
    surveys = check_data(read_config(settings, given), tmp_path / "survey")
    assert len(surveys["train"].broken) == 1


def test_losses_are_not_named_in_configurations(settings):
    loss = "train.loss={class_path: keras.losses.MeanSquaredError}"
    with pytest.raises(InputError, match="of detection cannot be another one"):
        read_config(settings, ["output=x", loss])


def test_a_cascade_is_built_as_configured(settings):
    more = ["output=x", "model.cascade=true", "model.masks=false"]
    experiment = make_experiment(read_config(settings, more))
    manifest = experiment.make_manifest()
    with shallow_networks():
        model = experiment.build_network(replace(manifest, masks=False), None)
    names = {layer.name for layer in model.layers}
    assert any("bbox_head.2" in name for name in names)
    assert set(model.output) == {"boxes", "scores", "labels", "counts"}


def test_numbers_are_those_of_the_configuration(settings):
    more = ["model.features=8", "model.hidden=16", "model.detections.most=9"]
    more += ["model.proposals.most=30", "train.learning.regions=20"]
    experiment = make_experiment(read_config(settings, ["output=x", *more]))
    with shallow_networks():
        model = experiment.build_network(experiment.make_manifest(), None)
    assert model.output["masks"].shape[1:] == (9, 28, 28)
    assert model.heads.proposals.hidden.filters == 8
    assert model.heads.boxes[0].hidden[0].units == 16
    assert model.parts.choosing.proposals.most == 30
    assert model.learning == Learning(
        before=40, proposals=20, anchors=16, regions=20, rescue=True
    )
