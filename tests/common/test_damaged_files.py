"""Our own files, damaged: read as they were, or refused in one sentence."""

import shutil

import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.typed_yaml import write_config
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.keypoints.keypoint_set import FOLDER as KEYPOINTS
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.segmentation.classes import FOLDER as CLASSES
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.training.configs import read_config, read_run_config

TRIED = 40  # places for each kind of damage

PIECES = (b"[", b"{", b": ", b"\n", b"1: 2\n", b"null", b"&a *a", b"${seed}", b"\x80")
DAMAGES = {
    "empty": lambda raw, at, rng: b"",
    "cut": lambda raw, at, rng: raw[:at],
    "zeros": lambda raw, at, rng: raw[:at] + bytes(len(raw) - at),
    "a byte": lambda raw, at, rng: raw[:at] + rng.bytes(1) + raw[at + 1 :],
    "left out": lambda raw, at, rng: raw[:at] + raw[at + 7 :],
    "twice": lambda raw, at, rng: raw[: at + 30] + raw[at:],
    "a piece": lambda raw, at, rng: raw[:at] + rng.choice(PIECES) + raw[at:],
}


@pytest.fixture(
    params=["keypoints", "classes", "configuration", "run", "pose", "class"]
)
def kind(request, experiment, tiny_manifest, tmp_path):
    """A file of ours, and what reads it."""
    folder = tmp_path / "files"
    folder.mkdir()
    if request.param in ("keypoints", "classes"):
        shipped = {
            "keypoints": KEYPOINTS / "coco.yaml",
            "classes": CLASSES / "ade20k.yaml",
        }
        path = folder / "set.yaml"
        shutil.copy(shipped[request.param], path)
        reader = {"keypoints": KeypointSet.read, "classes": ClassSet.read}
        return path, reader[request.param]
    if request.param in ("configuration", "run"):
        path = folder / "config.yaml"
        write_config(read_config(experiment), path)
        if request.param == "run":
            return path, lambda file: read_run_config(file.parent)
        return path, read_config
    path = folder / "manifest.json"
    if request.param == "pose":
        tiny_manifest.write(path)
    else:
        ClassificationManifest("tiny", ImageInput(32, 32), ("a", "b")).write(path)
    return path, read_manifest


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_ends_in_a_sentence(damage, kind):
    path, read = kind
    raw, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for at in rng.integers(0, len(raw), TRIED):
        path.write_bytes(damage(raw, at, rng))
        try:
            read(path)
        except InputError as error:
            assert_one_sentence(str(error), path)
            refused += 1
    assert refused or damage is DAMAGES["a byte"]  # many bytes are comments or names
    path.write_bytes(raw)
    read(path)


def assert_one_sentence(said, path):
    assert path.name in said
    assert "\n" not in said
