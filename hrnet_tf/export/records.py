"""What an artefact was asked and answered when it was made, and what its files are."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hrnet_tf.arrays import read_arrays, write_arrays
from hrnet_tf.hashing import sha256_of
from hrnet_tf.manifest import Artefact, TaskManifest

INPUTS, ANSWERS = "inputs/", "answers/"  # what names in a record begin with

Arrays = dict[str, np.ndarray]


def beside(artefact: Path, ending: str) -> Path:
    """The file that belongs to an artefact: its name with an ending added."""
    return artefact.with_name(artefact.name + ending)


def record(path: Path, inputs: Mapping, answers: Mapping) -> None:
    """Write what an artefact was asked and answered, arrays by name, as `.npz`."""
    given = {INPUTS + name: value for name, value in inputs.items()}
    answered = {ANSWERS + name: value for name, value in answers.items()}
    write_arrays(path, given | answered, compressed=True)


def read_record(path: Path) -> tuple[Arrays, Arrays]:
    """What an artefact was asked, and what it answered."""
    arrays = read_arrays(path, advice="export the model again")
    inputs, answers = (
        {
            name.removeprefix(kind): value
            for name, value in arrays.items()
            if name.startswith(kind)
        }
        for kind in (INPUTS, ANSWERS)
    )
    return inputs, answers


def checksums(path: Path) -> dict[str, str]:
    """SHA-256 of a file, or of all in a folder, by their paths from its parent."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        file.relative_to(path.parent).as_posix(): sha256_of(file)
        for file in files
        if file.is_file()
    }


def sealed(manifest: TaskManifest, artefact: Artefact) -> TaskManifest:
    """A manifest of an artefact that tells whether it was changed itself."""
    seal = seal_of(dataclasses.replace(manifest, artefact=artefact))
    return dataclasses.replace(
        manifest, artefact=dataclasses.replace(artefact, seal=seal)
    )


def seal_of(manifest: TaskManifest) -> str:
    """SHA-256 of all that an artefact's manifest says, but for its seal."""
    facts = dataclasses.asdict(manifest)
    facts["artefact"].pop("seal")
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
