"""Videos that are written frame by frame."""

from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.opencv import cv2


class VideoFile:
    """A video, MPEG-4; it begins with its first frame, which gives it its size.

    Args:
        path: of the file.
        rate: frames a second.

    Attributes:
        frames: how many there are so far.
    """

    def __init__(self, path: Path, rate: float):
        self.path, self.rate, self.frames = path, rate, 0
        self._writer: Any = None

    def write(self, image: np.ndarray) -> None:
        """Add a frame, uint8 RGB.

        Raises:
            OSError: if no video can be written there.
        """
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            size = (image.shape[1], image.shape[0])
            self._writer = cv2.VideoWriter(str(self.path), code, self.rate, size)
            if not self._writer.isOpened():
                self._refuse()
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def release(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()

    def check(self) -> None:
        """Raise an OSError if the file is not whole: OpenCV says nothing."""
        written = cv2.VideoCapture(str(self.path))
        count = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        # Its list of frames may be there where the end of that is not.
        if count != self.frames or not _ends_with_its_boxes(self.path):
            self._refuse()

    def _refuse(self) -> None:
        raise OSError(
            f"{self.path}: OpenCV cannot write this video; the disk may be full, or "
            "the size of its frames beyond what videos may have"
        )


def _ends_with_its_boxes(path: Path) -> bool:
    """Whether an MPEG-4 file is as long as the boxes that it consists of.

    Source: ISO/IEC 14496-12, 4.2.
    """
    size, end = path.stat().st_size, 0
    with open(path, "rb") as file:
        while end < size:
            file.seek(end)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:  # too long for four bytes: it stands behind the name
                length = int.from_bytes(header[8:], "big")
            if length < 8:
                return False
            end += length
    return end == size
