"""Several processes, on one host or many, that train one network together.

TensorFlow's `MultiWorkerMirroredStrategy` adds up gradients, and this file says what it
leaves open: who reads which rows, who writes the run, that all train the same, and in a
sentence what happened when one of them ends.
"""

import atexit
import contextlib
import json
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.compat_workers import read_by_one_worker, several_workers
from hrnet_tf.common.config import TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.failures import explain
from hrnet_tf.common.files import write_text
from hrnet_tf.common.messages import STDERR
from hrnet_tf.common.typed_yaml import flattened
from hrnet_tf.common.version import __version__
from hrnet_tf.data.parallel import Share, own_rows, share_of
from hrnet_tf.tasks.base.experiment import TrainingData
from hrnet_tf.training.hosts import Hosts, check_shared
from hrnet_tf.training.run import Run

logger = logging.getLogger(__name__)

TOKEN = ".workers"  # in the run's folder: what all workers must see
PATIENCE = 30.0  # seconds until a shared disk shows all what one has written
NOT_COMPARED = ("output",)  # a shared disk may have another path on each host
SHOWN = 5  # settings that differ

# What TensorFlow raises where another process is gone, or its own server has failed.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.FailedPreconditionError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
Noted = Callable[[tf.data.Dataset], tf.data.Dataset]


class LostWorkerError(InputError):
    """Another worker has ended, and with it what all of them did."""


_TASK = re.compile(r"/job:worker/(?:replica:0/)?task:(\d+)")


class Alone:
    """A training in one process; what it shares is what it has."""

    workers, number, chief = 1, 0, True
    strategy: tf.distribute.Strategy | None = None

    def agree(self, run: Run) -> None:
        """Nobody else could train otherwise."""

    def see(self, folder: Path) -> None:
        """Nobody else has to see the folder."""

    def batches(
        self,
        data: TrainingData,
        epochs: range,
        steps: int,
        batch_size: int,
        noted: Noted,
    ) -> tf.data.Dataset:
        """All rows."""
        return noted(data.batches(epochs, steps))

    def by_chief(
        self, callbacks: list[keras.callbacks.Callback]
    ) -> list[keras.callbacks.Callback]:
        """As they are."""
        return callbacks

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """As it is."""
        yield

    @contextlib.contextmanager
    def losses_explained(self, run_folder: str | Path) -> Iterator[None]:
        """Nobody can be lost."""
        yield


class ReadByChief(keras.callbacks.Callback):
    """Lets the chief read variables while the others wait for it in the next step.

    List it twice: it holds for what stands between.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: contextlib.ExitStack | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Begin, or end."""
        if self._held is None:
            self._held = contextlib.ExitStack()
            self._held.enter_context(read_by_one_worker())
        else:
            self._held.close()
            self._held = None

    def on_train_end(self, logs: Any = None) -> None:
        """End in any case."""
        if self._held is not None:
            self.on_epoch_end(0)


@dataclass(frozen=True)
class Cluster:
    """This process among those that train together; see `join`.

    Attributes:
        hosts: who they are.
        strategy: adds up what they compute.
    """

    hosts: Hosts
    strategy: tf.distribute.Strategy

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self.hosts.addresses)

    @property
    def number(self) -> int:
        """Of this one."""
        return self.hosts.number

    @property
    def chief(self) -> bool:
        """Whether this one judges, and writes the run."""
        return self.number == 0

    def agree(self, run: Run) -> None:
        """See that all are about to do the same; wait until all are there.

        Raises:
            InputError: on every worker, if one has another configuration than the chief
                or other versions, or sees another state of the run.
        """
        facts = {
            key: str(value)
            for key, value in flattened(run.config).items()
            if key not in NOT_COMPARED
        }
        facts["version of hrnet_tf"] = __version__
        facts["version of Keras"] = keras.__version__
        facts["version of TensorFlow"] = tf.__version__
        _, done = run.last()
        told = [json.loads(x) for x in self.told(json.dumps([facts, done]))]
        (expected, chief_done), *others = told
        for number, (own, own_done) in enumerate(others, start=1):
            keys = sorted(expected.keys() | own.keys())
            changes = [
                f"{key}: {expected.get(key)} -> {own.get(key)}"
                for key in keys
                if expected.get(key) != own.get(key)
            ]
            if changes:
                more = f" and {len(changes) - SHOWN} more" * (len(changes) > SHOWN)
                raise InputError(
                    f"{self._name(number)} has other settings than {self._name(0)} "
                    f"({'; '.join(changes[:SHOWN])}{more}); give every host the same."
                )
            if own_done != chief_done:
                raise InputError(
                    f"{self._name(number)} sees {own_done} trained epochs in "
                    f"{run.folder}, {self._name(0)} {chief_done}: {self._shared()}."
                )

    def see(self, folder: Path) -> None:
        """See that all have the same run's folder; the chief has made it.

        Raises:
            InputError: on every worker, if one has another folder.
        """
        token, *_ = self.told(uuid.uuid4().hex)
        path = folder / TOKEN
        try:
            if self.chief:
                write_text(path, token)
            self.told("")  # it is written
            seen = [x == "yes" for x in self.told("yes" if _shows(path, token) else "")]
        finally:
            if self.chief:
                path.unlink(missing_ok=True)
        if not all(seen):
            raise InputError(
                f"{self._name(seen.index(False))} does not see what {self._name(0)} "
                f"writes to {folder}: {self._shared()}."
            )

    def batches(
        self,
        data: TrainingData,
        epochs: range,
        steps: int,
        batch_size: int,
        noted: Noted,
    ) -> Any:
        """This worker's rows of each batch, as the strategy takes them.

        Args:
            data: where batches come from.
            epochs: their numbers.
            steps: batches an epoch.
            batch_size: of all workers together.
            noted: what is done to this worker's batches.
        """
        share = Share(self.number, self.workers)
        with share_of(share):
            batches = noted(own_rows(data.batches(epochs, steps), batch_size, share))
        devices = self.strategy.num_replicas_in_sync // self.workers
        if devices > 1:
            batches = batches.rebatch(batch_size // self.workers // devices)
        return self.strategy.distribute_datasets_from_function(lambda _: batches)

    def by_chief(
        self, callbacks: list[keras.callbacks.Callback]
    ) -> list[keras.callbacks.Callback]:
        """What the chief does between epochs, while the others wait for it."""
        switch = ReadByChief()
        return [switch, *callbacks, switch]

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """In here Keras trains over all workers; it ends for all at the same time.

        Raises:
            LostWorkerError: if another worker is gone.
        """
        with several_workers():
            yield
        self.told("")  # the chief has written all

    @contextlib.contextmanager
    def losses_explained(self, run_folder: str | Path) -> Iterator[None]:
        """In here the loss of a worker is a LostWorkerError."""
        try:
            yield
        except LOST as error:
            if explain(error) is not None:  # of files or memory
                raise
            # TensorFlow would say it again, at length, while this process ends.
            atexit.register(os.dup2, os.open(os.devnull, os.O_WRONLY), STDERR)
            raise LostWorkerError(lost(error, self.hosts, run_folder)) from error

    def told(self, text: str) -> list[str]:
        """What each worker says; all must ask at the same point."""
        own = np.frombuffer(text.encode(), np.uint8)
        lengths = np.zeros(self.workers, np.float32)
        lengths[self.number] = len(own)
        lengths = self._summed(lengths).astype(int)
        rows = np.zeros((self.workers, lengths.max() + 1), np.float32)
        rows[self.number, : len(own)] = own
        rows = self._summed(rows).astype(np.uint8)
        return [
            row[:length].tobytes().decode()
            for row, length in zip(rows, lengths, strict=True)
        ]

    def _summed(self, values: np.ndarray) -> np.ndarray:
        devices = self.strategy.num_replicas_in_sync // self.workers

        def add() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group % devices == 0
            own = tf.constant(values) * tf.cast(first, tf.float32)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        found = self.strategy.run(add)
        return self.strategy.experimental_local_results(found)[0].numpy()

    def _name(self, number: int) -> str:
        return f"worker {number} ({self.hosts.addresses[number]})"

    def _shared(self) -> str:
        return (
            "the run's folder must be the same one on every host, on a disk that they "
            "share; choose it by output=FOLDER"
        )


def join(hosts: Hosts | None, settings: TrainSection) -> Alone | Cluster:
    """Become one of the processes that train together; wait for the others.

    Nothing may have been computed in this process before.

    Args:
        hosts: who they are; None: this one is alone.
        settings: the recipe.

    Raises:
        InputError: if the recipe cannot be shared out, or a worker does not come.
    """
    if hosts is None:
        return Alone()
    workers = len(hosts.addresses)
    check_shared(settings, workers)
    logger.info(
        "worker %d of %d, %s, waits for the others; %s",
        hosts.number,
        workers,
        hosts.addresses[hosts.number],
        "it judges and writes the run"
        if hosts.number == 0
        else f"worker 0, {hosts.addresses[0]}, judges and writes the run",
    )
    count = len(tf.config.list_physical_devices("GPU"))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(hosts.addresses)}),
        task_type="worker",
        task_id=hosts.number,
        num_accelerators={"GPU": count},
        rpc_layer="grpc",
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise InputError(
            f"This process cannot train with others ({_flat(error)}): TensorFlow must "
            "not have computed anything in it before."
        ) from None
    except (*LOST, tf.errors.InternalError, tf.errors.UnknownError) as error:
        raise InputError(
            f"{hosts.addresses[hosts.number]} cannot be used by this process "
            f"({_flat(error)[:200]}): another one may have the port, or a worker did "
            "not come."
        ) from None
    return Cluster(hosts, strategy)


def lost(error: Exception, hosts: Hosts, folder: str | Path) -> str:
    """What TensorFlow's words for a lost worker mean.

    Args:
        error: of TensorFlow.
        hosts: who trained together.
        folder: the run's.
    """
    found = {int(number) for number in _TASK.findall(str(error))} - {hosts.number}
    names = [
        f"worker {number} ({hosts.addresses[number]})"
        for number in sorted(found)
        if number < len(hosts.addresses)
    ]
    who = names[0] if len(names) == 1 else "another worker"
    return (
        f"{who} has ended or cannot be reached, and the training in {folder} with it; "
        "the same command on every host goes on from the last epoch that was written. "
        "What happened, that worker's own output tells."
    )


def _shows(path: Path, token: str) -> bool:
    """Whether a file holds this text, or does so soon."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8").strip() == token:
                return True
        time.sleep(0.2)
    return False


def _flat(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
