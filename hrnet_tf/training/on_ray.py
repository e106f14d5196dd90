"""Ray Train begins the workers of a training; each does what `train` does by TF_CONFIG.

Ray starts processes on the machines of a cluster, tells TensorFlow of one another, and
sees at once when one of them ends. All else is `hrnet_tf.training.cluster`: the run's
folder holds the whole state, so nothing of Ray's own checkpoints is used.
"""

import contextlib
import io
import logging
import os
import pickle
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hrnet_tf.common.compat_workers import save_in_this_thread
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.extras import require
from hrnet_tf.common.failures import explain
from hrnet_tf.common.messages import set_aside
from hrnet_tf.common.ray_engine import LOCAL, PACKAGES, quiet, ray_engine
from hrnet_tf.tasks import check_known_elsewhere
from hrnet_tf.training.cluster import LostWorkerError
from hrnet_tf.training.configs import Config
from hrnet_tf.training.hosts import TF_CONFIG, check_shared
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train

logger = logging.getLogger(__name__)

PATIENCE = 120.0  # seconds until it is told that no worker has begun
LEAVE = 30.0  # seconds for workers to end in when the command is interrupted
PULSE = 1.0  # seconds between two looks at whether the other side is there

# What workers tell: a kind, the worker's number and a text.
BEGUN, OUT, ERR, MISTAKE, LOST, FAULT = (
    "begun",
    "out",
    "err",
    "mistake",
    "lost",
    "fault",
)


def train_on_ray(
    config: Config, address: str = LOCAL, workers: int | None = None
) -> Run:
    """Train a network by processes that Ray begins, or go on where it was interrupted.

    What is told on the way is what the first worker tells.

    Args:
        config: the experiment; `config.output` is the run's folder, on a disk that all
            machines share.
        address: of a cluster that this machine belongs to, `"auto"` or `HOST:PORT`;
            `"local"`: an engine that begins on this machine and ends with the call.
        workers: processes; each takes as many GPUs (without any: CPUs) as all of them
            can have. None: one a machine, or one a machine with GPUs if any has some.

    Returns:
        The run, as `hrnet_tf.train` makes it.

    Raises:
        InputError: if the configuration or the data are no good, Ray is not there, or a
            worker has ended; the same call goes on then.

    Example:
        ```python
        config = read_config("configs/pose/demo.yaml", ["train.epochs=2"])
        run = train_on_ray(config, "auto", workers=4)
        ```
    """
    require(PACKAGES, "Training on Ray")
    check_known_elsewhere(config.task)
    if workers is not None and workers > 1:
        check_shared(config.train, workers)
    run = Run.prepare(config)
    _, done = run.last()
    if done >= config.train.epochs:
        logger.info("%s is finished (%d epochs)", run.folder, done)
        return run
    with ray_engine(address, workers) as ray:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        count, resources = share_out(machines, workers)
        if count > 1:
            check_shared(config.train, count)
        _train(config, count, resources)
    return run


def share_out(
    machines: Sequence[dict[str, float]], workers: int | None
) -> tuple[int, dict[str, int]]:
    """How many workers there are, and what each of them takes of a machine.

    Args:
        machines: what each of them has, such as `{"CPU": 8.0, "GPU": 2.0}`.
        workers: how many are asked for; None: one a machine that has what is shared.

    Raises:
        InputError: if there is too little for so many.

    Example:
        ```python
        share_out([{"CPU": 8.0, "GPU": 4.0}, {"CPU": 8.0, "GPU": 4.0}], None)
        # 2, {"CPU": 1, "GPU": 4}
        ```
    """
    gpus = [int(machine.get("GPU", 0)) for machine in machines]
    cpus = [int(machine.get("CPU", 0)) for machine in machines]
    kind, there = ("GPU", gpus) if any(gpus) else ("CPU", cpus)
    count = workers or sum(bool(amount) for amount in there)
    for each in range(max(there, default=0), 0, -1):
        if sum(amount // each for amount in there) >= count > 0:
            return count, {"CPU": 1, kind: each}
    raise InputError(
        f"Ray has {sum(there)} {kind}s on {len(machines)} machines, and each worker "
        f"takes one at least: choose --workers accordingly, got {count}."
    )


@dataclass
class Told:
    """What workers have told, and how those ended that say so.

    Attributes:
        begun: machines of the workers that were there, by their number.
        ends: kind and text of those that failed, by their number.
    """

    begun: dict[int, str] = field(default_factory=dict)
    ends: dict[int, tuple[str, str]] = field(default_factory=dict)

    def take(self, kind: str, number: int, text: str) -> None:
        """Note it, or show it as if it were told by this process."""
        if kind == BEGUN:
            self.begun[number] = text
            self.ends.pop(number, None)  # Ray begins anew
        elif kind in (OUT, ERR):
            stream = sys.stdout if kind == OUT else sys.stderr
            stream.write(text)
            stream.flush()
        else:
            self.ends[number] = kind, text

    def reason(self, error: Exception, folder: str) -> Exception:
        """What ends the training, where Ray Train has failed.

        Args:
            error: of Ray Train.
            folder: the run's.
        """
        mistakes = {n: text for n, (kind, text) in self.ends.items() if kind == MISTAKE}
        if mistakes:
            number = min(mistakes)
            where = f"{self._name(number)}: " if number else ""
            return InputError(where + mistakes[number])
        if any(kind == FAULT for kind, _ in self.ends.values()):
            return error
        failed = getattr(error, "worker_failures", {})
        dead = sorted((failed.keys() & self.begun.keys()) - self.ends.keys())
        if not dead and not self.ends:
            return error
        who = self._name(dead[0]) if dead else "a worker"
        return InputError(
            f"{who} has ended (killed, out of memory, or its machine is gone), and the "
            f"training in {folder} with it; the same command goes on from the last "
            "epoch that was written."
        )

    def _name(self, number: int) -> str:
        return f"worker {number} on {self.begun[number]}"


def _train(config: Config, workers: int, resources: dict[str, int]) -> None:
    """Have workers train, and tell what the first one tells until all have ended."""
    quiet("ray.train")
    from ray.train import RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer
    from ray.util.queue import Queue

    told, failed = Told(), []
    queue = Queue(actor_options={"num_cpus": 0})
    logger.info(
        "Ray begins %d workers, each with %s",
        workers,
        " and ".join(f"{amount} {kind}" for kind, amount in resources.items()),
    )
    with tempfile.TemporaryDirectory(prefix="hrnet_tf_ray_") as scratch:
        trainer = TensorflowTrainer(
            _work_of(queue, config),
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu="GPU" in resources,
                resources_per_worker=resources,
            ),
            run_config=RunConfig(name="train", storage_path=scratch),
        )

        def fit() -> None:
            try:
                trainer.fit()
            except Exception as error:
                failed.append(error)

        # Not here: it would take Ctrl-C for itself, and end this process by itself.
        thread = threading.Thread(target=fit, daemon=True)
        try:
            thread.start()
            _follow(queue, told, thread)
        finally:
            queue.shutdown(force=True)  # workers end with it
            # Ray ends this whole process if it is asked for more behind its end.
            thread.join(LEAVE)
    for error in failed:
        raise told.reason(error, config.output)


def _follow(queue: Any, told: Told, thread: threading.Thread) -> None:
    """Take what workers tell, until there is nobody who could tell more."""
    from ray.util.queue import Empty

    late = time.monotonic() + PATIENCE
    while True:
        alive = thread.is_alive()
        try:
            told.take(*queue.get(timeout=PULSE))
            continue
        except Empty:
            if not alive:
                return
        if not told.begun and time.monotonic() > late:
            late = float("inf")
            logger.warning(
                "no worker has begun in %.0f s: others may have taken the machines "
                "(`ray status` tells); this waits",
                PATIENCE,
            )


def _work_of(queue: Any, config: Config) -> Callable[[], None]:
    """What Ray sends to workers: a function that imports nothing before it is called.

    Ray asks TensorFlow for another Keras than the installed one, which must be undone
    before TensorFlow is imported.
    """
    given, words, folder = pickle.dumps(config), sys.argv, os.getcwd()

    def work() -> None:
        import ray.train

        os.environ.pop("TF_USE_LEGACY_KERAS", None)
        number = ray.train.get_context().get_world_rank()
        workers = ray.train.get_context().get_world_size()
        queue.put((BEGUN, number, socket.gethostname()))
        try:
            os.chdir(folder)
            from hrnet_tf.training.on_ray import Worker
        except (ImportError, OSError) as error:
            text = (
                f"{error}; hrnet_tf must be installed on every machine, and {folder}, "
                "where the command was given, be a folder of each."
            )
            queue.put((MISTAKE, number, text))
            raise
        sys.argv = words
        Worker(queue, number, workers).train(pickle.loads(given))

    return work


class Lines(io.TextIOBase):
    """A text stream whose lines another process shows.

    Args:
        send: takes them.
    """

    encoding = "utf-8"

    def __init__(self, send: Callable[[str], None]):
        super().__init__()
        self._send, self._held = send, ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Send whole lines; the rest waits."""
        lines, end, self._held = (self._held + text).rpartition("\n")
        if end:
            self._send(lines + end)
        return len(text)

    def flush(self) -> None:
        """Send the rest."""
        if self._held:
            self._send(self._held)
            self._held = ""


@dataclass(frozen=True)
class Worker:
    """One process of a training on Ray.

    Attributes:
        queue: leads to the process that began it.
        number: of this worker; 0 is the one that tells.
        workers: how many there are.
    """

    queue: Any
    number: int
    workers: int

    def train(self, config: Config) -> None:
        """Train as one of them; say how it ends, if it does not end well."""
        threading.Thread(target=self._end_with_the_command, daemon=True).start()
        save_in_this_thread()  # Ray calls this in one of its own
        try:
            with contextlib.ExitStack() as held:
                if self.number == 0:
                    out, err = (Lines(self._sender(kind)) for kind in (OUT, ERR))
                    held.enter_context(contextlib.redirect_stdout(out))
                    held.enter_context(contextlib.redirect_stderr(err))
                    messages = held.enter_context(set_aside())
                    held.callback(messages.discard)
                train(config, TF_CONFIG, self.workers)
        except BaseException as error:
            kind, text = FAULT, str(error)
            if isinstance(error, LostWorkerError):
                kind = LOST
            elif isinstance(error, InputError):
                kind = MISTAKE
            elif isinstance(error, Exception) and (said := explain(error)):
                kind, text = MISTAKE, said
            self.queue.put((kind, self.number, text))
            # As text: the processes of Ray that hand it on know nothing of ours.
            raise RuntimeError(text) from (None if kind != FAULT else error)

    def _sender(self, kind: str) -> Callable[[str], None]:
        return lambda text: self.queue.put((kind, self.number, text))

    def _end_with_the_command(self) -> None:
        """End this process when that which began it has ended, however it did."""
        from ray.exceptions import RayError

        while True:
            try:
                self.queue.qsize()
            except RayError:
                os._exit(1)
            time.sleep(PULSE)
