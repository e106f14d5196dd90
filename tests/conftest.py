import json
import os
import shutil
import sys
from pathlib import Path

from hrnet_tf.tasks import make_experiment

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.arrays import write_arrays
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.common.ray_engine import ray_engine
from hrnet_tf.drawn.action_folders import write_class_folders
from hrnet_tf.drawn.figures import draw_data_set
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.keypoints.coco import CocoKeypoints
from hrnet_tf.tasks.keypoints.config import CocoSection
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.manifest import Decoding, HeatmapOutput
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.run import Run
from support import served
from support.asked import asking_here
from support.lanes import ONE_LANE
from support.networks import shallow_networks, with_statistics
from support.served import TINY


def pytest_addoption(parser):
    parser.addoption(
        "--slow",
        action="store_true",
        help="full-size models, and every test in either lane",
    )


def pytest_ignore_collect(collection_path, config):
    both = KERAS_3 or config.getoption("--slow")
    return True if collection_path.stem in ONE_LANE and not both else None


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="full-size: run with --slow"))


@pytest.fixture(scope="session")
def local_ray():
    """Ray's engine on this machine, begun once; its workers find what tests do.

    They die where they decode poison, see `support/poison/sitecustomize.py`.
    """
    poison = Path(__file__).parent / "support" / "poison"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(poison), *sys.path]))
        with ray_engine(workers=2) as ray:
            yield ray


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def coco_set():
    return KeypointSet.read("coco")


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """The demo's data set, 12 training and 6 validation images of it."""
    folder = tmp_path_factory.mktemp("data")
    draw_data_set(folder, train=12, validation=6)
    return folder


@pytest.fixture
def data(data_folder, tmp_path):
    """The drawn data set with folders for its classes, to be damaged."""
    root = tmp_path / "data"
    shutil.copytree(data_folder, root)
    write_class_folders(data_folder, root / "classes")
    return root


@pytest.fixture(scope="session")
def section(data_folder):
    annotations = data_folder / "annotations" / "person_keypoints_train.json"
    return CocoSection(str(annotations), str(data_folder / "images" / "train"))


@pytest.fixture(scope="session")
def people(section, coco_set):
    return CocoKeypoints(section, coco_set).annotated()


@pytest.fixture
def edited(section, tmp_path):
    """Write a changed copy of the annotations: `edited(change)` gives its section."""

    def make(change):
        data = json.loads(Path(section.annotations).read_text())
        change(data)
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(data))
        return CocoSection(str(path), section.images)

    return make


@pytest.fixture(scope="session")
def tiny_model():
    return with_statistics(hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY))


@pytest.fixture(scope="session")
def tiny_manifest(coco_set):
    return PoseManifest(
        "HRNetV1 width 4",
        ImageInput(64, 32),
        HeatmapOutput(16, 8, 4),
        coco_set,
        Decoding(),
    )


@pytest.fixture
def eagerly():
    """Run training steps without tracing them: many times quicker for a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def unimproved():
    """TensorFlow does not improve graphs before it runs them, which takes seconds."""
    off = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({off: True})
    yield
    tf.config.optimizer.set_experimental_options({off: before.get(off, False)})


@pytest.fixture(scope="session")
def experiment(data_folder, tmp_path_factory):
    """A configuration file of a tiny network on the drawn figures."""
    path = tmp_path_factory.mktemp("configs") / "tiny.yaml"
    path.write_text(
        f"""
task: pose
model:
  width: {TINY["width"]}
  size: [64, 32]
  modules: [1, 1, 1]
  blocks: 1
  stem: [[8, 2], [8, 2]]
data:
  train:
    annotations: {data_folder}/annotations/person_keypoints_train.json
    images: {data_folder}/images/train
  validation:
    annotations: {data_folder}/annotations/person_keypoints_val.json
    images: {data_folder}/images/val
train: {{epochs: 2, batch_size: 8, learning_rate: 0.01, drop_at: [1]}}
"""
    )
    return path


def make_run(experiment, model, folder):
    """A run as training leaves it, with this network as its best one."""
    config = read_config(experiment, [f"output={folder}"])
    run = Run.prepare(config)
    tied = make_experiment(config)
    manifest = tied.make_manifest()
    run.create(manifest)
    model.save(run.best)
    write_arrays(run.samples, tied.evaluator(manifest).samples())
    return folder


@pytest.fixture(scope="session")
def run_folder(experiment, tiny_model, tmp_path_factory):
    """A run as training leaves it; its best network is the tiny model."""
    return make_run(experiment, tiny_model, tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def shallow():
    """Build networks without blocks: many times quicker where any network will do."""
    with shallow_networks():
        yield


@pytest.fixture(scope="session")
def shallow_run(experiment, tmp_path_factory):
    """A run whose best network has no blocks, to be opened by tests with `shallow`."""
    with shallow_networks():
        model = hrnet_tf.HRNetV1(input_shape=(64, 32, 3), **TINY)
    folder = tmp_path_factory.mktemp("runs") / "shallow"
    return make_run(experiment, with_statistics(model), folder)


@pytest.fixture(scope="session")
def exported(run_folder):
    """The artefacts of that run by their formats."""
    return hrnet_tf.export_run(run_folder)


@pytest.fixture
def asked_here(monkeypatch):
    """Exports answer in this process: a fresh one takes seconds to import TensorFlow.

    What runs is what the fresh one runs.
    """
    asking_here(monkeypatch)


@pytest.fixture(scope="session")
def networks():
    """A network and a manifest for each task, for serving."""
    return served.tiny_networks()


@pytest.fixture(scope="session")
def models(networks, tmp_path_factory):
    """A folder of SavedModels of those networks."""
    return served.write_models(tmp_path_factory.mktemp("models"), networks)


@pytest.fixture(scope="session")
def server(models, tmp_path_factory):
    """Facts of a process that serves them."""
    with served.serving(models, tmp_path_factory.mktemp("elsewhere")) as facts:
        yield facts


@pytest.fixture(scope="session")
def client():
    """The module `deploy/tf_serving/client.py`."""
    return served.load_client()


@pytest.fixture(scope="session")
def ask(server, client):
    return served.asker(server, client)


@pytest.fixture
def configured(experiment, tmp_path):
    """`configured("key=value", ...)`: the tiny experiment with a folder of its own."""

    def read(*settings):
        return read_config(experiment, [f"output={tmp_path / 'run'}", *settings])

    return read
