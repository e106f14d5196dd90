"""Several processes on this machine that train together."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack


def free_addresses(count):
    """`host:port` of so many ports that nobody listens at."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def tf_config(addresses, number):
    cluster, task = {"worker": addresses}, {"type": "worker", "index": number}
    return json.dumps({"cluster": cluster, "task": task})


def start(count, words):
    """Start so many workers: `words(number)` is the command line of each."""
    addresses = free_addresses(count)
    return [
        subprocess.Popen(
            [sys.executable, *words(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TF_CONFIG": tf_config(addresses, number),
            },
        )
        for number in range(count)
    ]


def ended(workers, timeout):
    """Statuses and what was said, once all have ended; none outlives this."""
    try:
        said = [worker.communicate(timeout=timeout) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], said
