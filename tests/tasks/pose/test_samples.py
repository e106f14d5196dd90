"""Four real images with twelve people, learnt by heart: every coordinate is right."""

import json

import pytest

from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.samples import SAMPLES

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs the images in ../shared/samples"
)

ANNOTATIONS = SAMPLES / "test_coco.json"
BOXES = SAMPLES / "test_coco_det_AP_H_56.json"


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    settings = [
        f"data.{part}.{key}={value}"
        for part in ("train", "validation")
        for key, value in (("annotations", ANNOTATIONS), ("images", SAMPLES))
    ]
    folder = tmp_path_factory.mktemp("samples") / "run"
    config = read_config("configs/pose/first_try.yaml", [f"output={folder}", *settings])
    return train(config).folder


def test_people_are_learnt_by_heart(learnt):
    evaluation, _ = evaluate_run(learnt, progress=False)
    assert evaluation.statistics["AP"] >= 0.9
    assert (evaluation.people, evaluation.skipped) == (12, 0)


def test_people_are_found_in_the_boxes_of_a_detector(learnt):
    evaluation, path = evaluate_run(
        learnt, (f"data.validation.boxes={BOXES}",), progress=False
    )
    assert evaluation.statistics["AP"] >= 0.7
    assert json.loads(path.read_text())["data"]["validation"]["boxes"] == str(BOXES)
