"""OpenCV, or one sentence on how to get it to load.

Networks need no OpenCV, so that importing this package works without it; the first use
fails.
"""

from typing import Any, NoReturn


class MissingOpenCV:
    """Stands in for a `cv2` that cannot be imported; any use says what to install."""

    def __init__(self, reason: ImportError):
        self._reason = reason

    def __getattr__(self, name: str) -> NoReturn:
        raise ImportError(
            f"opencv-python cannot be loaded ({self._reason}). On Debian or Ubuntu "
            "install what it needs: apt-get install libgl1 libglib2.0-0; or take the "
            "build without windows: pip uninstall opencv-python && pip install "
            "opencv-python-headless."
        ) from None


try:
    import cv2
except ImportError as error:
    cv2: Any = MissingOpenCV(error)  # type: ignore[no-redef]
else:
    # tf.data calls it from a thread for each core; more would only wait for each other.
    cv2.setNumThreads(0)

__all__ = ["MissingOpenCV", "cv2"]
