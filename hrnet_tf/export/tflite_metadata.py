"""TFLite's own metadata, which phones' tools read: what a file takes and gives.

Source: https://ai.google.dev/edge/litert/models/metadata, `metadata_schema.fbs`.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from hrnet_tf.export.signatures import decoder_of
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.serving import Answer

NAME = "TFLITE_METADATA"  # of the buffer in the file
LABELS = "labels.txt"

INPUT = "One {} image: (value - mean) / std of values in 0..255."

# Numbers that the schema gives to its choices.
UNKNOWN, RGB, IMAGE_PROPERTIES, NORMALIZATION = 0, 1, 2, 1
AXIS_LABELS, VALUE_LABELS = 2, 3

# How a table's field is stored.
OFFSET, BYTE = "PrependUOffsetTRelativeSlot", "PrependInt8Slot"
CHOICE, COUNT = "PrependUint8Slot", "PrependUint32Slot"

Field = tuple[str, int] | None


def tflite_metadata(manifest: TaskManifest, outputs: Sequence[str]) -> bytes:
    """The content of the buffer `NAME`.

    Args:
        manifest: the file's facts.
        outputs: names of what the file gives, in its order.
    """
    builder = flatbuffers.Builder(1024)
    takes = INPUT.format(manifest.input.color_order)
    given = _tensor(builder, "image", takes, *_image_fields(builder, manifest))
    known = decoder_of(manifest).answers
    answers = []
    for name in outputs:
        files = None
        answer = known.get(name, Answer(""))
        if manifest.class_names and answer.classes:
            kind = VALUE_LABELS if answer.classes == "value" else AXIS_LABELS
            labels = _table(builder, _text(builder, LABELS), None, (BYTE, kind))
            files = _list(builder, [labels])
        told = name, answer.description
        answers.append(_tensor(builder, *told, None, None, None, None, files))
    graph = _table(
        builder, None, None, _list(builder, [given]), _list(builder, answers)
    )
    root = _table(
        builder,
        _text(builder, manifest.model),
        _text(builder, f"HRNet, {manifest.task}"),
        _text(builder, manifest.versions.get("hrnet_tf", "")),
        _list(builder, [graph]),
        None,
        None,
        None,
        _text(builder, "1.0.0"),  # of the parser
    )
    builder.Finish(root, b"M001")
    return bytes(builder.Output())


def append_labels(path: str | Path, manifest: TaskManifest) -> None:
    """Put the names of classes behind a file, as a zip archive, if it has classes."""
    names = manifest.class_names
    if names:
        with zipfile.ZipFile(path, "a") as archive:
            # The date is fixed, so that the same export is the same file.
            archive.writestr(zipfile.ZipInfo(LABELS), "\n".join(names) + "\n")


def _image_fields(builder: Any, manifest: TaskManifest) -> list[Field]:
    """Dimensions (none), content, process units and statistics of the input."""
    facts = manifest.input
    size = _table(builder, (COUNT, facts.width), (COUNT, facts.height))
    colors = RGB if facts.color_order == "RGB" else UNKNOWN
    image = _table(builder, (BYTE, colors), (OFFSET, size))
    content = _table(builder, (CHOICE, IMAGE_PROPERTIES), (OFFSET, image))
    mean, std = (np.asarray(x, np.float32) for x in (facts.mean, facts.std))
    options = _table(builder, _numbers(builder, mean), _numbers(builder, std))
    unit = _table(builder, (CHOICE, NORMALIZATION), (OFFSET, options))
    limits = ((255 - mean) / std, -mean / std)
    statistics = _table(builder, *(_numbers(builder, values) for values in limits))
    units = _list(builder, [unit])
    return [None, (OFFSET, content), units, (OFFSET, statistics)]


def _tensor(builder: Any, name: str, description: str, *fields: Field) -> int:
    titles = _text(builder, name), _text(builder, description)
    return _table(builder, *titles, *fields)


def _table(builder: Any, *fields: Field) -> int:
    """A table with its fields in the schema's order; None: left out."""
    builder.StartObject(len(fields))
    for slot, field in enumerate(fields):
        if field is not None:
            kind, value = field
            getattr(builder, kind)(slot, value, 0)
    return builder.EndObject()


def _text(builder: Any, text: str) -> Field:
    return OFFSET, builder.CreateString(text)


def _numbers(builder: Any, values: np.ndarray) -> Field:
    return OFFSET, builder.CreateNumpyVector(values)


def _list(builder: Any, tables: Sequence[int]) -> Field:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return OFFSET, builder.EndVector()
