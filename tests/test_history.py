"""A training's history: epochs counted from 1, in files of before too."""

import pytest

from hrnet_tf.callbacks import forget_epochs
from hrnet_tf.history import read_history


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
