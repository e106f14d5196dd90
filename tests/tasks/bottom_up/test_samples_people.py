"""Whole images with everyone in them: every coordinate is right."""

import json

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.preprocess import transform, warp
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from hrnet_tf.tasks.bottom_up.targets import draw_heatmaps
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.samples import SAMPLES

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs the images in ../shared/samples"
)


def files(annotations, images):
    return [
        f"data.{part}.{key}={value}"
        for part in ("train", "validation")
        for key, value in (("annotations", annotations), ("images", images))
    ]


def drawn_files(folder):
    name = "annotations/person_keypoints_val.json"
    return files(folder / name, folder / "images" / "val")


class Remembered:
    """Answers about images what their annotations say, as a perfect network would."""

    def __init__(self, evaluator):
        self.known = {}
        scenes, manifest = evaluator.scenes, evaluator.manifest
        plain = BottomUpPredictor(None, manifest)
        for row, people in enumerate(scenes.keypoints):
            image, _ = evaluator.reader.load(row)
            (look,) = plain.looks(image.shape[:2])
            view = warp(image, look.matrix, look.size)
            self.known[view.tobytes()] = self.maps(
                people, look, len(manifest.keypoints)
            )

    @staticmethod
    def maps(people, look, count):
        found = {}
        for name, stride in (("quarter_heatmaps", 4), ("heatmaps", 2)):
            size = tuple(side // stride for side in look.size)
            matrix = np.broadcast_to(look.matrix_to(size), (len(people), 2, 3))
            places = transform(people[..., :2], matrix)
            seen = np.concatenate([places, people[..., 2:]], axis=-1)
            rows = tf.constant(seen[None], tf.float32)
            drawn = draw_heatmaps(tf.reshape(rows, (1, -1, count, 3)), size)
            found[name] = drawn[0].numpy()
            if stride == 4:
                tags = np.zeros((*size, count), np.float32)
                nearest = np.full((*size, count), np.inf)
                grid = np.mgrid[: size[0], : size[1]]
                for number, person in enumerate(seen):
                    for k, (x, y, v) in enumerate(person):
                        if v > 0:
                            apart = np.hypot(grid[1] - x, grid[0] - y)
                            nearer = apart < nearest[..., k]
                            tags[..., k][nearer] = 3.0 * number
                            nearest[..., k][nearer] = apart[nearer]
                found["tags"] = tags
        return found

    def __call__(self, views):
        rows = [self.known[np.ascontiguousarray(view).tobytes()] for view in views]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def score_of(*settings):
    once = ("output=unused", "evaluate.scales=[1.0]")
    config = read_config("configs/bottom_up/first_try.yaml", [*once, *settings])
    experiment = make_experiment(config)
    evaluator = experiment.evaluator(experiment.make_manifest())
    predictor = BottomUpPredictor(Remembered(evaluator), evaluator.manifest)
    return evaluator.evaluate(predictor)


def test_annotations_that_are_answered_are_found(data_folder):
    found = score_of(*drawn_files(data_folder), "model.size=[512,512]")
    assert found.statistics["AP"] >= 0.9
    assert found.images == 6


def test_crowds_are_judged_by_how_crowded_they_are(data):
    """`data` is a copy of the drawn data set: its images are said to be crowded."""
    path = data / "annotations" / "person_keypoints_val.json"
    content = json.loads(path.read_text())
    crowdedness = (0, 0.1, 0.2, 0.7, 0.8, 1)
    for image, crowded in zip(content["images"], crowdedness, strict=True):
        image["crowdIndex"] = crowded
    path.write_text(json.dumps(content))
    settings = [*drawn_files(data), "model.size=[512,512]", "data.format=crowdpose"]
    found = score_of(*settings).statistics
    names = ("AP", "AP_easy", "AP_medium", "AP_hard")
    assert all(found[name] >= 0.9 for name in names)
    content["images"][0].pop("crowdIndex")
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="must have a number as `crowdIndex`"):
        score_of(*settings)


CROWD = SAMPLES.parent / "crowdpose"
CROWDPOSE = [
    *files(CROWD / "test_crowdpose.json", CROWD),
    *("data.format=crowdpose", "data.keypoints=crowdpose", "data.masks=false"),
]
PHOTOGRAPHS = pytest.mark.parametrize(
    ("settings", "images"),
    [(files(SAMPLES / "test_coco.json", SAMPLES), 4), (CROWDPOSE, 2)],
    ids=["coco", "crowdpose"],
)


@needs_samples
@PHOTOGRAPHS
def test_people_in_photographs_that_are_answered_are_found(settings, images):
    found = score_of(*settings, "model.size=[512,512]")
    assert found.statistics["AP"] >= 0.9
    assert found.images == images
    if images == 2:  # both are medium crowds
        medium = found.statistics["AP_medium"]
        assert medium == pytest.approx(found.statistics["AP"])
        assert found.statistics["AP_hard"] == -1
        assert "AP_medium" in found.table()


@needs_samples
def test_only_who_is_masked_needs_an_outline():
    """One of CrowdPose's people has no keypoints, and none has an outline."""
    for masks in (False, True):
        settings = [*CROWDPOSE, f"data.masks={masks}"]
        config = read_config("bottom_up/first_try", ["output=unused", *settings])
        experiment = make_experiment(config)
        data = experiment.training_data(experiment.make_manifest())
        assert any("no outline" in line for line in data.source.notes) == masks
        assert sum(map(len, data.scenes.keypoints)) == 4


@pytest.mark.slow
@needs_samples
@PHOTOGRAPHS
def test_people_in_photographs_are_learnt_by_heart(settings, images, tmp_path):
    once = (f"output={tmp_path / 'run'}", f"train.batch_size={images}")
    config = read_config("bottom_up/first_try", [*once, *settings])
    evaluation, _ = evaluate_run(train(config).folder, progress=False)
    assert evaluation.statistics["AP"] >= 0.9
    assert (evaluation.images, evaluation.unread) == (images, ())
