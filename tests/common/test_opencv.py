"""What happens where OpenCV, or Keras's backend, is not as it should be."""

import os
import subprocess
import sys
import zlib

import pytest

from hrnet_tf.common.backend import check_backend
from hrnet_tf.common.opencv import MissingOpenCV


def chunk(kind, data):
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


# A whole file, of one black pixel: only what cannot be told from its bytes is left.
PNG = b"".join(
    [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0])),
        chunk(b"IDAT", zlib.compress(bytes(2))),
        chunk(b"IEND", b""),
    ]
)

WITHOUT_OPENCV = """
import sys
sys.modules["cv2"] = None  # importing it fails from now on
import hrnet_tf
print("imported", hrnet_tf.KeypointSet.read("coco").names[0])
hrnet_tf.read_image(__import__("os").environ["IMAGE"])
"""


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("name", ["imdecode", "IMREAD_COLOR_RGB", "__version__"])
def test_any_use_of_a_missing_opencv_says_what_to_install(name):
    missing = MissingOpenCV(ImportError("libGL.so.1: cannot open"))
    message = r"\(libGL\.so\.1: cannot open\).*apt-get install libgl1 libglib2\.0-0"
    with pytest.raises(ImportError, match=message):
        getattr(missing, name)


def test_the_package_is_imported_without_opencv_and_its_first_use_fails(tmp_path):
    (tmp_path / "image.png").write_bytes(PNG)
    process = run_python(WITHOUT_OPENCV, IMAGE=str(tmp_path / "image.png"))
    assert process.stdout == "imported nose\n"
    assert process.returncode == 1
    assert "pip install opencv-python-headless" in process.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_another_backend_of_keras_is_refused(name):
    with pytest.raises(
        ImportError, match=f"backend is set to '{name}'; set KERAS_BACKEND"
    ):
        check_backend(name)


def test_the_package_refuses_another_backend_before_keras_is_imported():
    process = run_python("import hrnet_tf", KERAS_BACKEND="jax")
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        "ImportError: hrnet_tf needs Keras on TensorFlow, but Keras's backend is set "
        "to 'jax'; set KERAS_BACKEND=tensorflow before Python starts."
    )
