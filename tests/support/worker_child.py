"""Train as one of several workers, job by job, and write down how each ends.

    TF_CONFIG=... python worker_child.py JOBS.json ANSWERS.json

A job is a list of `read_config`'s arguments for each worker. Networks have no blocks,
and steps are not traced: both begin many times sooner.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

import hrnet_tf
from hrnet_tf.training import cluster as of_workers
from hrnet_tf.training.hosts import find_hosts
from hrnet_tf.training.train import train_with
from support.networks import shallow_networks


def main(jobs, answers):
    with open(jobs) as file:
        todo = json.load(file)
    hosts = find_hosts()
    configs = [hrnet_tf.read_config(*job[hosts.number]) for job in todo]
    tf.config.run_functions_eagerly(True)
    of_workers.PATIENCE = 1.0  # nobody has to wait for a disk
    cluster = of_workers.join(hosts, configs[0].train)
    ends = []
    with shallow_networks(), cluster.losses_explained("the run"):
        for config in configs:
            try:
                train_with(cluster, config)
            except hrnet_tf.InputError as error:
                ends.append(str(error))
            else:
                ends.append("")
    with open(answers, "w") as file:
        json.dump(ends, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
