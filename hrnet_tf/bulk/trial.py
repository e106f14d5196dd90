"""A process that decodes images before this one does: what kills it is poison."""

import contextlib
import struct
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO, Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.reading import Reading

LENGTH = struct.Struct("<Q")
GOOD = b"+"


class Trial:
    """Decodes images in a process of their own, which is started anew when it dies.

    Args:
        reading: how images are taken.

    Example:
        ```python
        with Trial(Reading()) as trial:
            trial.check("photo.jpg", encoded)
        ```
    """

    def __init__(self, reading: Reading):
        self.reading = reading
        self._process: Any = None
        self._turn = threading.Lock()

    def check(self, name: str, encoded: bytes) -> None:
        """Raise an InputError if decoding an image ends the process that does it.

        Several threads may ask; one has its turn at a time.
        """
        answer = b""
        with self._turn:
            process = self._process = self._process or self._start()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(LENGTH.pack(len(encoded)) + encoded)
                process.stdin.flush()
                answer = process.stdout.read(1)
            if answer != GOOD:
                self._end()
        if answer != GOOD:
            raise InputError(
                f"Image {name} ends the process that decodes it (status "
                f"{process.returncode}): it is damaged, or too large for the memory."
            )

    def _start(self) -> Any:
        command = [sys.executable, "-m", __name__, self.reading.orientation]
        return subprocess.Popen(
            [*command, str(self.reading.pixel_limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def _end(self) -> None:
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
        self._process = None

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()


def answer(source: IO[bytes], target: IO[bytes], reading: Reading) -> None:
    """Decode what comes, and say that this process still lives."""
    from hrnet_tf.images.files import decode

    while header := source.read(LENGTH.size):
        with contextlib.suppress(InputError):  # said where the image is read for good
            decode(source.read(*LENGTH.unpack(header)), reading)
        target.write(GOOD)
        target.flush()


if __name__ == "__main__":
    given: tuple = (sys.argv[1], int(sys.argv[2]))
    answer(sys.stdin.buffer, sys.stdout.buffer, Reading(*given))
