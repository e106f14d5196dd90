"""Trained networks to artefacts: written, compared with the model, and described."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import naming, write_bytes, writing_together
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.export import decoder
from hrnet_tf.export.card import Origin
from hrnet_tf.export.card_files import origin_of, write_card
from hrnet_tf.export.compare import compare
from hrnet_tf.export.compare_found import compare_found
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.integrity import RECORD, beside, checksums, files_of, sealed
from hrnet_tf.export.names import ALL, DEFAULTS, every_format, require_packages
from hrnet_tf.export.options import Options
from hrnet_tf.export.records import record
from hrnet_tf.export.signatures import decoder_of
from hrnet_tf.tasks import open_experiment, parts_of, read_manifest
from hrnet_tf.tasks.base.manifest import Artefact, TaskManifest
from hrnet_tf.training.run import Run

logger = logging.getLogger(__name__)

CALIBRATED_ON = 64  # images


def export_run(
    folder: str | Path,
    formats: Sequence[str] = DEFAULTS,
    out: str | Path | None = None,
    options: Options = Options(),  # noqa: B008
    overrides: Sequence[str] = (),
    detector: str | Path | None = None,
) -> dict[str, Path]:
    """Export a run's best weights; what does not answer as the model does is not kept.

    Args:
        folder: the run.
        formats: names from `FORMATS`; or `all`, those that the task has, without
            OpenVINO's where that is not installed.
        out: where to write; by default `export/` in the run's folder, and the run's
            folder itself for SavedModels, so that a server finds their versions there.
        options: settings of some formats. Without images for calibration, formats that
            need them take some of the run's training data.
        overrides: `key=value` settings that win over the run's, such as
            `data.root=FOLDER` (of some tasks `data.train.images=FOLDER`) where the data
            for calibration have been moved.
        detector: the run of a detector, for a model that looks at people or faces in
            boxes: SavedModels find them too then, by the signature `people` or `faces`.

    Returns:
        The artefact of each format. Beside it lie its manifest (`.json` added to its
        name), what it was asked and answered (`.npz` added), `README.md`, the model
        card of all that is there, and `decoder.py`: what comes before and after a
        network, in NumPy alone, with what the task brings along for it.

    Raises:
        InputError: if there is no such run, it has no weights, a format is unknown,
            `out` holds an export already (in the run's own folder it is replaced), or
            the detector does not suit the model.
        ExportError: if an artefact differs from the model by more than its format may.

    Example:
        ```python
        export_run("saved_models/demo", ["tflite"])  # {"tflite": Path(...)}
        ```
    """
    require_packages(formats)
    run = Run.open(folder, tuple(overrides))
    manifest = read_manifest(run.manifest)
    formats = chosen_formats(formats, manifest)
    targets = targets_of(
        formats, out or run.folder / "export", options, served=out or run.folder
    )
    if out and not Path(out).resolve().is_relative_to(run.folder.resolve()):
        check_free(targets)
    if detector is not None:
        check_served(formats)
        options = dataclasses.replace(options, detector=Finder.open(detector, manifest))
    if run.best.is_file():  # else `model` says so
        options = dataclasses.replace(options, made_of=sha256_of(run.best))
    model = run.model()
    if options.calibration is None and any(FORMATS[x].calibrated for x in formats):
        options = dataclasses.replace(options, calibration=training_images(run))
    samples, origin = run.read_samples(), origin_of(run, options.made_of)
    return export_model(model, manifest, samples, targets, options, origin)


def chosen_formats(
    formats: Sequence[str], manifest: TaskManifest, calibrated: bool = True
) -> list[str]:
    """The formats to write, of those that are asked for.

    Args:
        formats: names from `FORMATS`, or `names.ALL`: those that the task has.
        manifest: the model's facts.
        calibrated: whether there are images for calibration; without them `ALL` leaves
            out what needs some.

    Raises:
        InputError: if boxes would have to come out of whole numbers.
    """
    named = list(formats)
    if ALL in formats:
        named, spared = every_format()
        if spared:
            logger.info("left out: %s", spared)
    known = [name for name in named if name in FORMATS]  # `targets_of` tells the others
    whole = [name for name in known if FORMATS[name].calibrated]
    detects = decoder_of(manifest).differences is not None
    if ALL in formats and (detects or not calibrated):
        why = "detectors do not have" if detects else "need images for calibration"
        logger.info("left out: %s, which %s", ", ".join(whole), why)
        return [name for name in named if name not in whole]
    if not whole or not detects:
        return named
    raise InputError(
        f"{whole[0]}: detectors do not compute in whole numbers, since with 8 bits a "
        "box in an image of a thousand pixels would be off by pixels; name other "
        "formats (tflite_dynamic_int8 has weights of 8 bits)."
    )


def check_served(formats: Sequence[str]) -> None:
    """Raise an InputError if no format could hold a detector too."""
    served = [name for name in FORMATS if FORMATS[name].served]
    if not set(served) & set(formats):
        raise InputError(
            f"A detector goes into {' and '.join(served)} alone, and the formats are "
            f"{', '.join(formats)}; add {served[0]}, or give no detector."
        )


def training_images(run: Run, count: int = CALIBRATED_ON) -> np.ndarray:
    """Some images as a run's training gets them, uint8 `(count, height, width, 3)`.

    Raises:
        InputError: if the run's data are not there any more.
    """
    experiment = open_experiment(run.config)
    data = experiment.training_data(read_manifest(run.manifest))
    size = run.config.train.batch_size
    found: list[np.ndarray] = []
    with data.errors_explained():
        for images, *_ in data.batches(range(1), -(-count // size)):
            found.append(images.numpy())
    return np.concatenate(found)[:count]


def export_model(
    model: keras.Model,
    manifest: TaskManifest,
    samples: Mapping[str, np.ndarray],
    targets: dict[str, Path],
    options: Options,
    origin: Origin = Origin(),  # noqa: B008
) -> dict[str, Path]:
    """Export a network that no run holds; what is there already is replaced.

    Args:
        model: takes normalised images.
        manifest: its facts.
        samples: what artefacts are compared on; see `compare`.
        targets: where to write each format; see `targets_of`.
        options: settings of some formats.
        origin: where the model comes from, for its card.

    Returns:
        The targets.

    Raises:
        InputError: if a format needs images for calibration and has none.
        ExportError: if an artefact differs from the model by more than its format may.
    """
    for name in targets:
        if FORMATS[name].calibrated:
            options.images(name)
    options = dataclasses.replace(options, samples=samples, shared={})
    for name, target in targets.items():
        _export(model, manifest, samples, name, target, options, origin)
    return targets


def _put_beside(folder: Path, manifest: TaskManifest) -> None:
    """What decodes in NumPy alone: `decoder.py`, and what the task brings along."""
    code = Path(decoder.__file__)
    for name, file in {code.name: code, **parts_of(manifest).beside}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, file.read_bytes())


def _export(
    model: keras.Model,
    manifest: TaskManifest,
    samples: Mapping[str, np.ndarray],
    name: str,
    target: Path,
    options: Options,
    origin: Origin,
) -> None:
    chosen = FORMATS[name]
    # A manifest without its artefact, or with another one, is nobody's.
    with writing_together(beside(target, ".json")) as partial, naming(target):
        fresh = partial.with_name(target.name)
        logger.info("writing %s", target)
        facts = chosen.write(model, manifest, fresh, options)
        known = options.shared.setdefault("answers", {})
        found = compare(fresh, model, facts, samples, chosen, known)
        answered = dict(found.answers)
        if options.detector is not None and chosen.served:
            together = (fresh, model, facts, options.detector, samples)
            answered |= compare_found(*together)
        answers = beside(fresh, RECORD)
        record(answers, found.inputs, answered)
        files = checksums(fresh) | checksums(answers)
        artefact = Artefact(
            *(name, files, chosen.operations, chosen.decodes), made_of=options.made_of
        )
        whole = sealed(facts, artefact)
        whole.write(partial)
        write_card(partial.parent, target, whole, origin)
        if not chosen.served:
            _put_beside(target.parent, manifest)
    limit = "any difference" if chosen.tolerance is None else f"{chosen.tolerance:.0e}"
    logger.info(
        "%s differs from the model by %.1e of its range (allowed: %s)",
        *(target, found.difference, limit),
    )


def exports_of(run: Run) -> dict[str, Path]:
    """What a run has been exported to, by format, in the order of `FORMATS`."""
    found = {}
    versions = [x for x in run.folder.glob("*.json") if x.stem.isdigit()]
    versions.sort(key=lambda path: int(path.stem))  # the highest is served
    for facts in (*versions, *sorted((run.folder / "export").glob("*.json"))):
        artefact = read_manifest(facts).artefact
        if artefact is not None and facts.with_suffix("").exists():
            found[artefact.format] = facts.with_suffix("")
    return {name: found[name] for name in FORMATS if name in found}


def targets_of(
    formats: Sequence[str],
    out: str | Path,
    options: Options,
    served: str | Path | None = None,
) -> dict[str, Path]:
    """Where artefacts go, by their formats.

    Args:
        formats: names from `FORMATS`.
        out: the folder.
        options: names the version.
        served: the folder of what servers load; None: the same.

    Raises:
        InputError: if a format is unknown.
    """
    targets = {}
    for name in formats:
        if name not in FORMATS:
            raise InputError(
                f"`formats` must be a list of {', '.join(FORMATS)}, got {name!r}."
            )
        chosen = FORMATS[name]
        folder = Path(served or out) if chosen.served else Path(out)
        targets[name] = folder / chosen.file_name.format(version=options.version)
    return targets


def check_free(targets: Mapping[str, Path]) -> None:
    """Raise an InputError if a target is there already."""
    for target in targets.values():
        taken = [x for x in (target, *files_of(target)) if x.exists()]
        if taken:
            raise InputError(
                f"{taken[0]} is there already; choose another --out or --version."
            )
