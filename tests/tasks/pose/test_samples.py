"""Four real images with twelve people, two of a crowd: every coordinate is right."""

import json

import pytest

from hrnet_tf.tasks import make_experiment
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.memory import Memory
from support.samples import SAMPLES

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs the images in ../shared/samples"
)

ANNOTATIONS = SAMPLES / "test_coco.json"
CROWD = SAMPLES.parent / "crowdpose"
CROWDPOSE = (
    "data.format=crowdpose",
    "data.keypoints=crowdpose",
    *(
        f"data.{part}.{key}={value}"
        for part in ("train", "validation")
        for key, value in (
            ("annotations", CROWD / "test_crowdpose.json"),
            ("images", CROWD),
        )
    ),
)
BOXES = SAMPLES / "test_coco_det_AP_H_56.json"


def first_try(folder, *more):
    parts = [
        f"data.{part}.{key}={value}"
        for part in ("train", "validation")
        for key, value in (("annotations", ANNOTATIONS), ("images", SAMPLES))
    ]
    settings = [f"output={folder}", *parts, *more]
    return read_config("configs/pose/first_try.yaml", settings)


@pytest.mark.parametrize(
    ("settings", "people"),
    [
        ((), 12),
        (("data.encoding=dark",), 12),
        (("data.encoding=udp",), 12),
        (("data.encoding=udp_offsets",), 12),
        (CROWDPOSE, 4),  # of five; one has no keypoints
    ],
    ids=["plain", "dark", "udp", "udp_offsets", "crowdpose"],
)
def test_what_training_shows_is_found_by_an_evaluation(settings, people, tmp_path):
    """Crops of training, straight and mirrored, with their keypoints, all remembered:

    whoever reads, cuts, mirrors or maps back otherwise in one of both finds nobody.
    """
    crops, heatmaps = [], []
    for mirrored in (0, 1):
        config = first_try(
            tmp_path / "run",
            f"train.batch_size={people}",
            *settings,
            "evaluate.refinement=null",
            f"data.augmentation.flip_probability={mirrored}",
        )
        experiment = make_experiment(config)
        manifest = experiment.make_manifest()
        data = experiment.training_data(manifest)
        (images, keypoints), *_ = data.batches(range(1), 1).take(1)
        crops.append(images)
        heatmaps.append(manifest.codec.encode(keypoints, manifest.output.size)[0])
    evaluator = experiment.evaluator(manifest)
    network = Memory(crops, heatmaps)
    predictor = experiment.predictor.from_network(network, evaluator.manifest)
    assert predictor.manifest.decoding.flip
    evaluation = evaluator.evaluate(predictor)
    assert evaluation.statistics["AP"] >= 0.9
    assert (evaluation.people, evaluation.skipped) == (people, 0)
    if settings == CROWDPOSE:  # both images are of medium crowds
        medium = evaluation.statistics["AP_medium"]
        assert medium == pytest.approx(evaluation.statistics["AP"])
        assert evaluation.statistics["AP_hard"] == -1


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    return train(first_try(tmp_path_factory.mktemp("samples") / "run")).folder


@pytest.mark.slow
def test_people_are_learnt_by_heart(learnt):
    evaluation, _ = evaluate_run(learnt, progress=False)
    assert evaluation.statistics["AP"] >= 0.9
    assert (evaluation.people, evaluation.skipped) == (12, 0)


@pytest.mark.slow
def test_people_are_found_in_the_boxes_of_a_detector(learnt):
    evaluation, path = evaluate_run(
        learnt, (f"data.validation.boxes={BOXES}",), progress=False
    )
    assert evaluation.statistics["AP"] >= 0.7
    assert json.loads(path.read_text())["data"]["validation"]["boxes"] == str(BOXES)


@pytest.mark.slow
def test_a_crowd_is_learnt_by_heart(tmp_path):
    config = first_try(tmp_path / "run", *CROWDPOSE)
    evaluation, _ = evaluate_run(train(config).folder, progress=False)
    assert evaluation.statistics["AP"] >= 0.9
    assert (evaluation.people, evaluation.skipped) == (4, 0)
