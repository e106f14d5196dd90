"""What the system refuses, in a sentence: full disks, forbidden folders, no memory."""

import errno
import os
import re
import sys
from concurrent.futures import BrokenExecutor

from hrnet_tf.common.files import without_scratch

ADVICE = {
    errno.ENOSPC: "free some space, or choose a folder on another disk",
    errno.EDQUOT: "free some space, or choose a folder on another disk",
    errno.EFBIG: "the system's limit for files (ulimit -f) is too low",
    errno.EACCES: "choose another one, or have its permissions changed",
    errno.EPERM: "choose another one, or have its permissions changed",
    errno.EROFS: "choose a folder on another disk",
    errno.ENOTDIR: "there is a file where a folder is needed; move it away",
    errno.EEXIST: "there is a file where a folder is needed; move it away",
    errno.EISDIR: "there is a folder where a file is needed; move it away",
    errno.EMFILE: "raise the system's limit of open files (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk may be failing",
}
REASONS = {os.strerror(code).lower(): code for code in errno.errorcode}
# As TensorFlow writes it: `path; No space left on device`, `path is not a directory`.
_OF_TENSORFLOW = re.compile(
    r"(?P<path>[^\s;]*)(?:; | is )(?P<reason>"
    + "|".join(map(re.escape, REASONS))
    + ")",
    re.I,
)
_OF_HDF5 = re.compile(r"(?:name = '(?P<path>[^']*)'.*?)?errno = (?P<code>\d+)", re.S)
MEMORY = (
    "there is not enough memory; smaller images, batches (train.batch_size, "
    "evaluate.batch_size) or fewer workers need less"
)


def explain(error: BaseException) -> str | None:
    """What the system refused, where, and what helps; None: it is no such error.

    Args:
        error: of Python, or of TensorFlow's files and memory.

    Example:
        ```python
        explain(OSError(errno.ENOSPC, "No space left on device", "run/history.csv"))
        # run/history.csv: no space left on device; free some space, or ...
        ```
    """
    if isinstance(error, MemoryError):
        return MEMORY + "."
    if isinstance(error, BrokenExecutor):
        return "a process that helps was ended from outside; perhaps " + MEMORY + "."
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and isinstance(error, tensorflow.errors.OpError):
        return _of_tensorflow(error, tensorflow)
    if isinstance(error, OSError):
        return _of_python(error)
    return None


def _of_python(error: OSError) -> str:
    names = [name for name in (error.filename, error.filename2) if name is not None]
    path = " and ".join(map(_text, names))
    if error.errno is not None:
        return _sentence(path, error.errno)
    if found := _OF_HDF5.search(str(error)):
        return _sentence(found["path"] or "a file", int(found["code"]))
    if found := _OF_TENSORFLOW.search(str(error)):
        return _sentence(found["path"], REASONS[found["reason"].lower()])
    text = without_scratch(" ".join(str(error).split())) or type(error).__name__
    return text if text.endswith(".") else f"{text}."


def _of_tensorflow(error: Exception, tensorflow: object) -> str | None:
    text = str(error)
    if found := _OF_TENSORFLOW.search(text):
        return _sentence(found["path"], REASONS[found["reason"].lower()])
    errors = tensorflow.errors  # type: ignore[attr-defined]
    if isinstance(error, errors.ResourceExhaustedError):
        return MEMORY + "."
    return None


def _sentence(path: str, code: int) -> str:
    reason = os.strerror(code)
    start = f"{without_scratch(path)}: " if path else ""
    advice = f"; {ADVICE[code]}" if code in ADVICE else ""
    return f"{start}{reason[:1].lower()}{reason[1:]}{advice}."


def _text(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else str(name)
