"""The model card of exports: what a folder holds, as readers of Hugging Face expect it.

What is not known is said to be unknown; nothing in it is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hrnet_tf.common.model_cards import bullets, document, license_of, table
from hrnet_tf.export.card_code import call_of, code_of
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.images.preprocess import CHANNELS
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.base.manifest import ImageInput, TaskManifest

HEAD = ("file", "format", "MB", "takes", "gives", "off by at most", "ms an image")
FREE = "not bounded: fewer bits answer differently"
UNSCORED = "Not evaluated: no score of these weights is known."
UNTIMED = (
    "Latency: not measured. `hrnet-tf benchmark RUN` measures it, and writes it here."
)
UNKNOWN_DATA = "Not known."
UNLICENSED = (
    "Not known: nobody has said under which licence these weights may be used. What "
    "they were trained on and began from may bind you; ask whom you have them from."
)


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, as far as somebody has written it down.

    Attributes:
        data: what it has learnt from, sentences or names; empty: not known.
        scores: rows of evaluations: what was judged, the statistic, its value.
        scored: a sentence on the scores; empty: there are none.
        license_name: of the weights, an SPDX name; None: nobody has said one.
        licensed: what else is known of it.
        latencies: milliseconds of one image by the seals of manifests.
        timed: how those were measured.
    """

    data: tuple[str, ...] = ()
    scores: tuple[tuple[str, str, float], ...] = ()
    scored: str = ""
    license_name: str | None = None
    licensed: str = ""
    latencies: Mapping[str, float] = field(default_factory=dict)
    timed: str = ""


@dataclass(frozen=True)
class Row:
    """A file of a card.

    Attributes:
        path: of the file, or of a SavedModel's folder.
        manifest: its own, with an `artefact`.
        bytes: its size.
    """

    path: Path
    manifest: TaskManifest
    bytes: int


def card_of(rows: Sequence[Row], origin: Origin, others: Sequence[str] = ()) -> str:
    """The card of exports of one model that lie in one folder.

    Args:
        rows: the files, in the order in which they are told.
        origin: where the model comes from.
        others: names of exports in that folder that are of other models.
    """
    manifest = rows[0].manifest
    card = parts_of(manifest).card
    calls = [call_of(row.path, card) for row in rows]
    libraries = list(dict.fromkeys(tag for call in calls for tag in call.tags))
    front = {
        **license_of(origin.license_name),
        "library_name": libraries[0],
        **({"pipeline_tag": card.pipeline_tag} if card else {}),
        "tags": ["hrnet", manifest.task.replace("_", "-"), *libraries],
    }
    told = _told(origin, card)
    if told:
        names = card.metrics if card else {}
        front["metrics"] = list(dict.fromkeys(names.get(x, x) for _, x, _ in told))
    sections = {
        "": _about(manifest, card),
        "Answers": card.means(manifest) if card else "",
        "Data": bullets(origin.data) or UNKNOWN_DATA,
        "Score": _scores(told, origin),
        "Files": _files(rows, origin, others),
        "Input": _input(manifest.input, card),
        **_codes(rows, card),
        "Licence": _license(origin),
        "Limits": bullets(card.limits if card else ()) or "Not known.",
        "Versions": _versions(manifest),
    }
    return document(front, f"{manifest.model} ({manifest.task})", sections)


def _versions(manifest: TaskManifest) -> str:
    versions = sorted(manifest.versions.items())
    return table(("of", "version"), versions) if versions else ""


def _about(manifest: TaskManifest, card: Card | None) -> str:
    does = card.does if card else f"A model for the task {manifest.task}."
    return (
        f"{does} Trained or converted, exported and compared with the Keras model by "
        "hrnet_tf. Beside each file lies its manifest (`.json`), which says all of "
        "this to programs, and what it was asked and answered (`.npz`, for `hrnet-tf "
        "verify`)."
    )


def _told(origin: Origin, card: Card | None) -> list[tuple[str, str, float]]:
    """Scores that a card tells: those that the task names, or all of them."""
    named = card.metrics if card else {}
    known = [score for score in origin.scores if score[1] in named]
    return known or list(origin.scores)


def _scores(told: Sequence[tuple[str, str, float]], origin: Origin) -> str:
    if not told:
        return origin.scored or UNSCORED
    rows = [(judged, name, f"{value:.4f}") for judged, name, value in told]
    text = table(("evaluation", "statistic", "value"), rows)
    return f"{text}\n\n{origin.scored}".rstrip()


def _files(rows: Sequence[Row], origin: Origin, others: Sequence[str]) -> str:
    card = parts_of(rows[0].manifest).card
    cells = [_file(row, origin, card) for row in rows]
    timed = any(row[-1] for row in cells)
    lines = [table(HEAD, [[x or "not measured" for x in row] for row in cells])]
    lines.append(
        "What an answer may be off by is a share of the answers' range, against the "
        f"Keras model. {origin.timed if timed else UNTIMED}"
    )
    if others:
        lines.append(f"Of other models, and not told of here: {', '.join(others)}.")
    return "\n\n".join(lines)


def _file(row: Row, origin: Origin, card: Card | None) -> list[str]:
    facts, artefact = row.manifest.input, row.manifest.artefact
    assert artefact is not None  # noqa: S101
    known = FORMATS.get(artefact.format)
    tolerance = known.tolerance if known else None
    latency = origin.latencies.get(artefact.seal)
    gives = row.manifest.output
    images = str(facts.at_once or call_of(row.path, card).images)
    answer = "decoded answers" if artefact.decodes else f"`{gives.name}`, {gives.dtype}"
    return [
        f"`{row.path.name}`",
        f"{artefact.format} {artefact.operations}".strip(),
        f"{row.bytes / 1e6:.2f}",
        f"{facts.dtype} {_shape(facts, images)}",
        answer,
        FREE if tolerance is None else f"{tolerance:g}",
        "" if latency is None else f"{latency:.1f}",
    ]


def _shape(facts: ImageInput, images: str) -> str:
    height, width = ("height", "width") if facts.any_size else facts.size
    order = (3, height, width) if facts.layout == "NCHW" else (height, width, 3)
    return f"({images}, {', '.join(map(str, order))})"


def _input(facts: ImageInput, card: Card | None) -> str:
    upright = facts.orientation == "upright"
    lines = [
        f"{facts.color_order}, each value `(value - mean) / std` of 0 to 255: of "
        f"{CHANNELS[facts.color_order]} mean {_numbers(facts.mean)}, std "
        f"{_numbers(facts.std)}.",
        "An image is turned by its EXIF tag first, as viewers show it."
        if upright
        else "An image is taken as its pixels lie, whatever its EXIF tag says.",
        "Integers, where a file takes or gives some, mean `(integer - zero_point) * "
        "scale` by the file's manifest.",
    ]
    return bullets([*([card.takes] if card and card.takes else []), *lines])


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _codes(rows: Sequence[Row], card: Card | None) -> dict[str, str]:
    """Code for each runtime, and for each kind of answer; by titles."""
    found: dict[str, tuple[str, list[str]]] = {}
    for row in rows:
        call, artefact = call_of(row.path, card), row.manifest.artefact
        decodes = artefact is not None and artefact.decodes
        title = f"Code: {call.title}{', decoded in the file' if decodes else ''}"
        code = code_of(row.path, row.manifest, card)
        text = f"```python\n{code}\n```\n\nIt needs {', '.join(call.packages)}."
        found.setdefault(title, (text, []))[1].append(row.path.name)
    texts = {}
    for title, (code, names) in found.items():
        also = (
            f" The same with {', '.join(names[1:])} and their manifests."
            if names[1:]
            else ""
        )
        texts[title] = code + also
    return texts


def _license(origin: Origin) -> str:
    if origin.license_name is None:
        return f"{origin.licensed} {UNLICENSED}".strip()
    return f"{origin.license_name}. {origin.licensed}".strip()
