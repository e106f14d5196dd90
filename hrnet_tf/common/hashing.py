"""Checksums of files."""

import hashlib
from pathlib import Path

CHUNK = 1 << 20  # bytes


def sha256_of(path: Path) -> str:
    """A file's SHA-256 in hexadecimal."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
