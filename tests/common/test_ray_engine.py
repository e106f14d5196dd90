"""Ray that does not begin ends in a sentence, not in Ray's trace."""

import sys
from types import SimpleNamespace

import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.ray_engine import ray_engine

LATE = "The current node timed out during startup.\n This could happen because"


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        (None, Exception(LATE), r"begun on this machine: The current .* startup. This"),
        ("local", TimeoutError("Timed out after 30 s."), "30 s. Its processes"),
        ("auto", ConnectionError("no head"), "no Ray cluster at auto: no head. Start"),
        ("10.0.0.1:1", RuntimeError("versions differ"), "10.0.0.1:1: versions differ."),
    ],
)
def test_ray_that_does_not_begin_ends_in_a_sentence(address, error, said, monkeypatch):
    def init(**settings):
        raise error

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(InputError, match=said) as caught, ray_engine(address):
        pass
    assert caught.value.__cause__ is error
