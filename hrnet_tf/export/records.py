"""What an artefact was asked and answered when it was made, and what its files are."""

from pathlib import Path

import numpy as np

from hrnet_tf.export.compare import Comparison
from hrnet_tf.hashing import sha256_of


def beside(artefact: Path, ending: str) -> Path:
    """The file that belongs to an artefact: its name with an ending added."""
    return artefact.with_name(artefact.name + ending)


def record(path: Path, found: Comparison) -> None:
    """Write what an artefact was asked and answered, `.npz`."""
    given = {f"inputs/{name}": value for name, value in found.inputs.items()}
    answered = {f"answers/{name}": value for name, value in found.answers.items()}
    np.savez_compressed(path, **given, **answered)  # type: ignore[arg-type]


def checksums(path: Path) -> dict[str, str]:
    """SHA-256 of a file, or of all in a folder, by their paths from its parent."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        file.relative_to(path.parent).as_posix(): sha256_of(file)
        for file in files
        if file.is_file()
    }
