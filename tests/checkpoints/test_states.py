"""Which of several states in a checkpoint is the network, whatever wraps it."""

import numpy as np
import pytest

from hrnet_tf.checkpoints.names import BODY, official
from hrnet_tf.checkpoints.states import AVERAGES, WRAPPERS, find_tensors
from hrnet_tf.common.errors import InputError


def network(value, *more):
    """Tensors of a body, all of one value, with others beside them."""
    names = (BODY, "conv1.weight", "bn1.running_mean", *more)
    return {name: np.full((1, 1, 1, 1), value) for name in names}


def value_of(saved):
    """Which of the networks is taken."""
    return float(find_tensors(saved, "some.pth")["conv1.weight"].ravel()[0])


@pytest.mark.parametrize("name", WRAPPERS)
def test_every_wrapper_is_taken_off(name):
    assert value_of({"epoch": 3, name: network(1), "optimizer": {"state": {}}}) == 1
    assert value_of({"outer": 1, "model": {name: network(1)}}) == 1


@pytest.mark.parametrize("name", AVERAGES)
@pytest.mark.parametrize("other", ["state_dict", "model", "net"])
def test_averages_come_first_and_it_is_said(name, other, caplog):
    caplog.set_level("INFO", "hrnet_tf")
    assert value_of({other: network(1), name: network(2)}) == 2
    assert f"weights under {name} are taken, not those under {other}" in caplog.text


def test_incomplete_averages_are_not_taken(caplog):
    caplog.set_level("INFO", "hrnet_tf")
    trained = network(2)
    del trained["bn1.running_mean"]
    assert value_of({"model": network(1), "ema": {"shadow": trained}}) == 1
    assert "weights under model are taken, not those under ema.shadow" in caplog.text


def test_the_order_in_the_file_does_not_count():
    both = {"net": network(1), "state_dict": network(2)}
    assert value_of(both) == value_of(dict(reversed(both.items()))) == 2


def test_a_program_that_swaps_the_two_when_it_saves_is_known():
    saved = {"state_dict": network(1), "ema_state_dict": network(2)}
    assert value_of(saved) == 2
    assert value_of({**saved, "message_hub": {}}) == 1


def test_a_score_beside_the_state_is_not_the_network():
    assert value_of({"best_score": np.ones(()), "state_dict": network(1)}) == 1


def test_an_optimizer_is_not_the_network():
    state = {"exp_avg": np.ones(3)}
    with pytest.raises(InputError, match="holds no tensors by name"):
        find_tensors({"optimizer": {"state": {"a": state}}}, "some.pth")


def test_an_unknown_wrapper_is_taken_off_if_there_is_one_only():
    assert value_of({"student": network(1), "epoch": 3}) == 1
    with pytest.raises(InputError, match="several networks, under student and teacher"):
        find_tensors({"student": network(1), "teacher": network(2)}, "some.pth")


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "model.", "net.", "network.", "_orig_mod.", "1.", "encoder."),
        *("module._orig_mod.", "_orig_mod.module.", "model.net.", "net.backbone."),
        *("ema_model.module.", "_fsdp_wrapped_module.model.", "backbone.module."),
        *("backbone.", "student.", "a.b.c."),
    ],
)
def test_every_prefix_is_taken_off(prefix):
    found = official({f"{prefix}{n}": t for n, t in network(1).items()}, "a.pth")
    assert found.keys() == network(1).keys()


def test_what_is_compiled_inside_is_known():
    name = BODY.replace("stage2.", "stage2._orig_mod.")
    assert list(official({name: np.ones((1, 1, 1, 1))}, "a.pth")) == [BODY]


def test_heads_lose_the_prefix_of_their_body():
    names = (f"net.backbone.{BODY}", "net.keypoint_head.final_layer.weight")
    found = official({name: np.ones((1, 1, 1, 1)) for name in names}, "a.pth")
    assert set(found) == {BODY, "final_layer.weight"}


def prefixed(prefix, tensors):
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("prefix", ["model.", ""])
def test_averages_within_a_state_come_first_and_it_is_said(prefix, order, caplog):
    caplog.set_level("INFO", "hrnet_tf")
    both = {**prefixed(prefix, network(1)), **prefixed("ema.module.", network(2))}
    both["ema.n_averaged"] = np.ones(())
    found = official(dict(list(both.items())[::order]), "a.pth")
    assert found.keys() == network(2).keys()
    assert all((tensor == 2).all() for tensor in found.values())
    assert f"not those under {prefix or 'no prefix'}" in caplog.text


def test_two_networks_without_averages_are_refused():
    both = prefixed("student.", network(1)) | prefixed("teacher.", network(2))
    with pytest.raises(InputError, match=r"under student\. and teacher\."):
        official(both, "a.pth")


def test_counters_and_averages_in_another_spelling_are_no_weights():
    more = ("n_averaged", "steps", "bn1.num_batches_tracked", "ema_conv1_weight")
    assert official(network(1, *more), "a.pth").keys() == network(1).keys()
