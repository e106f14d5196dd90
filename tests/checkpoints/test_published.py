"""Published weights by name: the table, the download, and what is kept of it."""

import hashlib
import inspect
import re
import tempfile
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.checkpoints import published
from hrnet_tf.checkpoints.download import cache_folder, fetch
from hrnet_tf.checkpoints.published import PUBLISHED, RESNET, Published, find_published
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks import network as common
from hrnet_tf.networks import transfer
from hrnet_tf.tasks import networks
from support.networks import with_statistics
from support.served import TINY

MODELS = {name: row.constructor for name, row in networks().items()}

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PAGE = "https://example.org/weights"


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content`, as well as `server.behaviour` lets it."""

    def do_GET(self):
        content, asked = self.server.content, self.headers.get("Range")
        self.server.asked.append(asked)
        if self.server.behaviour == "missing":
            self.send_error(404)
            return
        start = 0
        if asked and self.server.behaviour != "no ranges":
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.server.behaviour == "breaks off":
            content = content[: len(content) // 3]
        self.wfile.write(content[start:])

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.content, serving.behaviour, serving.asked = CONTENT, "", []
        serving.url = f"http://127.0.0.1:{serving.server_port}/a.pth"
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "hrnet_tf"


def get(server, sha256=DIGEST):
    return fetch(server.url, "a.pth", sha256=sha256, page=PAGE)


# The table


def test_names_are_unique_and_networks_known():
    keys = [(row.model, row.width, row.name) for row in PUBLISHED]
    assert len(set(keys)) == len(keys)
    assert {row.model for row in PUBLISHED} <= MODELS.keys() | {RESNET}


def test_hashes_are_those_that_file_names_carry():
    for row in PUBLISHED:
        if row.sha256:
            assert re.search(rf"-{row.sha256}[._]", row.file)
            assert re.fullmatch("[0-9a-f]{8}", row.sha256)


def test_a_link_ends_in_the_file_that_it_gives():
    for row in PUBLISHED:
        assert row.url is None or row.url.endswith(f"/{row.file}")


def test_what_rows_need_is_what_constructors_take():
    for row in (row for row in PUBLISHED if row.model != RESNET):
        taken = inspect.signature(MODELS[row.model]).parameters
        assert row.needs.keys() <= taken.keys()
        assert set(row.arguments) & {"classes", "keypoints", "landmarks"}


def test_imagenet_is_a_classifier_for_every_network():
    row = find_published("HRNetV2", 48, "imagenet")
    assert (row.model, row.width, row.sha256) == ("HRNetClassifier", 48, "abd2e6ab")


def test_resnets_are_for_those_that_stand_on_them():
    for model in ("SimpleBaseline", "DeepLabV3", RESNET):
        row = find_published(model, 101, "imagenet")
        assert (row.model, row.width, row.sha256) == (RESNET, 101, "5d3b4d8f")
    with pytest.raises(
        InputError, match="for DeepLabV3 of depth 34: there are some of"
    ):
        find_published("DeepLabV3", 34, "imagenet")
    with pytest.raises(InputError, match="No weights for PSPNet are known by name"):
        find_published("PSPNet", 101, "imagenet")


def test_the_table_tells_the_rule_of_resizing():
    rule = {
        name: find_published("HRNetV2", 48, name).upsampling
        for name in ("cityscapes", "cityscapes_ocr", "ade20k", "imagenet")
    }
    assert rule == {
        "cityscapes": "bilinear",
        "cityscapes_ocr": "bilinear_align_corners",
        "ade20k": "bilinear_align_corners",
        "imagenet": "nearest",
    }


def test_unknown_names_list_the_known_ones():
    with pytest.raises(
        InputError,
        match=r"'imagnet' for HRNetV1 of width 32: known are "
        r"imagenet, coco_256x192, coco_384x288",
    ):
        find_published("HRNetV1", 32, "imagnet")
    with pytest.raises(InputError, match=r"some of width 18_small_v1, 18_small_v2, 18"):
        find_published("HRNetV1", 20, "imagenet")


# The download


def test_a_file_is_downloaded_once(server, cache):
    assert get(server) == cache / "a.pth"
    assert get(server).read_bytes() == CONTENT
    assert server.asked == [None]
    assert [path.name for path in cache.iterdir()] == ["a.pth"]


def test_a_broken_download_goes_on_where_it_stopped(server, cache):
    server.behaviour = "breaks off"
    with pytest.raises(InputError, match="1706666 bytes are there: do the same again"):
        get(server)
    assert not (cache / "a.pth").exists()
    server.behaviour = ""
    assert get(server).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={len(CONTENT) // 3}-"]
    assert [path.name for path in cache.iterdir()] == ["a.pth"]


def test_a_server_without_ranges_sends_all_of_it_again(server, cache):
    cache.mkdir(parents=True)
    (cache / "a.pth.partial").write_bytes(b"something else")
    server.behaviour = "no ranges"
    assert get(server).read_bytes() == CONTENT


def test_a_partial_file_that_is_too_long_is_dropped(server, cache):
    cache.mkdir(parents=True)
    (cache / "a.pth.partial").write_bytes(CONTENT + b"more")
    assert get(server).read_bytes() == CONTENT


@pytest.mark.parametrize("sha256", ["0" * 64, "0" * 8])
def test_a_wrong_hash_is_refused_and_the_file_removed(sha256, server, cache):
    with pytest.raises(
        InputError, match=rf"begins with {DIGEST[:8]}\w*, expected 00000000"
    ):
        get(server, sha256)
    assert list(cache.iterdir()) == []


def test_the_beginning_of_a_hash_is_enough(server, cache):
    assert get(server, DIGEST[:8]) == cache / "a.pth"


def test_a_file_that_is_not_there_any_more_can_be_got_by_hand(server, cache):
    server.behaviour = "missing"
    with pytest.raises(InputError, match=r"says 404 Not Found: get a\.pth by hand"):
        get(server)


def test_without_a_network_it_says_where_to_put_the_file(server, cache):
    server.url = "http://127.0.0.1:1/a.pth"
    place = f"get a.pth by hand from {PAGE} and put it into {cache}"
    with pytest.raises(InputError, match=re.escape(place)):
        get(server)
    (cache / "a.pth").write_bytes(CONTENT)
    assert get(server) == cache / "a.pth"


def test_a_page_without_a_direct_link_is_named(cache):
    with pytest.raises(
        InputError, match=r"HR18-WFLW\.pth has no direct link: get HR18"
    ):
        hrnet_tf.HRNetLandmarks(18, modules=(1, 1, 1), blocks=1, weights="wflw")


def test_where_nothing_can_be_written_a_temporary_folder_is_used(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file" / "keras"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cache_folder() == tmp_path / ".keras" / "hrnet_tf"


# Into networks

classifier = partial(
    hrnet_tf.HRNetClassifier, **TINY, classes=5, input_shape=(64, 64, 3)
)


def torch_layout(value):
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    return value.T if value.ndim == 2 else value


def tensors_of(model):
    return {name: torch_layout(v.numpy()) for name, v in official_names(model)}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A classifier and its checkpoint's bytes."""
    model = with_statistics(classifier())
    path = tmp_path_factory.mktemp("published") / "tiny.npz"
    np.savez(path, **tensors_of(model))
    return model, path


@pytest.fixture
def row(server, source, monkeypatch):
    """The only published weights: the classifier's."""
    server.content = source[1].read_bytes()
    digest = hashlib.sha256(server.content).hexdigest()[:8]
    row = Published(
        *("imagenet", "HRNetClassifier", TINY["width"], "tiny.npz", server.url, digest),
        *("MIT", "none", PAGE),
        arguments={"classes": 5},
    )
    monkeypatch.setattr(published, "PUBLISHED", (row,))
    return row


def same(ours, theirs):
    return all(
        np.array_equal(a, b)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True)
    )


def test_a_classifier_is_loaded_whole_and_converted_once(
    row, source, server, cache, monkeypatch
):
    assert same(classifier(weights="imagenet"), source[0])
    kept = sorted(path.name for path in cache.iterdir())
    assert len(kept) == 2
    assert kept[0].startswith(f"tiny.{row.sha256}.")
    assert kept[0].endswith(f"keras-{keras.__version__}.weights.h5")
    (cache / "tiny.npz").unlink()
    monkeypatch.setattr(transfer, "read_checkpoint", None)  # is not read again
    assert same(classifier(weights="imagenet"), source[0])
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["HRNetV1", "HRNetV2", "HigherHRNet"])
def test_other_networks_take_the_body_and_keep_their_random_heads(
    name, row, source, cache, monkeypatch
):
    build = partial(MODELS[name], **TINY, input_shape=(64, 64, 3))
    first = build(weights="imagenet")
    monkeypatch.setattr(transfer, "read_checkpoint", None)
    second = build(weights="imagenet")
    heads = []
    for layer in first.layers:
        if not layer.weights:
            continue
        kept = second.get_layer(layer.name)
        if transfer.BODY.match(f"{layer.name}."):
            assert same(layer, source[0].get_layer(layer.name))
            assert same(kept, layer)
        else:
            heads.append(same(kept, layer))
    assert not all(heads)


def test_weights_for_other_classes_say_what_they_need(row, cache):
    with pytest.raises(InputError, match=r"with classes=5 \(got 7\): build it so"):
        classifier(classes=7, weights="imagenet")


def test_without_the_top_the_number_of_classes_does_not_matter(row, source, cache):
    model = classifier(classes=7, include_top=False, weights="imagenet")
    name = "final_layer.0"
    assert same(model.get_layer(name), source[0].get_layer(name))


def test_a_hand_put_file_without_a_known_hash_is_converted_anew_when_it_changes(
    row, source, cache, monkeypatch
):
    unknown = replace(row, url=None, sha256=None)
    monkeypatch.setattr(published, "PUBLISHED", (unknown,))
    cache.mkdir(parents=True)
    model = classifier()
    built = transfer.Built(row.model, row.width, True, dict(row.needs))
    tensors = tensors_of(source[0])
    for value in (tensors["conv1.weight"], 2 * tensors["conv1.weight"]):
        np.savez(cache / "tiny.npz", **{**tensors, "conv1.weight": value})
        common.load_weights(model, "imagenet", built)
        kernel = model.get_layer("conv1").get_weights()[0]
        np.testing.assert_array_equal(torch_layout(kernel), value)


def test_a_conversion_that_fails_leaves_nothing(row, cache, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(keras.Model, "save_weights", full)
    with pytest.raises(OSError, match="no space left"):
        classifier(weights="imagenet")
    assert [path.name for path in cache.iterdir()] == ["tiny.npz"]


# Files


def test_a_checkpoint_of_the_same_network_is_loaded_whole(source):
    assert same(classifier(weights=source[1]), source[0])


def test_a_checkpoint_without_the_top_gives_the_body(source):
    model = hrnet_tf.HRNetV1(
        **TINY, include_top=False, input_shape=(64, 64, 3), weights=source[1]
    )
    for layer in model.layers:
        if layer.weights:
            assert same(layer, source[0].get_layer(layer.name))


def test_a_checkpoint_of_another_network_says_how_to_get_its_body(source):
    with pytest.raises(InputError, match=r"does not fit: .*hrnet_tf\.load_body\(model"):
        hrnet_tf.HRNetV1(**TINY, weights=source[1])


def test_what_is_neither_a_file_nor_a_name_is_refused():
    with pytest.raises(InputError, match=r"there is no file nowhere/w32"):
        common.load_weights(
            keras.Model(), "nowhere/w32", transfer.Built("HRNetV1", 32, True)
        )
