"""What a run's folder may go through: two trainings, a move, damage, judgements."""

import json
import os
import shutil
import signal
import subprocess
import sys

import keras
import pytest

from hrnet_tf import InputError, cli
from hrnet_tf.common.free_names import place_for
from hrnet_tf.common.run_lock import training_in
from hrnet_tf.common.text_files import write_json
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import load_state, train


@pytest.fixture
def begun(shallow_run, tmp_path):
    """A run that has two epochs behind it, as far as its files tell."""
    folder = tmp_path / "runs" / "begun"
    shutil.copytree(shallow_run, folder)
    Run.open(folder).state_file(2).write_bytes(b"")
    return folder


def config_for(begun, experiment, *settings):
    from hrnet_tf.training.configs import read_config

    return read_config(experiment, [f"output={begun}", *settings])


@pytest.mark.parametrize("made", [1, 2])
def test_a_training_that_was_killed_before_it_was_a_run_begins(
    made, shallow_run, experiment, tmp_path
):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    if made > 1:
        shutil.copy(shallow_run / "manifest.json", folder)
    config = config_for(folder, experiment)
    assert Run.prepare(config).last() == (None, 0)
    (folder / "checkpoints/best.keras").write_bytes(b"of somebody")
    with pytest.raises(InputError, match="is not empty and no run"):
        Run.prepare(config)


HOLD = """
import sys, time
sys.argv[0] = "hrnet-tf"  # the command imports nothing heavy at once
from hrnet_tf.common.run_lock import training_in
with training_in(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_training_is_told_who_is_there(begun, experiment, shallow):
    with training_in(begun):
        said = rf"another training works in this folder \(process {os.getpid()} on "
        with pytest.raises(InputError, match=said):
            train(config_for(begun, experiment))
        assert Run.open(begun).model() is not None  # who only reads is not held up
    with training_in(begun):
        pass


def test_a_killed_training_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=f"process {process.pid} on"),
            training_in(tmp_path),
        ):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with training_in(tmp_path):
        pass


def test_what_a_lock_leaves_is_no_run_and_in_nobodys_way(configured, tmp_path):
    (tmp_path / "run").mkdir()
    with training_in(tmp_path / "run"):
        pass
    assert Run.prepare(configured()).last() == (None, 0)


def test_a_run_goes_on_by_whatever_path(begun, experiment, monkeypatch):
    monkeypatch.chdir(begun.parent)
    for path in ("begun", "./begun", "begun/", begun, f"{begun}/", "../runs/begun"):
        assert Run.prepare(config_for(path, experiment)).last()[1] == 2


def test_a_moved_run_goes_on_where_it_is(begun, experiment, tmp_path):
    moved = tmp_path / "elsewhere"
    begun.rename(moved)
    assert Run.prepare(config_for(moved, experiment)).last()[1] == 2
    assert Run.open(moved).config.output == str(moved)
    from hrnet_tf.training.configs import read_config

    # Its own configuration means this folder, not the one that it came from.
    assert read_config(moved / "config.yaml").output == str(moved)
    assert read_config(moved / "config.yaml", ["output=new"]).output == "new"


def test_more_epochs_are_possible_where_the_rate_does_not_follow_from_them(
    begun, experiment
):
    more = Run.prepare(config_for(begun, experiment, "train.epochs=5"))
    assert more.last()[1] == 2
    with pytest.raises(InputError, match="has 2 epochs behind it already, more than"):
        Run.prepare(config_for(begun, experiment, "train.epochs=1"))
    with pytest.raises(InputError, match=r"train.seed|seed: 0 -> 1.*model.weights="):
        Run.prepare(config_for(begun, experiment, "seed=1", "train.epochs=5"))


@pytest.mark.parametrize("schedule", ["cosine", "poly"])
def test_more_epochs_of_another_schedule_say_how(schedule, begun, experiment):
    settings = (f"train.schedule={schedule}", "train.drop_at=[]")
    from hrnet_tf.common.typed_yaml import write_config

    write_config(config_for(begun, experiment, *settings), begun / "config.yaml")
    assert Run.prepare(config_for(begun, experiment, *settings)).last()[1] == 2
    said = rf"of 2 epochs cannot become one of 5, .* {schedule} .*model.weights={begun}"
    with pytest.raises(InputError, match=said):
        Run.prepare(config_for(begun, experiment, *settings, "train.epochs=5"))


def test_a_finished_run_is_given_another_epoch(configured, eagerly, shallow):
    settings = ("train.steps_per_epoch=1", "train.batch_size=2")
    train(configured(*settings, "train.epochs=1"))
    longer = train(configured(*settings, "train.epochs=2"))
    assert len(longer.history.read_text().splitlines()) == 3
    assert longer.last()[1] == 2
    assert Run.open(longer.folder).config.train.epochs == 2


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A state as trainings leave it, small."""
    path = tmp_path_factory.mktemp("states") / "epoch_0002.keras"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save(path)
    return path.read_bytes()


DAMAGED = {
    "empty": lambda whole: b"",
    "text": lambda whole: b"no state at all\n",
    "cut": lambda whole: whole[: len(whole) // 2],
    "cut at the end": lambda whole: whole[:-30],
    "zeros": lambda whole: bytes(len(whole)),
}


@pytest.mark.parametrize("change", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_state_is_named_with_what_to_do(change, state, tmp_path):
    path = tmp_path / "epoch_0002.keras"
    path.write_bytes(state)
    assert load_state(path).count_params() == 3
    path.write_bytes(change(state))
    with pytest.raises(InputError, match=f"{path}, .*is damaged .* begins anew then"):
        load_state(path)
    (tmp_path / "epoch_0001.keras").write_bytes(state)
    with pytest.raises(InputError, match=r"begins from epoch_0001\.keras then"):
        load_state(path)


def test_evaluations_that_differ_are_kept_apart(shallow_run, shallow, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(shallow_run, folder)
    caplog.set_level("INFO", "hrnet_tf")

    def evaluate(*settings):
        return evaluate_run(folder, ("evaluate.flip=false", *settings), False)[1]

    first = evaluate()
    before = json.loads(first.read_text())
    other = evaluate("evaluate.nms_threshold=0.5")
    assert other.name == f"{first.stem}_2.json"
    assert f"{first} holds other results; these go to {other}" in caplog.text
    assert json.loads(first.read_text()) == before
    assert other.with_suffix(".txt").is_file()
    assert evaluate() == first
    assert f"{first} of before is written anew" in caplog.text


def test_results_go_to_the_place_of_the_same_ones(tmp_path):
    target = tmp_path / "results.json"
    for number, place in ((1, "results"), (2, "results_2"), (1, "results")):
        path = place_for(target, {"threads": number, "share": float("nan")})
        assert path.stem == place
        write_json(path, {"threads": number, "share": float("nan"), "score": 1})
    target.write_text("no JSON")
    assert place_for(target, {"threads": 2, "share": None}).stem == "results_2"


def test_data_may_be_checked_a_second_time(experiment, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("tiny", "tiny_2"):
        cli.main(["data", "check", str(experiment)])
        assert f"surveys/{folder}/survey.json" in capsys.readouterr().out


def test_what_a_trained_model_does_not_follow_is_said(run_folder, caplog):
    width = Run.open(run_folder).config.model.width
    assert Run.open(run_folder, ("train.epochs=3",)).config.train.epochs == 3
    assert not caplog.text
    Run.open(run_folder, (f"model.width={width + 1}",))
    assert f"model.width: {width} -> {width + 1}: without effect" in caplog.text
