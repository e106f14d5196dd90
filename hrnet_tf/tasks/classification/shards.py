"""Folders of images to TFRecord shards: shuffled, in parallel, checked, resumable."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import is_scratch, writing
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.data.problems import Policy
from hrnet_tf.tasks.classification.images import FolderImages, open_images
from hrnet_tf.tasks.classification.shard_index import (
    INDEX,
    INDEX_FORMAT,
    read_index,
    write_index,
)

logger = logging.getLogger(__name__)

IMAGES_A_SHARD = 1000  # about a hundred megabytes of photographs


@dataclass(frozen=True)
class Shard:
    """What one shard holds.

    Attributes:
        path: of the file.
        root: the images' folder; names in the shard are relative to it.
        files: the images, in the order of the shard.
        labels: of each.
        classes: names of the labels.
        sha256: of the finished file; None: it is not finished.
    """

    path: Path
    root: Path
    files: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    sha256: str | None


def write_shards(
    root: str | Path,
    out: str | Path,
    shards: int | None = None,
    workers: int | None = None,
    validation_share: float = 0.2,
    seed: int = 0,
    on_error: Policy = "stop",
) -> dict[str, int]:
    """Write a folder of folders as TFRecord shards, the images' bytes as they are.

    The same call again goes on where an earlier one stopped: finished shards are
    checked and kept. A shard has its final name only once it is whole.

    Args:
        root: the images; see `open_images`.
        out: folder to write to: `train-00000-of-00008.tfrecord` and so on, `val-...`,
            and `index.json` with classes, counts, checksums and settings.
        shards: of the training images; None: about 1000 images in each. Validation
            images get shards of the same size.
        workers: processes that write; None: one for each core.
        validation_share: see `open_images`.
        seed: of the images' order in the shards, and see `open_images`.
        on_error: `"stop"`, or `"skip"`: go on without files that are no images or
            cannot be read.

    Returns:
        How many shards were written and how many kept, as `{"written": 8, "kept": 0}`.

    Raises:
        InputError: if the images cannot be read, or `out` holds something else, such as
            shards of other images or settings.

    Source: the format, https://www.tensorflow.org/tutorials/load_data/tfrecord.

    Example:
        ```python
        write_shards("flowers", "flowers_shards", shards=8)
        training, validation = open_images("flowers_shards")
        ```
    """
    root, out = Path(root), Path(out)
    for name, number in (("shards", shards), ("workers", workers)):
        if number is not None and number < 1:
            raise InputError(f"The number of {name} must be positive, got {number}.")
    training, validation = _folders(root, validation_share, seed, on_error)
    parts = {"train": training, "val": validation}
    shards = shards or max(1, round(len(parts["train"]) / IMAGES_A_SHARD))
    if shards > len(parts["train"]):
        raise InputError(
            f"{root} holds {len(parts['train'])} training images, too few for {shards} "
            "shards; write fewer."
        )
    plan = _plan(root, out, parts, shards, seed)
    settings = {
        "shards": shards,
        "validation_share": validation_share,
        "seed": seed,
        "images": _digest(plan),
    }
    index = _begin(out, parts, plan, settings)
    counts = {"written": 0, "kept": 0}
    entries = [entry for part in index["shards"].values() for entry in part]
    by_name = {entry["file"]: entry for entry in entries}
    todo = [
        replace(shard, sha256=by_name[shard.path.name]["sha256"])
        for part in plan.values()
        for shard in part
    ]
    bar = progress_bar(total=len(todo), desc="writing", unit="shard")
    with bar, _in_processes(min(workers or os.cpu_count() or 1, len(todo))) as run:
        for name, checksum, size, kept in run(_finish, todo):
            by_name[name].update(sha256=checksum, bytes=size)
            write_index(out, index)
            counts["kept" if kept else "written"] += 1
            bar.update()
    return counts


def verify_shards(root: str | Path, workers: int | None = None) -> int:
    """Check every shard of a folder against its checksum.

    Args:
        root: what `write_shards` has written.
        workers: processes that read; None: one for each core.

    Returns:
        How many shards there are.

    Raises:
        InputError: if shards are missing or damaged; the text names them.
    """
    root = Path(root)
    open_images(root)  # what is missing or cut off is seen without reading
    index = read_index(root)
    entries = [entry for part in index["shards"].values() for entry in part]
    expected = {entry["file"]: entry["sha256"] for entry in entries}
    paths = [root / name for name in expected]
    bar = progress_bar(total=len(paths), desc="checking", unit="shard")
    damaged = []
    with bar, _in_processes(min(workers or os.cpu_count() or 1, len(paths))) as run:
        for name, checksum in run(_named_checksum, paths):
            if checksum != expected[name]:
                damaged.append(name)
            bar.update()
    if damaged:
        raise InputError(
            f"{root}: {len(damaged)} of {len(paths)} shards are damaged: "
            f"{', '.join(sorted(damaged))}; the same `hrnet-tf shard` command again "
            "writes them anew."
        )
    return len(paths)


def _folders(
    root: Path, validation_share: float, seed: int, on_error: Policy
) -> tuple[FolderImages, FolderImages]:
    training, validation = open_images(root, validation_share, seed, on_error)
    if not isinstance(training, FolderImages) or not isinstance(
        validation, FolderImages
    ):
        raise InputError(
            f"{root} holds shards already; give a folder with a folder of images for "
            "each class."
        )
    if on_error == "skip":
        return _readable(training), _readable(validation)
    return training, validation


def _readable(images: FolderImages) -> FolderImages:
    """Without files that cannot be read; a line tells of each."""
    there = np.array([os.access(file, os.R_OK) for file in images.files], bool)
    for file in images.files[~there]:
        logger.warning("skipped: image %s cannot be read", file)
    if not there.any():
        raise InputError(f"None of the images, such as {images.files[0]}, can be read.")
    return replace(images, files=images.files[there], labels=images.labels[there])


def _plan(
    root: Path, out: Path, parts: dict[str, FolderImages], shards: int, seed: int
) -> dict[str, list[Shard]]:
    """Which image goes where, at random."""
    plan = {}
    images_a_shard = len(parts["train"]) / shards
    for number, (part, images) in enumerate(parts.items()):
        count = max(1, round(len(images) / images_a_shard))
        order = np.random.default_rng([seed, number]).permutation(len(images))
        plan[part] = [
            Shard(
                out / f"{part}-{i:05d}-of-{count:05d}.tfrecord",
                root,
                tuple(images.files[rows]),
                tuple(images.labels[rows].tolist()),
                images.classes,
                None,
            )
            for i, rows in enumerate(np.array_split(order, count))
        ]
    return plan


def _digest(plan: dict[str, list[Shard]]) -> str:
    """Tells one list of images from another."""
    digest = hashlib.sha256()
    for part in plan.values():
        for shard in part:
            for file, label in zip(shard.files, shard.labels, strict=True):
                name = os.path.relpath(file, shard.root)
                digest.update(f"{name}\0{shard.classes[label]}\n".encode())
    return digest.hexdigest()


def _begin(
    out: Path,
    parts: dict[str, FolderImages],
    plan: dict[str, list[Shard]],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """The index of a new folder, or that of an earlier call with the same settings."""
    before = _index_of_before(out, plan)
    if before is not None:
        differ = [
            f"{name}: {before['settings'].get(name)} -> {value}"
            for name, value in settings.items()
            if before["settings"].get(name) != value
        ]
        if differ:
            raise InputError(
                f"{out} holds shards of other images or settings "
                f"({'; '.join(differ)}); name another folder, or remove this one."
            )
        return before
    if _names(out):
        raise InputError(f"{out} is not empty and holds no {INDEX}; name a new folder.")
    index = {
        "format": INDEX_FORMAT,
        "classes": list(parts["train"].classes),
        "class_counts": {
            part: images.class_counts.tolist() for part, images in parts.items()
        },
        "settings": settings,
        "shards": {
            part: [
                {
                    "file": shard.path.name,
                    "records": len(shard.files),
                    "bytes": None,
                    "sha256": None,
                }
                for shard in shards
            ]
            for part, shards in plan.items()
        },
    }
    write_index(out, index)
    return index


def _index_of_before(out: Path, plan: dict[str, list[Shard]]) -> dict[str, Any] | None:
    """The index of an earlier call; None: there is none, or all is written anew."""
    if not (out / INDEX).is_file():
        return None
    try:
        return read_index(out)
    except InputError as error:
        ours = {shard.path.name for part in plan.values() for shard in part}
        known = INDEX_FORMAT.encode() in (out / INDEX).read_bytes()
        if _names(out) - ours - {INDEX} or not (known or _names(out) & ours):
            raise InputError(
                f"{error} But nothing tells that the files in {out} are those of this "
                "command; name another folder, or remove this one."
            ) from None
        logger.warning("%s This happens here.", error)
        for name in _names(out):
            (out / name).unlink()
        return None


def _names(folder: Path) -> set[str]:
    """Of what is in a folder, but for what a killed process has left unfinished."""
    there = folder.iterdir() if folder.is_dir() else ()
    return {path.name for path in there if not is_scratch(path)}


@contextlib.contextmanager
def _in_processes(workers: int) -> Iterator[Callable[[Callable, Iterable], Iterator]]:
    """A `map` in any order; with one worker, in this process.

    Processes are started anew, not forked: TensorFlow's threads do not survive that.
    """
    if workers == 1:
        yield map
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:

        def run(function, inputs):
            futures = [pool.submit(function, given) for given in inputs]
            return (future.result() for future in as_completed(futures))

        try:
            yield run
        finally:
            # After an error or an interruption what has not begun need not be done.
            pool.shutdown(cancel_futures=True)


def _finish(shard: Shard) -> tuple[str, str, int, bool]:
    """Keep a shard that is whole, else write it.

    Returns:
        Its name, checksum and size in bytes, and whether it was kept.
    """
    path = shard.path
    checksum = sha256_of(path) if shard.sha256 and path.is_file() else None
    kept = checksum is not None and checksum == shard.sha256
    if not kept:
        _write(shard)
        checksum = sha256_of(path)
    return path.name, str(checksum), path.stat().st_size, kept


def _write(shard: Shard) -> None:
    with (
        writing(shard.path) as partial,
        tf.io.TFRecordWriter(str(partial)) as writer,
    ):
        for file, label in zip(shard.files, shard.labels, strict=True):
            try:
                encoded = Path(file).read_bytes()
            except OSError as error:
                raise InputError(f"Image {file} cannot be read: {error}.") from None
            writer.write(_record(encoded, label, shard, file))


def _record(encoded: bytes, label: int, shard: Shard, file: str) -> bytes:
    """An image with the names that ImageNet's records have; TFRecord adds checksums."""

    def text(value: str) -> tf.train.Feature:
        return data(os.fsencode(value))

    def data(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image/encoded": data(encoded),
        "image/class/label": tf.train.Feature(
            int64_list=tf.train.Int64List(value=[label])
        ),
        "image/class/text": text(shard.classes[label]),
        "image/filename": text(os.path.relpath(file, shard.root)),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Else each process has its own order, and the same images other checksums.
    return example.SerializeToString(deterministic=True)


def _named_checksum(path: Path) -> tuple[str, str]:
    return path.name, sha256_of(path)
