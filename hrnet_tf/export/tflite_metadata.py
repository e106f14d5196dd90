"""TFLite's own metadata, which phones' tools read: what a file takes and gives.

Source: https://ai.google.dev/edge/litert/models/metadata, `metadata_schema.fbs`.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from hrnet_tf.tasks.base.manifest import (
    ClassificationManifest,
    SegmentationManifest,
    TaskManifest,
)

NAME = "TFLITE_METADATA"  # of the buffer in the file
LABELS = "labels.txt"

DESCRIPTIONS = {
    "image": "One RGB image: (value - mean) / std of values in 0..255.",
    "heatmaps": "A heatmap a keypoint.",
    "logits": "A number a class, before softmax.",
    "maps": "Numbers of every cell.",
    "keypoints": "x and y of each keypoint in pixels of the input.",
    "scores": "How sure each keypoint is.",
    "probabilities": "A share a class.",
    "labels": "The class of each pixel.",
    "confidence": "How sure each label is, 0 to 1.",
    "values": "Numbers of every pixel.",
}
# Of these outputs the last axis, or the value, is a class.
AXIS_OF_CLASSES, VALUE_IS_CLASS = ("logits", "probabilities"), ("labels",)

# Numbers that the schema gives to its choices.
RGB, IMAGE_PROPERTIES, NORMALIZATION = 1, 2, 1
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
    given = _tensor(builder, "image", *_image_fields(builder, manifest))
    answers = []
    for name in outputs:
        files = None
        if class_names(manifest) and name in (*AXIS_OF_CLASSES, *VALUE_IS_CLASS):
            kind = VALUE_LABELS if name in VALUE_IS_CLASS else AXIS_LABELS
            labels = _table(builder, _text(builder, LABELS), None, (BYTE, kind))
            files = _list(builder, [labels])
        answers.append(_tensor(builder, name, None, None, None, None, files))
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
    names = class_names(manifest)
    if names:
        with zipfile.ZipFile(path, "a") as archive:
            # The date is fixed, so that the same export is the same file.
            archive.writestr(zipfile.ZipInfo(LABELS), "\n".join(names) + "\n")


def class_names(manifest: TaskManifest) -> tuple[str, ...]:
    """Names of the classes that a network tells apart; none for other tasks."""
    if isinstance(manifest, ClassificationManifest):
        return manifest.classes
    if isinstance(manifest, SegmentationManifest):
        return manifest.classes.names
    return ()


def _image_fields(builder: Any, manifest: TaskManifest) -> list[Field]:
    """Dimensions (none), content, process units and statistics of the input."""
    facts = manifest.input
    size = _table(builder, (COUNT, facts.width), (COUNT, facts.height))
    image = _table(builder, (BYTE, RGB), (OFFSET, size))
    content = _table(builder, (CHOICE, IMAGE_PROPERTIES), (OFFSET, image))
    mean, std = (np.asarray(x, np.float32) for x in (facts.mean, facts.std))
    options = _table(builder, _numbers(builder, mean), _numbers(builder, std))
    unit = _table(builder, (CHOICE, NORMALIZATION), (OFFSET, options))
    limits = ((255 - mean) / std, -mean / std)
    statistics = _table(builder, *(_numbers(builder, values) for values in limits))
    units = _list(builder, [unit])
    return [None, (OFFSET, content), units, (OFFSET, statistics)]


def _tensor(builder: Any, name: str, *fields: Field) -> int:
    titles = _text(builder, name), _text(builder, DESCRIPTIONS[name])
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
