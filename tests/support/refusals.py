"""Files that are refused, and what it may cost."""

import contextlib
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from hrnet_tf.checkpoints.files import read_checkpoint
from hrnet_tf.common.errors import InputError

LONGEST = 600  # characters of a sentence
MEGABYTE = 1 << 20


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Whatever is read in here, it takes little memory and a short time."""
    tracemalloc.start()
    start = time.process_time()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 300 * MEGABYTE
    assert time.process_time() - start < 60


def refused(path: Path, match: str = ".") -> str:
    """The one sentence that a checkpoint is refused with."""
    with pytest.raises(InputError, match=match) as caught:
        read_checkpoint(path)
    said = str(caught.value)
    assert str(path) in said
    assert len(said) < LONGEST + len(str(path))
    assert said.isprintable()
    return said
