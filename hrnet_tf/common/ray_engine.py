"""Ray for the time of one command: a cluster that runs, or an engine on this machine.

Ray itself is imported when it is needed: it is in the extra `ray`.
"""

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from hrnet_tf.common.errors import InputError

LOCAL = "local"  # the address of an engine that begins here
PACKAGES = ("ray", "pyarrow", "fsspec")  # what the extra brings
STORE = 2**27  # bytes of Ray's store on this machine; what goes through it is small

# Of Ray on this machine: it tells nobody that it is used, and leaves devices alone. Of
# its workers in a training: they leave loggers and `print` alone, and may come late.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
}


@contextlib.contextmanager
def ray_engine(address: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Ray, connected; begun here and ended behind it, unless it runs already.

    Args:
        address: of a cluster, as `ray.init` takes it; None or `"local"`: an engine on
            this machine.
        workers: how many there shall be room for on this machine, whatever it has.

    Returns:
        The package `ray`.

    Raises:
        InputError: if there is no cluster, or Ray does not begin on this machine.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    settings: dict[str, Any] = {
        "logging_level": logging.ERROR,
        "log_to_driver": False,
    }
    local = address in (None, LOCAL)
    if local:
        own = {"include_dashboard": False, "object_store_memory": STORE}
        settings = {**settings, **own, "address": LOCAL}
        if workers is not None:
            settings["num_cpus"] = max(workers, os.cpu_count() or 1)
    else:
        settings["address"] = address
    try:
        ray.init(**settings)
    except Exception as error:  # a bare one says that its processes came too late
        if local:
            raise InputError(
                f"Ray has not begun on this machine: {_flat(error)}. Its processes "
                "have half a minute, and take longer where much else runs or memory is "
                "short; the same command tries again."
            ) from error
        raise InputError(
            f"There is no Ray cluster at {address}: {_flat(error)}. Start one (`ray "
            f"start --head`), or work on this machine by --ray {LOCAL}."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def quiet(library: str) -> None:
    """Keep the plans and advice of one of Ray's libraries from those who wait.

    Args:
        library: its module, such as `"ray.data"`; it is imported.
    """
    importlib.import_module(library)
    logging.getLogger(library).setLevel(logging.ERROR)


def _flat(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
