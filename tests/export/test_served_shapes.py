"""Requests of any shape: refused with a sentence by a server that goes on."""

import struct
import zlib
from dataclasses import replace

import grpc
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.export.checked_images import checked_images
from hrnet_tf.images.header import PNG
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.serving import CROPPED
from hrnet_tf.tasks.detection.manifest import ObjectInput
from support.bright import bright_manifest
from support.served import BOXED, FILES, SIGNATURES, ask_anything, megabytes

SENTENCE = r"not compatible with expected|must (hold|have)|images of \d+x\d+ pixels"

every_task = pytest.mark.parametrize("task", SIGNATURES)


def test_every_model_has_its_signature(models):
    """They are written here, before a server is started that takes as long."""
    for task, name in SIGNATURES.items():
        graph = (models / task / "1" / "saved_model.pb").read_bytes()
        assert name.encode() in graph


def wrong_images(manifest):
    """Shapes that no network of this manifest takes."""
    height, width = manifest.input.size
    yield from [(128, 96, 3), (1, 128, 96), (128,)]  # each ended the process once
    yield from [(1,) * rank for rank in (0, 1, 2, 3, 5, 6)]
    yield from [(0,) * rank for rank in (1, 3, 4, 6)]
    yield from [(1, height, width, channels) for channels in (0, 1, 4)]
    yield from [(0, height, width, 3), (1, 0, width, 3), (1, height, 0, 3)]
    yield (257, height, width, 3)
    if not manifest.input.any_size:
        yield from [(1, height + 1, width, 3), (1, height, width + 1, 3), (1, 1, 1, 3)]


# Shapes by the name of what is encoded; all else in a request is right.
WRONG = {
    "image_bytes": [(), (0, 0), (1, 1), (1, 1, 1), (1,) * 6],
    "boxes": [(), (4,), (1, 4), (1, 1, 3), (1, 1, 5), (1, 4, 1), (2, 1, 4), (1,) * 6],
    "people": [(), (0,), (2,), (1, 1), (0, 1), (1,) * 6],
}


def good_request(task):
    inputs = {"image_bytes": np.array(FILES[:1], object)}
    if task in BOXED:
        inputs["boxes"] = np.array([[[20, 10, 90, 100]]], np.float32)
        inputs["people"] = np.ones(1, np.int32)
    return inputs


def wrong_requests(task, manifest):
    """Signatures and inputs."""
    for shape in wrong_images(manifest):
        yield "serving_default", {"image": np.zeros(shape, np.float32)}
    for name, value in good_request(task).items():
        for shape in WRONG[name]:
            wrong = np.full(shape, value.flat[0], value.dtype)
            yield SIGNATURES[task], {**good_request(task), name: wrong}


@every_task
def test_a_server_refuses_other_shapes_and_goes_on(task, server, networks):
    manifest = networks[task][1]
    requests = list(wrong_requests(task, manifest))
    assert len(requests) > 20
    for signature, inputs in requests:
        with pytest.raises(grpc.RpcError, match=SENTENCE) as told:
            ask_anything(server, task, signature, inputs)
        assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    answer = ask_anything(server, task, SIGNATURES[task], good_request(task))
    assert all(len(values) == 1 for values in answer.values())


@every_task
def test_a_savedmodel_refuses_other_shapes(task, models, networks):
    loaded = tf.saved_model.load(str(models / task / "1"))
    for signature, inputs in wrong_requests(task, networks[task][1]):
        given = {
            name: tf.constant(value, tf.string if value.dtype == object else None)
            for name, value in inputs.items()
        }
        with pytest.raises(tf.errors.InvalidArgumentError, match=SENTENCE):
            loaded.signatures[signature](**given)


@pytest.mark.parametrize("people", [[-1], [2], [2**31 - 1], [-(2**31)]])
def test_people_that_no_row_is_for_are_refused(people, server):
    inputs = {**good_request("pose"), "people": np.array(people, np.int32)}
    with pytest.raises(grpc.RpcError, match="how many of the 1 rows"):
        ask_anything(server, "pose", "keypoints", inputs)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((6, 4, 4, 3), "`image` must hold from 1 up to 5 images, got 6"),
        ((1, 1, 1025, 3), "images of 1025x1 pixels .* up to 1024 in all"),
        ((1, 33, 32, 3), "images of 32x33 pixels"),
    ],
)
def test_images_of_any_size_keep_to_the_limits(shape, sentence, networks):
    manifest = networks["segmentation"][1]  # 32x32, which is more than the limit
    limits = Limits(side=9, pixels=80, images=5)
    assert checked_images(tf.zeros((5, 32, 32, 3)), manifest, limits).shape[0] == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        checked_images(tf.zeros(shape), manifest, limits)


@pytest.mark.parametrize("sides", [(96, 65), (40, 96), (32, 96)])
def test_sides_that_a_network_does_not_take_are_refused(sides):
    given = ObjectInput(64, 96, any_size=True)
    manifest = replace(bright_manifest(), input=given)
    assert checked_images(tf.zeros((1, 64, 128, 3)), manifest, CROPPED).shape[0] == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of 32, and at"):
        checked_images(tf.zeros((1, *sides, 3)), manifest, CROPPED)


# Files that say more than they hold


def png_head(width, height, interlaced=0):
    """A PNG file of a few bytes that says how large it is."""
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    head = struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    pixels = b"IDAT" + zlib.compress(bytes(9))
    body = struct.pack(">I", len(pixels) - 4) + pixels
    return PNG + head + body + struct.pack(">I", zlib.crc32(pixels))


def jpeg_head(width, height):
    """A small JPEG that says it is so large."""
    small = tf.io.encode_jpeg(np.zeros((8, 8, 3), np.uint8)).numpy()
    place = small.index(b"\xff\xc0") + 5
    return small[:place] + struct.pack(">HH", height, width) + small[place + 4 :]


VAST = {
    "PNG": png_head(30000, 30000),
    "interlaced": png_head(30000, 30000, 1),
    "widest PNG": png_head(2**31 - 1, 2**31 - 1),
    "negative PNG": png_head(2**32 - 1, 2**32 - 1),
    "no rows": png_head(100, 0),
    "long PNG": png_head(2**30, 1),
    "JPEG": jpeg_head(30000, 30000),
    "widest JPEG": jpeg_head(65535, 65535),
    "tall JPEG": jpeg_head(1, 60000),
}


@every_task
def test_images_that_say_they_are_vast_take_no_memory(task, server):
    before = megabytes(server.pid)
    for name, content in VAST.items():
        request = good_request(task)
        request["image_bytes"] = np.array([content], object)
        with pytest.raises(grpc.RpcError, match=r"Image 0 .* pixels|JPEG") as told:
            ask_anything(server, task, SIGNATURES[task], request)
        assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT, name
    assert megabytes(server.pid) - before < 64


def test_more_rows_than_people_are_refused(server):
    rows = 2049
    inputs = good_request("pose")
    inputs["boxes"] = np.zeros((1, rows, 4), np.float32)
    with pytest.raises(grpc.RpcError, match=r"may hold 2048 people, got 1 .and 2049"):
        ask_anything(server, "pose", "keypoints", inputs)
