"""Files that were written before the package had its layout: all of them still load."""

import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.export.verify import verify
from hrnet_tf.training.configs import read_run_config

FILES = Path(__file__).parent / "fixtures" / "earlier" / "earlier.tar.xz"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A finished pose run with its SavedModel, and a segmentation network."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(FILES) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def answers(earlier):
    """What they answered then."""
    return dict(np.load(earlier / "answers.npz"))


def test_a_network_with_its_loss_and_metrics(earlier, answers):
    model = keras.models.load_model(earlier / "segmentation.keras")
    images = hrnet_tf.preprocess_input(answers["image"])
    found = model(images, training=False)["logits"]
    np.testing.assert_allclose(found, answers["logits"], atol=1e-4)
    labels = np.zeros((1, 64, 64), np.uint8)
    assert np.isfinite(model.test_on_batch(np.asarray(images), labels)[0])


def test_a_run(earlier, answers):
    config = read_run_config(earlier / "run")
    assert config.train.optimizer.class_path == "hrnet_tf.optimizers.CoupledSGD"
    pose = hrnet_tf.load(earlier / "run").predict(answers["photo"])
    np.testing.assert_allclose(pose.keypoints, answers["keypoints"], atol=1e-3)
    np.testing.assert_allclose(pose.scores, answers["scores"], atol=1e-5)


def test_a_training_goes_on(earlier, data_folder, eagerly):
    path = earlier / "run" / "config.yaml"
    path.write_text(path.read_text().replace("/tmp/earlier_data", str(data_folder)))
    run = hrnet_tf.train(hrnet_tf.read_config(path, ["train.epochs=3"]))
    assert run.last()[1] == 3


def test_an_export(earlier, answers, asked_here):
    assert verify(earlier / "run" / "1").ok
    pose = hrnet_tf.load(earlier / "run" / "1").predict(answers["photo"])
    np.testing.assert_allclose(pose.keypoints, answers["exported"], atol=1e-3)
