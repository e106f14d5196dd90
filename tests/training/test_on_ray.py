"""Workers that Ray Train begins: they end as one process does, or with a sentence."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import InputError, cli
from hrnet_tf.common import extras
from hrnet_tf.training import on_ray
from hrnet_tf.training.on_ray import Lines, Told, share_out, train_on_ray
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train
from training.test_cluster import POSE, history, variables

SHORT = ("train.epochs=1", "train.steps_per_epoch=2", "train.validate_every=1")
QUICK = (*POSE, "train.optimizer.class_path=support.quick_workers.CoupledSGD")


def files(run):
    """What is in a run's folder, without what names a moment."""
    found = (path.relative_to(run.folder) for path in run.folder.rglob("*"))
    return {re.sub(r"events\.out.*", "events", str(path)) for path in found}


def same(ours, theirs):
    for x, y in zip(variables(ours), variables(theirs), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


def test_two_workers_of_ray_end_as_one_process(
    local_ray, experiment, eagerly, shallow, tmp_path, capsys
):
    folder = tmp_path / "together"
    words = ["train", str(experiment), *QUICK, *SHORT, f"output={folder}"]
    cli.main([*words, "--ray", "local", "--workers", "2"])
    said = capsys.readouterr()
    (epoch,) = (line for line in said.out.splitlines() if "loss: " in line)
    assert "val_AP: " in epoch
    begins, joins, counts, starts, *_ = said.err.splitlines()  # Keras 2: one more
    assert begins == "Ray begins 2 workers, each with 1 CPU"
    assert re.match(r"worker 0 of 2, .*:\d+, waits for the others", joins)
    assert counts == "15 training samples, 7 to validate"
    assert starts == f"{folder} at epoch 0 of 1"

    settings = [f"output={tmp_path / 'alone'}", *POSE, *SHORT]
    alone = train(hrnet_tf.read_config(experiment, settings))
    together = Run.open(folder)
    same(together, alone)
    assert files(together) - {"logs/messages.log"} == files(alone)
    for x, y in zip(history(together), history(alone), strict=True):
        assert x.keys() == y.keys()
        assert float(x["loss"]) == pytest.approx(float(y["loss"]), abs=1e-5)


def test_a_finished_training_needs_no_workers(shallow_run, monkeypatch, caplog):
    monkeypatch.setattr(on_ray, "ray_engine", None)
    monkeypatch.setattr(Run, "last", lambda run: (None, 2))
    config = Run.open(shallow_run).config
    with caplog.at_level("INFO"):
        train_on_ray(config, workers=2)
    assert f"{shallow_run} is finished (2 epochs)" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.batch_sice=4"], "batch_sice"),
        (["train.batch_size=7", "--workers", "2"], "a multiple of 2, got 7"),
        (["train.devices=[GPU:0]", "--workers", "2"], "takes all GPUs that it sees"),
        (["--cluster", "slurm"], "--ray and --cluster both say who trains"),
    ],
)
def test_mistakes_are_told_before_ray_begins(
    words, message, experiment, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(on_ray, "ray_engine", None)
    words = [str(experiment), f"output={tmp_path / 'run'}", "--ray", "local", *words]
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *words])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hrnet-tf: ")
    assert message in line
    assert not (tmp_path / "run").exists()


def test_without_the_extra_a_sentence_says_what_to_install(
    experiment, monkeypatch, capsys
):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", str(experiment), "--ray", "auto"])
    said = capsys.readouterr().err
    assert "Training on Ray needs ray, pyarrow, fsspec, which are not" in said
    assert "pip install 'hrnet-tf[ray]'" in said


@pytest.mark.parametrize(
    ("machines", "workers", "count", "each"),
    [
        ([{"CPU": 8.0}, {"CPU": 8.0}], None, 2, {"CPU": 8}),
        ([{"CPU": 8.0}, {"CPU": 4.0}], None, 2, {"CPU": 4}),
        ([{"CPU": 8.0}, {"CPU": 8.0}], 4, 4, {"CPU": 4}),
        ([{"CPU": 2.0}, {}], None, 1, {"CPU": 2}),
        ([{"CPU": 8.0, "GPU": 4.0}, {"CPU": 8.0}], None, 1, {"CPU": 1, "GPU": 4}),
        ([{"CPU": 8.0, "GPU": 4.0}] * 2, None, 2, {"CPU": 1, "GPU": 4}),
        ([{"CPU": 8.0, "GPU": 4.0}] * 2, 8, 8, {"CPU": 1, "GPU": 1}),
        ([{"CPU": 8.0, "GPU": 4.0}] * 2, 3, 3, {"CPU": 1, "GPU": 2}),
    ],
)
def test_workers_share_machines(machines, workers, count, each):
    assert share_out(machines, workers) == (count, each)


@pytest.mark.parametrize(
    ("machines", "message"),
    [
        ([{"CPU": 8.0, "GPU": 1.0}] * 2, "Ray has 2 GPUs on 2 machines.* got 3"),
        ([{"CPU": 2.0}], "Ray has 2 CPUs on 1 machines.* got 3"),
        ([], "Ray has 0 CPUs on 0 machines"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(machines, message):
    with pytest.raises(InputError, match=message):
        share_out(machines, 3)


class FailedError(Exception):
    """Of Ray Train."""

    def __init__(self, *numbers):
        super().__init__("long")
        self.worker_failures = dict.fromkeys(numbers)


def ended(*ends):
    told = Told()
    for number in range(3):
        told.take("begun", number, f"host{number}")
    for end in ends:
        told.take(*end)
    return told


def test_why_workers_have_ended_is_told_once():
    lost = ("lost", 0, "worker 1 has ended ...")
    died = str(ended(lost).reason(FailedError(0, 1), "runs/a"))
    assert died.startswith("worker 1 on host1 has ended (killed")
    assert "in runs/a with it; the same command goes on" in died
    told_first = str(ended(lost).reason(FailedError(0), "runs/a"))
    assert told_first.startswith("a worker has ended (killed")

    mistakes = [lost, ("mistake", 2, "There is no a.json.")]
    reason = ended(*mistakes).reason(FailedError(0, 2), "runs/a")
    assert isinstance(reason, InputError)
    assert str(reason) == "worker 2 on host2: There is no a.json."
    everywhere = ended(*mistakes, ("mistake", 0, "There is no a.json."))
    assert str(everywhere.reason(FailedError(), "runs/a")) == "There is no a.json."


def test_what_is_no_mistake_is_raised_again():
    error = FailedError(0, 1)
    assert ended(("fault", 1, "ZeroDivisionError")).reason(error, "a") is error
    assert Told().reason(error, "a") is error
    again = ended(("fault", 1, "ZeroDivisionError"))
    again.take("begun", 1, "host1")  # Ray has begun it anew
    assert isinstance(again.reason(error, "a"), InputError)


def test_lines_are_sent_whole():
    sent = []
    lines = Lines(sent.append)
    for text in ("Epoch", " 1/2\nloss", ": 1\nrest"):
        assert lines.write(text) == len(text)
    assert sent == ["Epoch 1/2\n", "loss: 1\n"]
    lines.flush()
    assert sent[2:] == ["rest"]
    assert not lines.isatty()


@pytest.mark.slow
def test_a_mistake_of_workers_is_told_in_a_sentence(
    local_ray, experiment, tmp_path, capsys
):
    words = [str(experiment), *QUICK, f"output={tmp_path / 'run'}"]
    wrong = "data.validation.annotations=nothing.json"
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *words, wrong, "--ray", "local", "--workers", "2"])
    told = capsys.readouterr().err.splitlines()
    assert "nothing.json" in told[-1]
    assert [line.startswith("hrnet-tf: ") for line in told].count(True) == 1
    assert not (tmp_path / "run").exists()


def after_an_epoch(run, act):
    """Do something in a thread as soon as a run has a whole epoch."""

    def wait():
        while run.last()[1] < 1:
            time.sleep(0.1)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_killed_worker_ends_the_training_which_goes_on(
    local_ray, experiment, eagerly, shallow, tmp_path
):
    settings = [*QUICK, "train.epochs=3"]

    def read(name):
        folder = f"output={tmp_path / name}"
        return hrnet_tf.read_config(experiment, [*settings, folder])

    killed = []

    def kill():
        holder = (tmp_path / "run" / ".training.holder").read_text()
        os.kill(int(holder.split()[1]), signal.SIGKILL)
        killed.append(time.monotonic())

    thread = after_an_epoch(Run(tmp_path / "run", None), kill)
    with pytest.raises(InputError, match=r"worker .*has ended.* the same command"):
        train_on_ray(read("run"), workers=2)
    assert time.monotonic() - killed[0] < 60
    thread.join()
    assert Run(tmp_path / "run", None).last()[1] < 3
    run = train_on_ray(read("run"), workers=2)
    assert [row["epoch"] for row in history(run)] == ["1", "2", "3"]
    same(run, train(read("alone")))


@pytest.mark.slow
def test_an_interrupted_command_ends_its_workers_and_goes_on(experiment, tmp_path):
    run = Run(tmp_path / "run", None)
    words = [str(experiment), *QUICK, "train.epochs=4", f"output={run.folder}"]
    words = ["-m", "hrnet_tf", "train", *words, "--ray", "local", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def begin():
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    command = begin()
    after_an_epoch(run, lambda: command.send_signal(signal.SIGINT))
    _, said = command.communicate(timeout=400)
    assert command.returncode == 130, said
    assert said.splitlines()[-1].startswith("interrupted; ")
    assert run.last()[1] < 4
    command = begin()  # at once: nobody holds the folder
    _, said = command.communicate(timeout=400)
    assert command.returncode == 0, said
    assert Run.open(run.folder).last()[1] == 4
