"""Four real images with fourteen polygons of people: every pixel is right."""

import shutil

import pytest
import tensorflow as tf
from pycocotools.coco import COCO

from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks import make_experiment
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.memory import Memory
from support.samples import SAMPLES

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs the images in ../shared/samples"
)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The images, and masks drawn from their polygons; both parts are the same."""
    root = tmp_path_factory.mktemp("people")
    coco = COCO(str(SAMPLES / "test_coco.json"))
    for part in ("train", "val"):
        for kind in ("images", "masks"):
            (root / kind / part).mkdir(parents=True)
        for image in coco.loadImgs(coco.getImgIds()):
            name = image["file_name"]
            shutil.copy(SAMPLES / name, root / "images" / part / name)
            masks = map(coco.annToMask, coco.loadAnns(coco.getAnnIds(image["id"])))
            target = root / "masks" / part / name.replace(".jpg", ".png")
            cv2.imwrite(str(target), sum(masks).clip(0, 1))
    (root / "classes.txt").write_text("background\nperson\n")
    return root


def first_try(people, folder):
    settings = [f"output={folder}", f"data.root={people}"]
    return read_config("configs/segmentation/first_try.yaml", settings)


def test_what_training_shows_is_found_by_an_evaluation(people, tmp_path):
    """Images of training with their labels, all remembered, answer in an evaluation."""
    experiment = make_experiment(first_try(people, tmp_path / "run"))
    manifest = experiment.make_manifest()
    data = experiment.training_data(manifest)
    (images, labels), *_ = data.batches(range(1), 1).take(1)
    maps = tf.one_hot(tf.cast(labels, tf.int32), 2)
    evaluator = experiment.evaluator(manifest)
    network = Memory([images], [maps])
    predictor = experiment.predictor.from_network(network, evaluator.manifest)
    evaluation = evaluator.evaluate(predictor)
    assert evaluation.scores.iou[1] >= 0.9, evaluation.scores.iou
    assert (evaluation.images, evaluation.skipped) == (4, 0)


@pytest.mark.slow
def test_people_are_learnt_by_heart(people, tmp_path):
    run = train(first_try(people, tmp_path / "run"))
    evaluation, _ = evaluate_run(run.folder, progress=False)
    assert evaluation.scores.iou[1] >= 0.9, evaluation.scores.iou
    assert (evaluation.images, evaluation.skipped) == (4, 0)
