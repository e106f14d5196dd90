"""What a network runs in: for a run its own model, or one of its exports."""

from pathlib import Path

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.export.artefacts import exports_of
from hrnet_tf.export.integrity import beside, check_unchanged
from hrnet_tf.export.names import KERAS, RUNTIMES
from hrnet_tf.export.processes.runtimes import runtimes_of
from hrnet_tf.tasks import read_manifest
from hrnet_tf.training.configs import RUN_FILE
from hrnet_tf.training.run import Run


def runtimes_for(path: str | Path) -> list[str]:
    """What a model could run in, the usual one first.

    Args:
        path: of a run, or of an exported file or folder.
    """
    if (Path(path) / RUN_FILE).is_file():
        return [KERAS, *(name for name in RUNTIMES if name != KERAS)]
    return list(runtimes_of(path))


def runtime_for(path: str | Path, runtime: str | None = None) -> str:
    """What a model runs in.

    Args:
        path: of a run, or of an exported file or folder.
        runtime: a name from `hrnet_tf.export.names.RUNTIMES`; None: the usual one.

    Raises:
        InputError: if that is none, or does not open the file.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise InputError(
            f"`runtime` must be one of {', '.join(RUNTIMES)}, got {runtime!r}."
        )
    known = runtimes_for(path)
    if runtime is not None and runtime not in known:
        raise InputError(
            f"{path} runs in {' or '.join(known)}, not in {runtime}; leave the runtime "
            "away, or give the run, which may have other exports."
        )
    return runtime or known[0]


def export_for(run: Run, runtime: str) -> Path:
    """The export of a run that another runtime than Keras takes.

    Args:
        run: has it in its own folders.
        runtime: its name.

    Raises:
        InputError: if there is none, it is not what was exported, or it was not made of
            the weights that the run has now.
    """
    formats, found = RUNTIMES[runtime], exports_of(run)
    name = next((name for name in formats if name in found), None)
    anew = f"`hrnet-tf export {run.folder} --format {name or formats[0]}`"
    if name is None:
        raise InputError(
            f"{run.folder} has no export for {runtime}; write one with {anew}."
        )
    path = found[name]
    facts = beside(path, ".json")
    check_unchanged(path, facts)
    artefact = read_manifest(facts).artefact
    if artefact is None or artefact.made_of != sha256_of(run.best):
        raise InputError(
            f"{path} does not tell that it was made of the weights that {run.folder} "
            f"has now (they were trained on, or it is of an earlier version); write it "
            f"anew with {anew}."
        )
    return path
