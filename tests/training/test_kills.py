"""Trainings that are killed end as those that are not, bit for bit.

`make faults` kills every task, 50 times in all; `make test` one, three times.
"""

import sys

import keras
import pytest

import hrnet_tf
from hrnet_tf.training.train import train
from support import kills
from support.kill_child import EAGERLY

KILLS = 5  # of each scenario
MIXED = "pose, mixed precision"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    kills.draw_data(folder)
    return folder


def test_three_kills_change_nothing(data_folder, tmp_path, eagerly, shallow):
    task, *settings = kills.SCENARIOS[MIXED]
    file = tmp_path / "training.yaml"
    kills.write_configuration(task, data_folder, file, kills.epochs_for(3))

    def train_here(name):
        keras.backend.clear_session()  # names of layers are those of a new process
        train(hrnet_tf.read_config(file, [f"output={tmp_path / name}", *settings]))
        return kills.outcome(tmp_path / name)

    whole = train_here("whole")
    done = kills.kill_again_and_again(file, [*settings, EAGERLY], tmp_path / "run", 3)
    assert done == {kills.WRITE: 2, kills.STEP: 1}
    assert kills.differences(whole, train_here("run")) == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", kills.SCENARIOS)
def test_every_task_ends_the_same_however_often_it_is_killed(
    scenario, drawn, tmp_path, capsys
):
    task, *settings = kills.SCENARIOS[scenario]
    file = tmp_path / "training.yaml"
    kills.write_configuration(task, drawn, file, kills.epochs_for(KILLS))
    assert not kills.run_child(file, settings, tmp_path / "whole")
    number = list(kills.SCENARIOS).index(scenario)
    done = kills.kill_again_and_again(
        file, settings, tmp_path / "run", KILLS, seed=number
    )
    assert not kills.run_child(file, settings, tmp_path / "run")
    whole, run = kills.outcome(tmp_path / "whole"), kills.outcome(tmp_path / "run")
    assert kills.differences(whole, run) == []
    assert sum(done.values()) == KILLS
    with capsys.disabled():
        sys.stdout.write(
            f"\n{scenario}: killed {done[kills.WRITE]} times while a state was "
            f"written, {done[kills.STEP]} in later epochs: {len(whole)} parts equal\n"
        )
