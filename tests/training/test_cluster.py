"""Several processes train together: as one would, or they end with a sentence."""

import csv
import json
import re
import signal
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import InputError
from hrnet_tf.common.config import TrainSection
from hrnet_tf.training.cluster import join
from hrnet_tf.training.hosts import Hosts
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train
from support.networks import shallow_networks
from support.workers import ended, start
from training.test_terminal import TRAIN

CHILD = Path(__file__).parents[1] / "support" / "worker_child.py"
# Ten steps. With a higher rate rounding grows: weights are small behind batch norm.
STEPS = (
    "train.epochs=2",
    "train.steps_per_epoch=5",
    "train.batch_size=4",
    "train.validate_every=2",
    "train.learning_rate=0.001",
    "train.optimizer.class_path=hrnet_tf.optimizers.CoupledSGD",
    "train.optimizer.arguments={}",
)
# Random colours of pose are drawn inside the network, by each device for itself.
POSE = (*STEPS, "data.augmentation.brightness=0", "data.augmentation.contrast=0")
POSE = (*POSE, "train.drop_at=[]")
SEGMENTATION = (*STEPS, "train.ema=0.9", "train.clip_norm=1.0")


def variables(run):
    """Every number of a training's newest state, by the order that it has."""
    model = keras.models.load_model(str(run.last()[0]))
    return [np.asarray(variable) for variable in model.variables]


def history(run):
    with open(run.history, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def configs(experiment, data_folder, tmp_path_factory):
    """Configuration files by their task."""
    path = tmp_path_factory.mktemp("configs") / "segmentation.yaml"
    path.write_text(
        f"""
task: segmentation
model: {{width: 4, size: [32, 32], modules: [1, 1, 1], blocks: 1,
  stem: [[8, 2], [8, 2]]}}
data: {{root: {data_folder}, augmentation: {{brightness: 0.3}}}}
"""
    )
    return {"pose": experiment, "segmentation": path}


@pytest.fixture(scope="module")
def jobs(configs, tmp_path_factory):
    """How the jobs of two workers ended, and where their runs are."""
    folder = tmp_path_factory.mktemp("together")

    def job(task, *settings, output=None, own=()):
        where = [f"output={folder / (output or task)}", *settings]
        return [[str(configs[task]), where], [str(configs[task]), [*where, *own]]]

    todo = {
        "other settings": job("pose", *POSE, own=["train.learning_rate=0.002"]),
        "not shared": job("pose", *POSE, own=[f"output={folder / 'elsewhere'}"]),
        "pose": job("pose", *POSE, output="a pose"),
        "finished": job("pose", *POSE, output="a pose"),
        "segmentation": job("segmentation", *SEGMENTATION),
    }
    given = folder / "jobs.json"
    given.write_text(json.dumps(list(todo.values())))
    answers = [folder / f"{number}.json" for number in range(2)]
    workers = start(2, lambda number: [str(CHILD), str(given), str(answers[number])])
    statuses, said = ended(workers, 300)
    assert statuses == [0, 0], said
    ends = [dict(zip(todo, json.loads(x.read_text()), strict=True)) for x in answers]
    return folder, ends


@pytest.mark.parametrize(
    ("task", "settings"), [("pose", POSE), ("segmentation", SEGMENTATION)]
)
def test_two_workers_end_as_one_process(
    task, settings, jobs, configs, eagerly, shallow, tmp_path
):
    folder, ends = jobs
    assert [end[task] for end in ends] == ["", ""]
    together = Run.open(folder / ("a pose" if task == "pose" else task))
    read = hrnet_tf.read_config(configs[task], [f"output={tmp_path}", *settings])
    alone = train(read)
    ours, theirs = variables(together), variables(alone)
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)
    for x, y in zip(history(together), history(alone), strict=True):
        assert x.keys() == y.keys()
        for name in x.keys() - {"data_wait"}:
            numbers = [float(row[name] or "nan") for row in (x, y)]
            np.testing.assert_allclose(*numbers, atol=1e-5)


def test_one_worker_writes_the_run(jobs):
    folder, ends = jobs
    assert [end["finished"] for end in ends] == ["", ""]
    names = {path.name for path in (folder / "a pose").iterdir()}
    assert names >= {"config.yaml", "manifest.json", "history.csv", "overlays"}
    assert not any(name.startswith(".workers") for name in names)
    board = list((folder / "a pose" / "logs" / "train").iterdir())
    assert len(board) == 1


def test_workers_with_other_settings_are_told(jobs):
    _, ends = jobs
    assert ends[0]["other settings"] == ends[1]["other settings"]
    assert re.search(
        r"worker 1 \(127.0.0.1:\d+\) has other settings than worker 0 .*"
        r"train.learning_rate: 0.001 -> 0.002",
        ends[0]["other settings"],
    )


def test_a_folder_that_is_not_shared_is_told(jobs):
    _, ends = jobs
    for end in ends:
        assert re.search(
            r"worker 1 .* does not see what worker 0 .* writes to .*output=FOLDER",
            end["not shared"],
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 7}, r"train.batch_size.* a multiple of 2, got 7"),
        ({"devices": ("GPU:0",)}, r"train.devices.*CUDA_VISIBLE_DEVICES"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(settings, message):
    hosts = Hosts(("one:2222", "two:2222"), 0)
    with pytest.raises(InputError, match=message):
        join(hosts, TrainSection(**settings))


@pytest.fixture
def command(experiment, tmp_path):
    """The command line of each of several workers, traced as for a user."""
    settings = [*POSE, "train.epochs=3", f"output={tmp_path / 'run'}"]
    return lambda number: ["-c", TRAIN, "train", str(experiment), *settings]


@pytest.mark.slow
def test_three_workers_end_as_one_process(command, experiment, tmp_path):
    size = "train.batch_size=6"
    workers = start(3, lambda number: [*command(number), size])
    statuses, said = ended(workers, 400)
    assert statuses == [0, 0, 0], said
    settings = [*POSE, size, "train.epochs=3", f"output={tmp_path / 'alone'}"]
    with shallow_networks():
        alone = train(hrnet_tf.read_config(experiment, settings))
    together = Run.open(tmp_path / "run")
    for x, y in zip(variables(together), variables(alone), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_others_and_all_go_on(victim, command, tmp_path):
    undisturbed = tmp_path / "undisturbed"

    def elsewhere(number):
        return [*command(number), f"output={undisturbed}"]

    statuses, said = ended(start(2, elsewhere), 400)
    assert statuses == [0, 0], said
    workers = start(2, command)
    run = Run(tmp_path / "run", None)
    end = time.monotonic() + 300
    while run.last()[1] < 1 and time.monotonic() < end:
        time.sleep(0.1)
    workers[victim].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    statuses, said = ended(workers, 120)
    assert time.monotonic() - killed < 60
    assert statuses[1 - victim] == 2, said
    lines = said[1 - victim][1].splitlines()
    told = [line for line in lines if line.startswith("hrnet-tf: ")]
    assert len(told) == 1
    assert re.match(rf"hrnet-tf: worker {victim} .* the same command on every", told[0])
    assert Run(tmp_path / "run", None).last()[1] < 3

    statuses, said = ended(start(2, command), 400)
    assert statuses == [0, 0], said
    runs = [Run.open(folder) for folder in (tmp_path / "run", undisturbed)]
    assert [row["epoch"] for row in history(runs[0])] == ["1", "2", "3"]
    for x, y in zip(*map(variables, runs), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)
