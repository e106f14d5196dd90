import sys

import keras
import pytest

from hrnet_tf import InputError
from hrnet_tf.common.components import create, find
from hrnet_tf.common.config import Component


def test_a_class_is_found_by_its_path():
    assert find(Component("keras.optimizers.SGD"), "train.optimizer") is (
        keras.optimizers.SGD
    )


def test_arguments_reach_the_constructor():
    component = Component("keras.optimizers.SGD", {"momentum": 0.5})
    optimizer = create(component, "train.optimizer", learning_rate=0.25)
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.momentum == 0.5


def test_the_configuration_wins_over_what_the_code_adds():
    component = Component("keras.optimizers.SGD", {"learning_rate": 0.5})
    optimizer = create(component, "train.optimizer", learning_rate=0.25)
    assert float(optimizer.learning_rate) == 0.5


MISTAKES = {
    "keras.optimizers.Adamm": (
        "`train.optimizer.class_path`: there is no Adamm in keras.optimizers; "
        "did you mean keras.optimizers.Adam"
    ),
    "nowhere.Adam": "`train.optimizer.class_path`: nowhere.Adam cannot be imported",
    "keras.optimizers": "keras.optimizers does not take {}: .*not callable",
} | {
    path: f"must be an import path such as keras.optimizers.AdamW, got {path!r}"
    for path in ("Adam", "", ".Adam", "keras.", "keras optimizers.Adam")
}


@pytest.mark.parametrize(("path", "text"), MISTAKES.items(), ids=MISTAKES)
def test_a_wrong_path_is_explained(path, text):
    with pytest.raises(InputError, match=text):
        create(Component(path), "train.optimizer")


def test_tensorflow_addons_is_pointed_to_where_it_is_missing(monkeypatch):
    for name in ("tensorflow_addons", "tensorflow_addons.optimizers"):
        monkeypatch.setitem(sys.modules, name, None)
    component = Component("tensorflow_addons.optimizers.LAMB")
    with pytest.raises(InputError, match=r"pip install hrnet-tf\[addons\]"):
        find(component, "train.optimizer")


@pytest.mark.parametrize("arguments", [{"momentun": 0.9}, {"momentum": 7}])
def test_wrong_arguments_are_quoted_with_their_key(arguments):
    component = Component("keras.optimizers.SGD", arguments)
    with pytest.raises(InputError) as caught:
        create(component, "train.optimizer")
    assert str(caught.value).startswith(
        f"`train.optimizer`: keras.optimizers.SGD does not take {arguments}: "
    )
