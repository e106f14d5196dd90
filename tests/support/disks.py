"""A disk that is full."""

import contextlib
import resource

TINY_FILES = 300  # bytes


@contextlib.contextmanager
def full_disk(size=TINY_FILES):
    """Files cannot grow beyond a size, for Python and for libraries alike."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
