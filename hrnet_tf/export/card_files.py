"""Model cards beside exports: what is in a folder, and what a run knows of it."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.common.model_cards import NAME, check_replaceable
from hrnet_tf.common.text_files import read_json
from hrnet_tf.export.card import Origin, Row, card_of
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.integrity import files_of
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.training.run import Run

# Facts in which the exports of one model may differ.
OF_FILES = ("artefact", "limits", "input", "output", "versions")
WEIGHTS = "weights_sha256"  # what evaluations say of the network that they judged
SEALS = "seals"  # what benchmarks say of the files that they measured
NO_DATA = ("on_error", "orientation")  # settings of data that are no places


def write_card(
    scratch: Path, target: Path, manifest: TaskManifest, origin: Origin
) -> None:
    """Write the card of the folder that an artefact goes to, beside the artefact.

    It tells of all exports of the same model there. A card that somebody has changed is
    left as it is, which is said.

    Args:
        scratch: a folder with the finished artefact, by the name that `target` has, of
            whose manifest `manifest` is the content; the card is written there.
        target: where the artefact goes.
        manifest: the artefact's.
        origin: where the model comes from.
    """
    if not check_replaceable(target.with_name(NAME)):
        return
    fresh = Row(target, manifest, size_of(scratch / target.name))
    there = [row for row in rows_in(target.parent) if row.path.name != target.name]
    write_text(scratch / NAME, _card(fresh, there, origin))


def refresh_cards(run: Run) -> None:
    """Write the cards of a run's exports anew, with what is known by now.

    Args:
        run: its folder and `export/` in it are looked at.
    """
    for folder in (run.folder, run.folder / "export"):
        rows = list(rows_in(folder))
        if not rows or not check_replaceable(folder / NAME):
            continue
        weights = sha256_of(run.best) if run.best.is_file() else ""
        rows.sort(key=lambda row: _made_of(row.manifest) == weights)  # those come last
        origin = origin_of(run, _made_of(rows[-1].manifest))
        write_text(folder / NAME, _card(rows[-1], rows[:-1], origin))


def rows_in(folder: Path) -> Iterator[Row]:
    """Exports that lie in a folder, by name; what is none is passed over."""
    for facts in sorted(folder.glob("*.json")):
        path = facts.with_suffix("")
        if not path.exists():
            continue
        try:
            manifest = read_manifest(facts)
        except InputError:  # another file that ends so
            continue
        if manifest.artefact is not None:
            yield Row(path, manifest, size_of(path))


def size_of(path: Path) -> int:
    """Bytes of an artefact."""
    return sum(file.stat().st_size for file in files_of(path) if file.is_file())


def _card(row: Row, there: list[Row], origin: Origin) -> str:
    """The card of a file and of others in its folder that are of the same model."""
    same = [x for x in there if _model(x.manifest) == _model(row.manifest)]
    others = [x.path.name for x in there if x not in same]
    order = {name: number for number, name in enumerate(FORMATS)}

    def place(row: Row) -> tuple[int, str]:
        artefact = row.manifest.artefact
        kind = artefact.format if artefact is not None else ""
        return order.get(kind, len(order)), row.path.name

    return card_of(sorted([*same, row], key=place), origin, sorted(others))


def _model(manifest: TaskManifest) -> dict[str, Any]:
    facts = dataclasses.asdict(manifest)
    told = {key: value for key, value in facts.items() if key not in OF_FILES}
    return {**told, "made_of": _made_of(manifest)}


def _made_of(manifest: TaskManifest) -> str:
    """SHA-256 of the weights that an artefact has; "": not known."""
    return manifest.artefact.made_of if manifest.artefact is not None else ""


def origin_of(run: Run, weights: str) -> Origin:
    """What a run knows of where a model comes from.

    Args:
        run: it.
        weights: SHA-256 of those that were exported; evaluations of others do not
            count. "": not known.
    """
    config: Any = run.config
    data = [
        f"`{key}`: {_place(value)}"
        for key, value in _settings(dataclasses.asdict(config.data), "data")
    ]
    for key in ("weights", "body"):
        if value := getattr(config.model, key, None):
            data.append(f"Training began from `model.{key}`: {_place(str(value))}")
    latencies, timed = _latencies(run)
    scores = _scores(run, weights)
    scored = (
        "By `hrnet-tf evaluate`, of these weights on the run's validation data."
        if scores
        else "Not evaluated: `hrnet-tf evaluate RUN` judges it and writes it here."
    )
    return Origin(tuple(data), scores, scored, latencies=latencies, timed=timed)


def _settings(section: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Places that a section of settings names."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{name}.{key}")
        elif isinstance(value, str) and value and key not in NO_DATA:
            yield f"{name}.{key}", value


def _place(value: str) -> str:
    """The end of a path or an address: where it lies is nobody's business."""
    parts = PurePosixPath(urlsplit(value).path.replace("\\", "/")).parts
    return "/".join([part for part in parts if part != "/"][-2:]) or value


def _scores(run: Run, weights: str) -> tuple[tuple[str, str, float], ...]:
    """Statistics of evaluations of these weights."""
    found = []
    for file in sorted((run.folder / "evaluations").glob("*.json")):
        facts = _read(file)
        statistics = facts.get("statistics")
        if weights and facts.get(WEIGHTS) == weights and isinstance(statistics, dict):
            found += [(file.stem, name, float(x)) for name, x in statistics.items()]
    return tuple(found)


def _latencies(run: Run) -> tuple[dict[str, float], str]:
    """Milliseconds by seals, of the benchmark that measured the most files."""
    best: dict[str, float] = {}
    timed = ""
    for file in sorted((run.folder / "benchmark").glob("*.json")):
        facts = _read(file)
        seals, rows = facts.get(SEALS, {}), facts.get("flavours", [])
        found = {
            seals[row["format"]]: row["median_ms"]
            for row in rows
            if row.get("format") in seals
        }
        if len(found) > len(best):
            best, threads = found, facts.get("threads")
            timed = (
                "Latency: median of one image on the CPU that `hrnet-tf benchmark` "
                f"ran on, with {threads} threads."
            )
    return best, timed


def _read(file: Path) -> dict[str, Any]:
    """A JSON file of a run; what is broken says nothing."""
    try:
        facts = read_json(file)
    except InputError:
        return {}
    return facts if isinstance(facts, dict) else {}
