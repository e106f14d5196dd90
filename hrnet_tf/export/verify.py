"""Whether an artefact is still what was exported, and answers as it did then."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.export.compare import (
    ExportError,
    ask_in_fresh_process,
    differences,
    numbers_of,
)
from hrnet_tf.export.compare_found import ask_about_found
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.integrity import RECORD, Changes, beside, changes
from hrnet_tf.export.records import read_record
from hrnet_tf.export.signatures import signature_of
from hrnet_tf.tasks import TASKS, read_manifest
from hrnet_tf.tasks.base.manifest import TaskManifest

# How much integers may differ between processors, as a share of the range.
INTEGER_TOLERANCE = 0.02


@dataclass(frozen=True)
class Verification:
    """What became of an artefact.

    Attributes:
        path: where it is.
        format: what it is, a name from `FORMATS`.
        altered: files whose content is another than when they were exported, by their
            paths beside the artefact.
        missing: files that are not there any more.
        added: files in an artefact's folder that were not exported.
        differences: of each answer from the recorded one, as a share of its range.
        tolerance: how large these may be.
        failure: why it could not be asked; None: it could.
    """

    path: Path
    format: str
    altered: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    differences: dict[str, float]
    tolerance: float
    failure: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the files are as exported and the answers as recorded."""
        changed = self.altered or self.missing or self.added or self.failure
        near = [value <= self.tolerance for value in self.differences.values()]
        return not changed and bool(near) and all(near)

    def report(self) -> str:
        """A line for each file that changed and for each answer."""
        told = Changes(self.altered, self.missing, self.added).lines()
        told = told or ["files: as exported (SHA-256)"]
        lines = [f"{self.path} ({self.format})", *(f"  {line}" for line in told)]
        for name, value in self.differences.items():
            verdict = "as recorded" if value <= self.tolerance else "NOT as recorded"
            lines.append(
                f"  {name}: {verdict}, off by {value:.1e} of the range (at most "
                f"{self.tolerance:.0e})"
            )
        if self.failure:
            lines.append(f"  no answer: {self.failure}")
        return "\n".join(lines)


def verify(path: str | Path) -> Verification:
    """Compare an artefact's files with their checksums, its answers with recorded ones.

    Args:
        path: what `hrnet-tf export` has written; its manifest and its recorded answers
            lie beside it. Nothing else is needed, no run and no data.

    Raises:
        InputError: if there is no artefact, or its manifest is missing or broken or
            tells nothing of files.

    Example:
        ```python
        result = verify("saved_models/demo/run/export/model.tflite")
        result.ok, result.altered  # True, ()
        ```
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no {path}; give an exported model.")
    facts = beside(path, ".json")
    if not facts.is_file():
        raise InputError(
            f"{path} has no manifest {facts.name} beside it; give what "
            "`hrnet-tf export` has written, together with the files beside it."
        )
    manifest = read_manifest(facts)
    artefact = manifest.artefact
    if artefact is None or artefact.format not in FORMATS:
        raise InputError(
            f"{facts} tells nothing of the artefact's files; export the model again."
        )
    files = changes(path, facts)
    tolerance = FORMATS[artefact.format].tolerance
    tolerance = INTEGER_TOLERANCE if tolerance is None else tolerance
    apart, failure = {}, None
    answers = beside(path, RECORD)
    if answers.name not in (*files.missing, *files.altered):
        try:
            inputs, recorded = read_record(answers)
            found = ask_in_fresh_process(path, signature_of(manifest), inputs)
            if both := _of_both(manifest, recorded):
                found |= ask_about_found(path, manifest, both, inputs)
            apart = _differences(manifest, recorded, found)
        except ExportError as error:
            failure = str(error)
    return Verification(
        path,
        artefact.format,
        files.altered,
        files.missing,
        files.added,
        apart,
        tolerance,
        failure,
    )


def _of_both(manifest: TaskManifest, recorded: Mapping[str, np.ndarray]) -> str | None:
    """The signature of a detector and what looks at its boxes, if it was recorded."""
    looks_at = TASKS[manifest.task].looks_at
    name = looks_at.several if looks_at is not None else None
    return name if any(key.startswith(f"{name}/") for key in recorded) else None


def _differences(
    manifest: TaskManifest,
    recorded: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """Of each answer from the recorded one; those of a signature belong together."""
    together: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for name, value in numbers_of(recorded).items():
        signature, own = name[: name.rfind("/") + 1], name[name.rfind("/") + 1 :]
        together[signature][own] = value
    return {
        signature + name: apart
        for signature, own in together.items()
        for name, apart in differences(
            manifest, own, {name: found[signature + name] for name in own}
        ).items()
    }
