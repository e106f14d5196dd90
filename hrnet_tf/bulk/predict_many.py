"""Very many images to Parquet files: Ray Data hands parts out, workers do them."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hrnet_tf.bulk.job import BEGUN, Job, digest_of_model
from hrnet_tf.bulk.places import Folder
from hrnet_tf.bulk.sources import PARTS, Piece, digest_of, find_pieces
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.extras import require
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.ray_engine import PACKAGES, quiet, ray_engine
from hrnet_tf.common.reading import PIXEL_LIMIT
from hrnet_tf.data.stores import local_path
from hrnet_tf.export.integrity import find_manifest
from hrnet_tf.tasks import check_known_elsewhere, read_manifest
from hrnet_tf.training.configs import RUN_FILE, read_run_config

logger = logging.getLogger(__name__)

PART_SIZE = 256  # images


@dataclass
class Summary:
    """What became of a prediction on many images.

    Attributes:
        folder: where the parts are.
        parts: how many there are in all.
        kept: of these, how many were there before.
        changed: of these, how many were of images whose files have changed since.
        unasked: images of kept parts of which nobody knows whether they have.
        images: how many rows were written.
        errors: of these, how many say what is wrong with their image.
        lacking: parts that have not been written, with the reason.
    """

    folder: str
    parts: int = 0
    kept: int = 0
    changed: int = 0
    unasked: int = 0
    images: int = 0
    errors: int = 0
    lacking: dict[str, str] = field(default_factory=dict)

    def report(self) -> str:
        """The same in words."""
        lines = [
            f"{self.images} images in {self.parts - self.kept - len(self.lacking)} "
            f"parts written to {self.folder}"
        ]
        if self.kept:
            lines.append(f"{self.kept} parts were there already and are kept")
        if self.changed:
            lines.append(
                f"{self.changed} parts were of images whose files have changed since "
                "(size or time), and are done again"
            )
        if self.unasked:
            lines.append(
                f"whether {self.unasked} images elsewhere, known by the list alone, "
                "have changed since is not known; their parts are kept"
            )
        if self.errors:
            lines.append(
                f"{self.errors} images could not be looked at; column `error` says why"
            )
        for name, reason in self.lacking.items():
            said = reason.rstrip(".")
            lines.append(f"{name} is missing: {said}; the same command tries again")
        return "\n".join(lines)


@dataclass(frozen=True)
class Options:
    """How many images are predicted on.

    Attributes:
        detector: finds the people or faces that the model looks at.
        settings: of a run, `key=value`.
        flip: whether to average with the mirrored image.
        pixel_limit: larger images are not decoded; None: as the run says.
        column: of Parquet and TFRecord files, that holds the encoded images.
        part_size: images in a part.
        address: of a Ray cluster; None: Ray's engine on this machine.
        workers: models at work; None: one a GPU, or without any one a machine.
    """

    detector: str | Path | None = None
    settings: tuple[str, ...] = ()
    flip: bool = False
    pixel_limit: int | None = None
    column: str | None = None
    part_size: int = PART_SIZE
    address: str | None = None
    workers: int | None = None


def predict_many(
    source: str | Path,
    model: str | Path,
    out: str | Path,
    options: Options | None = None,
) -> Summary:
    """Predict on very many images, in parts: Parquet files with a row an image.

    The same call again does what is missing. Images that cannot be read or looked at
    are rows with an `error`.

    Args:
        source: folder, list, Parquet or TFRecord file; see `find_pieces`.
        model: a run or an exported model; workers on other machines must find it at the
            same path.
        out: folder for the parts, a path or a URL that fsspec knows.
        options: how; None: the defaults.

    Raises:
        InputError: if a package is missing, there is nothing to read, or `out` is of
            another model, source or settings.

    Example:
        ```python
        summary = predict_many("photos", "saved_models/demo", "answers")
        pandas.read_parquet("answers")  # path, width, height, people, error
        ```
    """
    require(PACKAGES, "Prediction on many images")
    options = options or Options()
    pieces = find_pieces(str(source), options.part_size, options.column)
    job = _make_job(str(source), _whole(model), _whole(out), pieces, options)
    folder = Folder(job.out)
    job.begin(folder)
    names = [piece.name(number) for number, piece in enumerate(pieces)]
    there = folder.names()
    missing = [row for row in zip(names, pieces, strict=True) if row[0] not in there]
    kept = [piece for name, piece in zip(names, pieces, strict=True) if name in there]
    summary = Summary(job.out, len(names), len(kept))
    summary.unasked = sum(piece.unasked for piece in kept)
    summary.changed = _remove_changed(folder, there - set(names))
    if missing:
        _forget_deaths(folder, [name for name, _ in missing])
        with ray_engine(options.address) as ray:
            _count(_done(ray, job, missing, options.workers), missing, summary)
    return summary


def _make_job(
    source: str, model: str, out: str, pieces: Sequence[Piece], options: Options
) -> Job:
    """What is to be done, as it is recorded."""
    _check_task(Path(model))
    detector = _whole(options.detector or "")
    return Job(
        model=model,
        model_digest=digest_of_model(model),
        detector=detector,
        detector_digest=digest_of_model(detector),
        settings=options.settings,
        flip=options.flip,
        pixel_limit=options.pixel_limit or _usual_limit(model, options.settings),
        source=source,
        inputs=digest_of(pieces),
        images=sum(piece.count for piece in pieces),
        out=out,
    )


def _count(
    done: Iterable[Mapping[str, Any]],
    missing: Sequence[tuple[str, Piece]],
    summary: Summary,
) -> None:
    """Count what comes back of the parts that are missing."""
    lacking = {name: "its worker has failed" for name, _ in missing}
    bar = progress_bar(total=sum(piece.count for _, piece in missing), unit="image")
    with bar:
        for row in done:
            del lacking[row["name"]]
            if row["lacks"]:
                summary.lacking[row["name"]] = row["lacks"]
            summary.images += int(row["images"])
            summary.errors += int(row["errors"])
            bar.update(int(row["images"]))
    summary.lacking.update(lacking)


def _done(
    ray: Any, job: Job, missing: Sequence[tuple[str, Piece]], workers: int | None
) -> Iterator[Mapping[str, Any]]:
    """Have parts done; of each what `PartWorker` says, in any order."""
    from hrnet_tf.bulk.worker import PartWorker

    quiet("ray.data")
    rows = [{"name": name, "piece": piece.as_json()} for name, piece in missing]
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # such a part is missing, and told of
    # A part a block: one that is lost is done again alone.
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    count, resources = _workers(ray, workers)
    done = data.map_batches(
        PartWorker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(count, len(rows))),
        **resources,
    )
    yield from done.iter_rows()


def _workers(ray: Any, asked: int | None) -> tuple[int, dict[str, float]]:
    """How many workers, and what each of them takes of the cluster."""
    every = ray.cluster_resources()
    gpus, cpus = int(every.get("GPU", 0)), int(every.get("CPU", 1))
    machines = sum(bool(node["Alive"]) for node in ray.nodes())
    count = asked or gpus or machines
    if gpus:
        return count, {"num_gpus": min(1, gpus / count)}
    return count, {"num_cpus": max(1, cpus // max(count, machines))}


def _remove_changed(folder: Folder, names: set[str]) -> int:
    """Remove parts that are not of the images as they are; how many those were.

    The record agrees, so that what else is here is of these images in another state.
    """
    changed = sorted(name for name in names if fnmatch(name, PARTS))
    for name in changed:
        folder.remove(name)
        folder.remove(f"{BEGUN}/{name}.txt")
    return len(changed)


def _forget_deaths(folder: Folder, names: Sequence[str]) -> None:
    """Parts that workers of an earlier call have died with are tried again."""
    noted = Folder(f"{folder.place.rstrip('/')}/{BEGUN}")
    for name in sorted(noted.names() & {f"{name}.txt" for name in names}):
        noted.write_text(name, "1")


def _whole(place: str | Path) -> str:
    """A place as workers find it, whatever folder they are in."""
    path = local_path(str(place)) if place else None
    return str(place) if path is None else str(path.absolute())


def _check_task(model: Path) -> None:
    """Raise an InputError if workers would not know the task."""
    if not model.exists():
        raise InputError(
            f"There is no {model}; give the folder of a run or an exported model."
        )
    is_run = (model / RUN_FILE).is_file()
    if is_run:
        check_known_elsewhere(read_run_config(model).task)
    else:
        check_known_elsewhere(read_manifest(find_manifest(model)).task)


def _usual_limit(model: str, settings: Sequence[str]) -> int:
    """Pixels of the largest image that is decoded."""
    if (Path(model) / RUN_FILE).is_file():
        return read_run_config(model, settings).data.pixel_limit
    return PIXEL_LIMIT
