"""Train in a process that is killed at a certain moment.

    python kill_child.py CONFIG.yaml MOMENT [key=value ...]

A moment is `step:EPOCH:NUMBER`, at the end of a step; or `write:EPOCH:NUMBER:DELAY`,
milliseconds after something is done with the files of states and of the history, the
first time being 0 since that epoch has ended; or `none`. Epochs count from 1. Networks
have no blocks, and begin many times sooner.
"""

import os
import signal
import sys
import threading
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NO_KILL, EAGERLY = "none", "eagerly"


def die():
    """End as a process does whose memory is needed elsewhere."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_in_step(epoch, number):
    """Die at the end of a step."""
    from hrnet_tf.training.callbacks import Chance
    from hrnet_tf.training.states import WholeState

    begin, check = Chance.on_epoch_begin, WholeState.on_train_batch_end
    current = [0]

    def begin_epoch(self, index, logs=None):
        current[0] = index + 1
        begin(self, index, logs)

    def end_step(self, batch, logs=None):
        check(self, batch, logs)
        if current[0] == epoch and batch == number:
            die()

    Chance.on_epoch_begin = begin_epoch
    WholeState.on_train_batch_end = end_step


def kill_while_writing(epoch, number, delay, folder):
    """Die when a file is about to be made, renamed or removed, or soon after."""
    from hrnet_tf.training.callbacks import EpochLog

    end = EpochLog.on_epoch_end
    ended, done = [0], [0]
    states = str(folder / "checkpoints")

    def end_epoch(self, index, logs=None):
        ended[0] = index + 1
        end(self, index, logs)

    def watch(event, arguments):
        if ended[0] < epoch or not changes_files(event, arguments):
            return
        path = str(arguments[0])
        if path.startswith(states) or path.endswith("/history.csv"):
            done[0] += 1
            if done[0] == number + 1:
                threading.Timer(delay / 1000, die).start() if delay else die()

    EpochLog.on_epoch_end = end_epoch
    sys.addaudithook(watch)


def changes_files(event, arguments):
    """Whether what Python is about to do changes a file or its name."""
    if event == "open":
        return arguments[1] not in ("r", "rb", None)
    return event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def main(configuration, moment, *settings):
    import tensorflow as tf

    import hrnet_tf
    from support.networks import shallow_networks

    if EAGERLY in settings:
        tf.config.run_functions_eagerly(True)
    keys = [setting for setting in settings if setting != EAGERLY]
    config = hrnet_tf.read_config(configuration, keys)
    if moment != NO_KILL:
        kind, *numbers = moment.split(":")
        if kind == "step":
            kill_in_step(*map(int, numbers))
        else:
            kill_while_writing(*map(int, numbers), Path(config.output))
    with shallow_networks():
        hrnet_tf.train(config)


if __name__ == "__main__":
    main(*sys.argv[1:])
