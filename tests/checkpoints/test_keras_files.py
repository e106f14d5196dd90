"""Damaged files of Keras, given as weights: a sentence, or what is in them."""

import random
import zipfile

import h5py
import keras
import numpy as np
import pytest
from test_damaged_checkpoints import damaged

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.transfer import load_body, load_keras_weights
from support.refusals import LONGEST


def small():
    """A model of two layers, with weights that are not those of a new one."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module", params=["keras", "weights.h5"])
def saved(request, tmp_path_factory):
    """A model's file, and its weights."""
    model, path = small(), tmp_path_factory.mktemp("saved") / f"a.{request.param}"
    (model.save if request.param == "keras" else model.save_weights)(path)
    return path, model.get_weights()


def outcome(model, path):
    """The sentence that a file is refused with; None: it is loaded."""
    try:
        load_keras_weights(model, path)
    except InputError as error:
        return str(error)
    return None


def test_an_undamaged_file_is_loaded(saved):
    path, wanted = saved
    model = small()
    model.set_weights([np.zeros_like(w) for w in wanted])
    assert outcome(model, path) is None
    for ours, theirs in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore")  # Keras warns of what it does not load
def test_damage_is_told_in_a_sentence(saved, tmp_path):
    path, wanted = saved
    rng, model, told = random.Random(0), small(), 0
    file = tmp_path / f"damaged.{path.name.partition('.')[2]}"
    for _ in range(60):
        file.write_bytes(damaged(path.read_bytes(), rng))
        said = outcome(model, file)
        if said is not None:
            told += 1
            assert str(file) in said
            assert said.isprintable()
            assert len(said) < LONGEST + len(str(file))
        elif path.suffix == ".keras":  # it has checksums
            for ours, theirs in zip(model.get_weights(), wanted, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert told > 20


def test_a_flipped_bit_in_the_weights_of_a_keras_file_is_told(tmp_path):
    model = small()
    model.save(tmp_path / "a.keras")
    content = bytearray((tmp_path / "a.keras").read_bytes())
    content[content.index(model.get_weights()[0].tobytes()) + 5] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    assert "do not fit their CRC" in outcome(model, tmp_path / "a.keras")
    with pytest.raises(InputError, match="do not fit their CRC"):
        load_body(model, tmp_path / "a.keras")


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_weights_that_are_larger_than_their_file_are_refused(ending, tmp_path):
    inner = tmp_path / "model.weights.h5"
    with h5py.File(inner, "w") as file:
        file.create_dataset(
            "layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=True
        )
    path = tmp_path / f"huge.{ending}"
    if ending == "keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, inner.name)
    else:
        inner.rename(path)
    assert "times its size" in outcome(small(), path)


def test_an_archive_without_weights_is_refused(tmp_path):
    path = tmp_path / "empty.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert "holds no weights" in outcome(small(), path)
