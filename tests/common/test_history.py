"""A training's history: epochs counted from 1, in files of before too."""

from types import SimpleNamespace

import pytest

import hrnet_tf
from hrnet_tf.common.history import read_history
from hrnet_tf.training.callbacks import EpochLog, forget_epochs
from support.damage import DAMAGES, assert_one_sentence, flipped


@pytest.fixture(params=[0, 1])
def history(request, tmp_path):
    """Three epochs; older files count from 0."""
    path = tmp_path / "history.csv"
    rows = [f"{request.param + n},{1.5 - n},{n / 4}" for n in range(3)]
    path.write_text("\n".join(["epoch,loss,val_AP", *rows]) + "\n")
    return path


def test_epochs_count_from_one(history):
    rows = read_history(history)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["loss"] for row in rows] == ["1.5", "0.5", "-0.5"]


def test_what_is_gone_on_with_counts_from_one(history):
    assert forget_epochs(history, 2, "val_AP") == 0.25
    assert history.read_text().splitlines()[1:] == ["1,1.5,0.0", "2,0.5,0.25"]
    assert [row["epoch"] for row in read_history(history)] == ["1", "2"]


KINDS = {**DAMAGES, "a byte": flipped(0x55), "a bit": flipped(0x80)}


@pytest.mark.parametrize("damage", KINDS.values(), ids=KINDS)
def test_a_damaged_history_ends_in_a_sentence_or_is_read(history, damage, rng):
    raw = history.read_bytes()
    for at in rng.integers(0, len(raw), 40):
        history.write_bytes(damage(raw, at))
        try:
            rows = read_history(history)
            best = forget_epochs(history, len(rows), "val_AP")
        except hrnet_tf.InputError as error:
            assert_one_sentence(str(error), history)
        else:
            assert [row["epoch"] for row in rows] == [
                str(number) for number in range(int(rows[0]["epoch"]), len(rows) + 1)
            ]
            assert best <= float("inf")


def test_a_history_that_ends_too_early_is_refused(history):
    with pytest.raises(hrnet_tf.InputError, match="ends with epoch 3 of 4"):
        forget_epochs(history, 4, "val_AP")


def test_a_missing_history_is_said(tmp_path, caplog):
    assert forget_epochs(tmp_path / "history.csv", 2, "val_AP") == -float("inf")
    assert "counts as the best so far" in caplog.text


def test_an_epoch_without_a_judgement_has_an_empty_cell(tmp_path):
    kept = SimpleNamespace(wait=lambda: None)
    log = EpochLog(tmp_path / "history.csv", "val_AP", kept)
    log.on_train_begin()
    log.on_epoch_end(0, {"loss": 0.5})
    log.on_epoch_end(1, {"loss": 0.25, "val_AP": 1.0})
    again = EpochLog(tmp_path / "history.csv", "val_AP", kept)
    again.on_train_begin()
    again.on_epoch_end(2, {"loss": float("nan")})
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines == [
        "epoch,data_wait,loss,val_AP",
        "1,,0.5,",
        "2,,0.25,1.0",
        "3,,,",
    ]
