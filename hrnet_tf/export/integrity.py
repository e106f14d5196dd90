"""Whether exported files are still what they were: checksums in their manifests."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.export.processes.runtimes import OWN_MANIFEST
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.base.manifest import Artefact, TaskManifest

RECORD = ".npz"  # what the name of a record adds to its artefact's

# Of files that have their weights in another one: the endings of both.
WEIGHTS = {".xml": ".bin"}


@dataclass(frozen=True)
class Changes:
    """What became of files, by their paths from the artefact's folder.

    Attributes:
        altered: files whose content is another.
        missing: files that are not there any more.
        added: files in an artefact's folder that were not exported.
    """

    altered: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One for each file."""
        kinds = (
            (self.altered, "altered since the export"),
            (self.missing, "missing"),
            (self.added, "not part of the export"),
        )
        return [f"{name}: {what}" for names, what in kinds for name in names]


def beside(artefact: Path, ending: str) -> Path:
    """The file that belongs to an artefact: its name with an ending added."""
    return artefact.with_name(artefact.name + ending)


def files_of(path: Path) -> list[Path]:
    """The files that an artefact is: all in its folder, or it and its weights."""
    if path.is_dir():
        return [file for file in sorted(path.rglob("*")) if file.is_file()]
    weights = WEIGHTS.get(path.suffix)
    return [path, path.with_suffix(weights)] if weights else [path]


def checksums(path: Path) -> dict[str, str]:
    """SHA-256 of each file of an artefact, by their paths from its parent."""
    return {
        file.relative_to(path.parent).as_posix(): sha256_of(file)
        for file in files_of(path)
        if file.is_file()
    }


def sealed(manifest: TaskManifest, artefact: Artefact) -> TaskManifest:
    """A manifest of an artefact that tells whether it was changed itself."""
    told = dataclasses.replace(manifest, artefact=artefact)
    artefact = dataclasses.replace(artefact, seal=_seal_of(json.loads(told.as_json())))
    return dataclasses.replace(manifest, artefact=artefact)


def find_manifest(path: Path) -> Path:
    """An artefact's manifest: beside it, or a SavedModel's own.

    Raises:
        InputError: if there is none.
    """
    facts = beside(path, ".json")
    found = next((x for x in (facts, path / OWN_MANIFEST) if x.is_file()), None)
    if found is None:
        raise InputError(
            f"{path} is neither a run nor an exported model: there is no config.yaml "
            f"in it and no manifest {facts.name} beside it. Give what `hrnet-tf "
            "export` has written, together with the files beside it."
        )
    return found


def changes(path: Path, facts: Path) -> Changes:
    """What became of an artefact since its export, and of its manifest.

    Whatever the artefact is called by now: files are told apart within it.

    Args:
        path: of the artefact.
        facts: its manifest.

    Raises:
        InputError: if the manifest is broken, or tells nothing of files.
    """
    artefact = read_manifest(facts).artefact
    if artefact is None or not artefact.files:
        raise InputError(
            f"{facts} tells nothing of the files of {path}; export the model again."
        )
    found, answers = checksums(path), beside(path, RECORD)
    own = facts == path / OWN_MANIFEST
    if own:
        found.pop(f"{path.name}/{OWN_MANIFEST.as_posix()}")
    elif answers.is_file():
        found |= checksums(answers)
    stated = _renamed(artefact.files, path.name)
    altered = [name for name in stated if name in found and found[name] != stated[name]]
    if artefact.seal != _seal_of(_read(facts)):
        altered.append(facts.name)
    return Changes(
        tuple(altered),
        tuple(name for name in stated if name not in found),
        tuple(name for name in found if name not in stated),
    )


def check_unchanged(path: Path, facts: Path) -> None:
    """Raise an InputError unless an artefact is what was exported.

    What only tells what it answered then may be missing; so may be what a SavedModel
    does not need. A hundred megabytes take a tenth of a second.

    Args:
        path: of the artefact.
        facts: its manifest.
    """
    found = changes(path, facts)
    answers = beside(path, RECORD).name
    wrong = Changes(
        tuple(name for name in found.altered if name != answers),
        tuple(name for name in found.missing if name != answers),
    )
    if wrong.lines():
        raise InputError(
            f"{path} is not what was exported ({'; '.join(wrong.lines())}); copy it "
            f"again, with its manifest {facts.name}, or export the model again."
        )


def _renamed(files: dict[str, str], name: str) -> dict[str, str]:
    """Checksums of an artefact's files as they are called if it is called so."""
    roots = [file.split("/")[0] for file in files]
    kinds = (RECORD, *WEIGHTS.values())
    root = next((x for x in roots if not x.endswith(kinds)), name)
    return {
        _renamed_file(file, root, name): checksum for file, checksum in files.items()
    }


def _renamed_file(file: str, root: str, name: str) -> str:
    if file.startswith(root):
        return name + file.removeprefix(root)
    weights = WEIGHTS.get(Path(root).suffix)
    if weights and Path(root).with_suffix(weights).name == file:
        return Path(name).with_suffix(weights).name
    return file


def _read(facts: Path) -> dict[str, Any]:
    """A manifest as it was written, whatever has been added to them since."""
    try:
        return json.loads(facts.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(
            f"{facts} is damaged: it is no JSON any more; copy it again, or export the "
            "model again."
        ) from None


def _seal_of(facts: dict[str, Any]) -> str:
    """SHA-256 of all that an artefact's manifest says, but for its seal."""
    artefact = {key: x for key, x in facts["artefact"].items() if key != "seal"}
    told = json.dumps({**facts, "artefact": artefact}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
