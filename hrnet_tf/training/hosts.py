"""Which processes train together: from TF_CONFIG, from Slurm, from Kubernetes."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hrnet_tf.common.config import TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.extras import require

# What `--cluster` may say, but for `kubernetes:LABEL=VALUE`.
AUTO, ALONE, TF_CONFIG, SLURM, KUBERNETES = (
    "auto",
    "none",
    "tf_config",
    "slurm",
    "kubernetes",
)
PODS_WAIT = 600.0  # seconds for all pods to run
JOBS = ("chief", "worker")  # of TF_CONFIG, in this order
EXAMPLE = (
    """TF_CONFIG='{"cluster": {"worker": ["one:2222", "two:2222"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
)


@dataclass(frozen=True)
class Hosts:
    """The processes that train together.

    Attributes:
        addresses: `host:port` of each, the same everywhere; the first one is the chief.
        number: of this process among them.
    """

    addresses: tuple[str, ...]
    number: int


def find_hosts(
    choice: str = AUTO,
    workers: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Hosts | None:
    """The processes that this one trains with; None: it is alone.

    Args:
        choice: `"tf_config"`; `"slurm"`; `"kubernetes:LABEL=VALUE"`, a label of the
            pods; `"none"`; or `"auto"`: TF_CONFIG where it is set, else Slurm where its
            step has several tasks.
        workers: how many there must be; Kubernetes waits until so many pods run.
        environment: variables of the process.

    Raises:
        InputError: if what is chosen does not say it.

    Example:
        ```python
        hosts = find_hosts()
        if hosts is not None:
            print(f"worker {hosts.number} of {len(hosts.addresses)}")
        ```
    """
    kind, _, label = choice.partition(":")
    if kind == AUTO:
        kind = _what_there_is(environment)
    if kind == ALONE:
        return None
    if kind == TF_CONFIG:
        found = _from_tf_config(environment)
    elif kind == SLURM:
        found = _from_slurm(environment)
    elif kind == KUBERNETES and "=" in label:
        found = _from_kubernetes(label, workers, environment)
    else:
        raise InputError(
            f"--cluster {choice}: expected {AUTO}, {ALONE}, {TF_CONFIG}, {SLURM} or "
            f"{KUBERNETES}:LABEL=VALUE, a label of the pods."
        )
    if workers is not None and workers != len(found.addresses):
        raise InputError(
            f"--workers {workers}, but {kind} says {len(found.addresses)}: "
            f"{', '.join(found.addresses)}."
        )
    return found if len(found.addresses) > 1 else None


def check_shared(settings: TrainSection, workers: int) -> None:
    """See that a recipe can be shared out.

    Args:
        settings: the recipe.
        workers: how many train together.

    Raises:
        InputError: if it cannot.
    """
    if settings.devices:
        raise InputError(
            f"`train.devices` is {list(settings.devices)}, but each of {workers} "
            "workers takes all GPUs that it sees: leave it away, and choose by the "
            "variable CUDA_VISIBLE_DEVICES."
        )
    if settings.batch_size % workers:
        raise InputError(
            f"`train.batch_size` is shared by all workers, so it must be a multiple of "
            f"{workers}, got {settings.batch_size}."
        )


def _what_there_is(environment: Mapping[str, str]) -> str:
    if environment.get("TF_CONFIG"):
        return TF_CONFIG
    # Of a step, not of a job: a batch script by itself is one process.
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "")
    return SLURM if tasks.isdecimal() and int(tasks) > 1 else ALONE


def _from_tf_config(environment: Mapping[str, str]) -> Hosts:
    text = environment.get("TF_CONFIG", "")
    try:
        given = json.loads(text)
    except ValueError as error:
        found = f"{text[:80]!r} ({error})" if text else "it is not set"
        raise InputError(
            f"TF_CONFIG must be JSON, but {found}; such as {EXAMPLE}."
        ) from None
    cluster = given.get("cluster") if isinstance(given, dict) else None
    task = given.get("task") if isinstance(given, dict) else None
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise InputError(
            f"TF_CONFIG must have `cluster` and `task`, got {text[:80]!r}; such as "
            f"{EXAMPLE}."
        )
    if others := sorted(set(cluster) - set(JOBS)):
        raise InputError(
            f"TF_CONFIG has tasks of the kind {', '.join(others)}: expected "
            "`worker`, and `chief` if there is to be one; all of them train."
        )
    places = [
        (job, number, address)
        for job in JOBS
        for number, address in enumerate(_addresses(cluster.get(job, []), job))
    ]
    kind, index = task.get("type"), task.get("index")
    own = [
        place
        for place, (job, number, _) in enumerate(places)
        if (job, str(number)) == (kind, str(index))
    ]
    if not own:
        raise InputError(
            f"TF_CONFIG: this process is {kind} {index}, which is not in `cluster` "
            f"({', '.join(f'{job} {number}' for job, number, _ in places) or 'empty'})."
        )
    return _checked([address for _, _, address in places], own[0], "TF_CONFIG")


def _addresses(given: Any, job: str) -> list[str]:
    good = isinstance(given, list) and all(
        isinstance(each, str) and each.rpartition(":")[2].isdecimal() for each in given
    )
    if not good:
        raise InputError(
            f"TF_CONFIG: `cluster.{job}` must be a list of HOST:PORT, got {given!r}."
        )
    return given


def _from_slurm(environment: Mapping[str, str]) -> Hosts:
    try:
        tasks = int(environment["SLURM_STEP_NUM_TASKS"])
        # A task takes the GPUs that Slurm shows it: TensorFlow shall not share them out
        # once more, nor look for any.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        spec = resolver.cluster_spec()
        _, number = resolver.get_task_info()
    except (KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"Slurm's variables do not tell the tasks of this step ({reason}); start "
            "it by srun: srun --ntasks-per-node=1 hrnet-tf train CONFIG."
        ) from None
    return _checked(spec.job_tasks("worker"), number, "Slurm")


def _from_kubernetes(
    label: str, workers: int | None, environment: Mapping[str, str]
) -> Hosts:
    require(["kubernetes"], "--cluster kubernetes")
    own = environment.get("HOST_IP")
    if not own or workers is None:
        raise InputError(
            "--cluster kubernetes needs --workers, the number of pods, and in the "
            "variable HOST_IP what the pod's field status.hostIP says; see "
            "docs/many_hosts.md."
        )
    from kubernetes import client, config

    # TensorFlow's resolver itself looks for a file of settings, which pods have not.
    config.load_incluster_config()
    addresses = running_pods(client.CoreV1Api(), label, workers)
    hosts = [address.rpartition(":")[0] for address in addresses]
    if own not in hosts:
        raise InputError(
            f"No pod with the label {label} runs at HOST_IP={own}, found "
            f"{', '.join(addresses)}."
        )
    return _checked(addresses, hosts.index(own), "Kubernetes")


def running_pods(
    client: Any, label: str, workers: int, wait: float = PODS_WAIT
) -> list[str]:
    """`host:port` of all pods with a label, once enough of them run.

    Args:
        client: Kubernetes's `CoreV1Api`.
        label: `NAME=VALUE`.
        workers: how many there must be.
        wait: seconds to wait for them.

    Raises:
        InputError: if there are not so many then; the text says what there is.
    """
    resolver = tf.distribute.cluster_resolver.KubernetesClusterResolver(
        {"worker": [label]}, override_client=client
    )
    end = time.monotonic() + wait
    while True:
        try:
            found = resolver.cluster_spec().as_dict().get("worker", [])
            if len(found) == workers:
                return found
            reason = f"{len(found)} run"
        except RuntimeError as error:  # a pod does not run yet
            reason = str(error)
        if time.monotonic() > end:
            raise InputError(
                f"There are no {workers} pods with the label {label} after {wait:g} s: "
                f"{reason.rstrip('.')}."
            )
        time.sleep(1.0)


def _checked(addresses: list[str], number: int, where: str) -> Hosts:
    doubled = sorted({each for each in addresses if addresses.count(each) > 1})
    if doubled:
        raise InputError(
            f"{where} gives {', '.join(doubled)} to several workers; each needs a host "
            "or a port of its own."
        )
    return Hosts(tuple(addresses), number)
