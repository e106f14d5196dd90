"""Which processes train together, by what surrounds them."""

import json
from types import SimpleNamespace

import pytest

from hrnet_tf import InputError
from hrnet_tf.common import compat_workers, extras
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.training.hosts import Hosts, find_hosts, running_pods

TWO = ["one:2222", "two:2222"]


def tf_config(cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def slurm(**changes):
    found = {
        "SLURM_PROCID": "2",
        "SLURM_STEP_NUM_TASKS": "3",
        "SLURM_STEP_NODELIST": "gpu[01-02]",
        "SLURM_STEP_TASKS_PER_NODE": "2,1",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("environment", "hosts"),
    [
        ({}, None),
        ({"TF_CONFIG": ""}, None),
        (tf_config({"worker": TWO}, index=1), Hosts(tuple(TWO), 1)),
        (tf_config({"worker": TWO[:1]}), None),
        # The chief comes first, wherever it stands.
        (
            tf_config({"worker": TWO, "chief": ["three:1"]}, index="1"),
            Hosts(("three:1", *TWO), 2),
        ),
        ({"SLURM_STEP_NUM_TASKS": "1"}, None),
    ],
)
def test_tf_config_says_who_trains(environment, hosts):
    assert find_hosts(environment=environment) == hosts


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{worker"}, r"TF_CONFIG must be JSON, but '\{worker'"),
        ({"TF_CONFIG": "[1]"}, r"TF_CONFIG must have `cluster` and `task`"),
        (
            tf_config({"worker": "one:2"}),
            r"cluster.worker. must be a list of HOST:PORT",
        ),
        (
            tf_config({"worker": ["one"]}),
            r"cluster.worker. must be a list of HOST:PORT",
        ),
        (tf_config({"worker": TWO}, index=2), r"is worker 2, which is not in"),
        (tf_config({"worker": TWO, "ps": TWO}), r"tasks of the kind ps"),
        (tf_config({"worker": ["one:2", "one:2"]}), r"one:2 to several workers"),
    ],
)
def test_a_bad_tf_config_is_explained(environment, message):
    with pytest.raises(InputError, match=message):
        find_hosts(environment=environment)


def test_what_is_asked_for_must_be_there():
    with pytest.raises(InputError, match=r"TF_CONFIG must be JSON, but it is not set"):
        find_hosts("tf_config", environment={})
    with pytest.raises(InputError, match=r"--workers 3, but tf_config says 2"):
        find_hosts(workers=3, environment=tf_config({"worker": TWO}))
    with pytest.raises(InputError, match=r"--cluster mpi: expected auto, none"):
        find_hosts("mpi", environment={})
    with pytest.raises(InputError, match=r"--cluster kubernetes: expected"):
        find_hosts("kubernetes", environment={})
    assert find_hosts("none", environment=tf_config({"worker": TWO})) is None


def test_slurm_says_who_trains(monkeypatch):
    for name, value in slurm().items():
        monkeypatch.setenv(name, value)
    assert find_hosts() == Hosts(("gpu01:8888", "gpu01:8889", "gpu02:8888"), 2)


def test_a_process_outside_of_a_step_is_told_to_use_srun(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "0")
    with pytest.raises(InputError, match=r"SLURM_STEP_NODELIST .*srun"):
        find_hosts()


class Pods:
    """Answers as Kubernetes does; one more pod runs at each question."""

    def __init__(self, running):
        self.running, self.asked = running, 0

    def list_pod_for_all_namespaces(self, label_selector):
        assert label_selector == "job-name=hrnet"
        self.asked += 1
        pods = [
            SimpleNamespace(
                metadata=SimpleNamespace(name=f"hrnet-{number}"),
                status=SimpleNamespace(
                    phase="Running" if number < self.running else "Pending",
                    host_ip=f"10.0.0.{number}",
                ),
            )
            for number in (1, 0)
        ]
        self.running += 1
        return SimpleNamespace(items=pods)


def test_kubernetes_waits_for_all_pods():
    pods = Pods(running=1)
    found = running_pods(pods, "job-name=hrnet", workers=2, wait=30)
    assert found == ["10.0.0.0:8470", "10.0.0.1:8470"]
    assert pods.asked == 2


def test_pods_that_do_not_come_are_told():
    with pytest.raises(
        InputError, match=r"no 3 pods with the label job-name=hrnet after 0 s: 2 run"
    ):
        running_pods(Pods(running=2), "job-name=hrnet", workers=3, wait=0)


def test_kubernetes_needs_its_client_and_the_own_address(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"hrnet-tf\[kubernetes\]"):
        find_hosts("kubernetes:job-name=hrnet", 2, environment={"HOST_IP": "1.2.3.4"})


@pytest.mark.skipif(not KERAS_3, reason="Keras 2 trains over several hosts by itself")
def test_a_keras_that_trains_otherwise_is_told_apart(monkeypatch):
    from keras.src.backend.tensorflow import trainer

    with compat_workers.several_workers():  # this one is known
        pass

    def reduce_per_replica(values, strategy):
        return values

    monkeypatch.setattr(trainer, "reduce_per_replica", reduce_per_replica)
    with (
        pytest.raises(InputError, match=r"Keras .* trains otherwise .* on one host"),
        compat_workers.several_workers(),
    ):
        pass
