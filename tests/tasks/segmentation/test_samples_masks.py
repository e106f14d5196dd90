"""Four real images with fourteen polygons of people, learnt by heart."""

import shutil

import pytest
from pycocotools.coco import COCO

from hrnet_tf.common.opencv import cv2
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
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


def test_people_are_learnt_by_heart(people, tmp_path):
    settings = [f"output={tmp_path / 'run'}", f"data.root={people}"]
    config = read_config("configs/segmentation/first_try.yaml", settings)
    evaluation, _ = evaluate_run(train(config).folder, progress=False)
    assert evaluation.scores.iou[1] >= 0.9
    assert (evaluation.images, evaluation.skipped) == (4, 0)
