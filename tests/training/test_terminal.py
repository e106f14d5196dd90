"""What a training in a process of its own says to who started it."""

import csv
import os
import subprocess
import sys

from hrnet_tf.common.messages import LOG

# As `hrnet-tf`, but with a network that is quick to trace.
TRAIN = """
import contextlib, sys
sys.argv[0] = "hrnet-tf"
import hrnet_tf
from hrnet_tf import cli
import_names, held = hrnet_tf.import_public_names, contextlib.ExitStack()

def import_and_patch():
    import_names()
    from support.networks import shallow_networks
    held.enter_context(shallow_networks())

hrnet_tf.import_public_names = import_and_patch
with held:
    cli.main()
"""


def test_training_says_a_line_an_epoch_and_nothing_of_tensorflow(experiment, tmp_path):
    run = tmp_path / "run"
    settings = [f"output={run}", "train.epochs=2", "train.steps_per_epoch=1"]
    line = [sys.executable, "-c", TRAIN, "train", str(experiment), *settings]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # as it is for a user
    said = subprocess.run(
        [*line, "train.validate_every=2"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert not set(said.stdout + said.stderr) & set("\x1b\r\b")
    assert said.stderr.splitlines() == [
        "15 training samples, 7 to validate",
        f"{run} at epoch 0 of 2",
    ]
    head = [text for text in said.stdout.splitlines() if not text.startswith("Epoch")]
    first, second, *rest = head
    assert "loss: " in first
    assert "val_AP" not in first
    assert "val_AP: 0." in second
    assert len(rest) == 2
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val_AP"] == "" for row in rows] == [True, False]
    assert "hrnet_tf.training.train: " in (run / LOG).read_text()
