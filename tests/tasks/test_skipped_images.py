"""Under `data.on_error=skip` images that cannot be read are not judged, in any task."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hrnet_tf import InputError, read_config
from hrnet_tf.drawn.action_folders import write_class_folders
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.classification.pipeline import validation_images
from hrnet_tf.tasks.regression.result import DenseMap
from hrnet_tf.tasks.segmentation.result import LabelMap


class Perfect:
    """Knows the answer to every image of an evaluator by heart."""

    def __init__(self, evaluator):
        self.manifest = evaluator.manifest
        self.known = {}
        if self.manifest.task == "classification":
            size = self.manifest.input.size
            share = self.manifest.crop_share
            for crops, labels, _ in validation_images(evaluator.reader, size, 4, share):
                for crop, label in zip(crops.numpy(), labels.numpy(), strict=True):
                    self.known[crop.tobytes()] = label
            return
        for index in range(len(evaluator)):
            image, target = evaluator.reader.read(index)
            self.known[image.tobytes()] = target

    def classify(self, crops):
        """Certain of the true class; of what is not known, that it is the first."""
        labels = [self.known.get(crop.tobytes(), 0) for crop in crops]
        return np.eye(len(self.manifest.classes))[labels]

    def predict(self, image):
        """The target itself."""
        target = self.known[image.tobytes()]
        if self.manifest.task == "regression":
            return DenseMap(np.nan_to_num(target), self.manifest.channels.names)
        sure = np.ones(target.shape, np.float32)
        return LabelMap(target.astype(np.uint8), sure, self.manifest.classes)


@pytest.fixture
def evaluator_of(data_folder, tmp_path):
    """`evaluator_of(task)`: judges on a copy of the drawn images, under `skip`."""
    shutil.copytree(data_folder, tmp_path / "data")
    # These are links: to the copies, not to the images of other tests.
    write_class_folders(tmp_path / "data", tmp_path / "data" / "classes")

    def make(task):
        root = tmp_path / "data"
        more = ", targets: depth, missing: 0" if task == "regression" else ""
        if task == "classification":
            root = root / "classes" / "train"
        path = tmp_path / f"{task}.yaml"
        path.write_text(
            f"task: {task}\nmodel: {{width: 4, size: [64, 64]}}\n"
            f"data: {{root: {root}, on_error: skip{more}}}\n"
        )
        experiment = make_experiment(read_config(path))
        return experiment.evaluator(experiment.make_manifest())

    return make


# A score that is 1 if all is right, whatever is there.
TASKS = {"classification": "top1", "segmentation": "pixel_accuracy", "regression": "r2"}


@pytest.mark.parametrize("task", TASKS)
def test_a_broken_image_is_not_judged(task, evaluator_of):
    evaluator = evaluator_of(task)
    perfect = Perfect(evaluator)
    victims(evaluator)[-1].write_bytes(b"no image")
    found = evaluator_of(task).evaluate(perfect)
    assert found.skipped == 1
    assert found.statistics[TASKS[task]] == pytest.approx(1)
    assert "1 skipped" in found.table()


@pytest.mark.parametrize("task", TASKS)
def test_nothing_to_judge_is_an_error(task, evaluator_of):
    evaluator = evaluator_of(task)
    perfect = Perfect(evaluator)
    for victim in victims(evaluator):
        victim.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"none of \d samples can be read"):
        evaluator_of(task).evaluate(perfect)


def victims(evaluator):
    """The image files that are judged on."""
    images = evaluator.reader.images
    in_classes = evaluator.manifest.task == "classification"
    return [Path(x) for x in (images.files if in_classes else images.images)]
