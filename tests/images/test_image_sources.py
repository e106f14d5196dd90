"""Predictors take arrays, files and addresses; all of them mean the same image."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.images import sources as image_sources
from hrnet_tf.images.sources import open_image
from hrnet_tf.tasks import TASKS, parts_of


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def photo(data_folder):
    return next((data_folder / "images" / "val").iterdir())


@pytest.fixture(scope="module")
def server(photo):
    handler = partial(Silent, directory=str(photo.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture
def sources(photo, server):
    return [photo, str(photo), photo.as_uri(), f"{server}/{photo.name}"]


def test_every_source_gives_the_same_image(photo, sources):
    expected = hrnet_tf.read_image(photo)
    for source in [expected, *sources]:
        np.testing.assert_array_equal(open_image(source), expected)


def test_names_with_spaces_are_read_by_their_address(photo, tmp_path):
    path = tmp_path / "a photo, 100%.jpg"
    path.write_bytes(photo.read_bytes())
    np.testing.assert_array_equal(open_image(path.as_uri()), open_image(photo))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_predictor_takes_every_source(task, networks, photo, sources):
    network, manifest = networks[task]
    predictor = parts_of(manifest).predictor.from_training(network, manifest)
    expected = predictor.predict(hrnet_tf.read_image(photo))
    for source in sources:
        found = predictor.predict(source)
        for name, value in vars(expected).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(found, name), value)


def test_what_cannot_be_had_is_told(photo, server, tmp_path, monkeypatch):
    (photo.parent / "text.jpg").write_text("no image")
    cases = {
        str(tmp_path / "none.jpg"): "Image .*none.jpg does not exist",
        (tmp_path / "none.jpg").as_uri(): "Image .*none.jpg does not exist",
        f"{server}/none.jpg": "none.jpg cannot be fetched, the server says 404",
        f"{server}/text.jpg": "text.jpg: the image cannot be decoded",
        "http://127.0.0.1:1/a.jpg": "127.0.0.1:1/a.jpg cannot be fetched: ",
        "http:///a.jpg": "http:///a.jpg cannot be fetched: ",
    }
    try:
        for source, message in cases.items():
            with pytest.raises(InputError, match=message):
                open_image(source)
    finally:
        Path(photo.parent / "text.jpg").unlink()
    monkeypatch.setattr(image_sources, "LARGEST", 1 << 8)
    with pytest.raises(InputError, match="is larger than 0 MiB"):
        open_image(f"{server}/{photo.name}")
