"""What reading a file may take, and how a file that asks for more is refused.

Beside the tensors themselves, which are views of the mapped file wherever they are not
compressed, reading takes at most about 400 MB, whatever the file says.
"""

import lzma
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import NoReturn

from hrnet_tf.common.errors import InputError

INSTRUCTIONS = 2_000_000  # of a pickle; a large network and its optimizer have 200,000
TEXT = 1 << 25  # bytes of text and numbers that a pickle keeps, all together
PIECE = 1 << 12  # bytes; what is longer is no name and is left in the file
ENTRIES = 1 << 24  # bytes of an archive's list of entries
HEADER = 1 << 24  # bytes of a safetensors header
UNPACKED = (1 << 26, 20)  # bytes, and times the file's size, that compression may hide
REPEATED = 1 << 20  # numbers of a tensor that repeats those of its storage
NAME = 200  # characters of a tensor's name

# What parsers raise on damaged files, those of the standard library and of NumPy.
BROKEN = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError),
    *(RuntimeError, SyntaxError, EOFError, MemoryError, BufferError, struct.error),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError),
    tokenize.TokenError,
)


def refuse(path: Path, kind: str, reason: str) -> NoReturn:
    """End with one sentence on a file that is not read.

    Args:
        path: the file.
        kind: what it was taken for.
        reason: what is wrong with it.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"{path} cannot be read as {kind}: {reason}; get the file again, or give a "
        ".pth, .safetensors or .npz file of tensors."
    )


def broken(error: BaseException) -> str:
    """What an exception says, as a reason: one line of bounded length."""
    said = brief(str(error)) if str(error) else type(error).__name__
    return f"it is truncated or broken ({said})"


def brief(text: str, most: int = 120) -> str:
    """Text on one line, cut to some characters; what cannot be printed is replaced."""
    line = " ".join(text[: 4 * most].split())
    line = "".join(mark if mark.isprintable() else "?" for mark in line)
    return line if len(line) <= most else f"{line[: most - 3]}..."
