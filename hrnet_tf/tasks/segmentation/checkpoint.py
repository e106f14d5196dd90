"""Checkpoints of labelling networks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.base.checkpoint import (
    Given,
    Head,
    NetworkKind,
    check_class_set,
    class_names,
)
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from hrnet_tf.tasks.segmentation.network import HRNetV2

OCR = "cls_head.weight"


def _more(given: Given) -> dict[str, Any]:
    """Whether it has an OCR head, and the corner rule, which the file does not tell."""
    ocr, align = OCR in given.tensors, given.align_corners
    if align is None and any("decode_head." in name for name in given.stored):
        align = False  # the framework that uses these names knows no other rule
    if align is None:
        usual = "True for the official ones" if ocr else "see the documentation"
        raise InputError(
            f"{given.path} does not tell which corner rule its network resizes with; "
            f"give align_corners=True or False ({usual})."
        )
    return {
        "ocr": ocr,
        "upsampling": "bilinear_align_corners" if align else "bilinear",
    }


def _manifest(
    title: str,
    given: ImageInput,
    arguments: Mapping[str, Any],
    labels: str | None,
    path: Path,
) -> SegmentationManifest:
    classes = _class_set(labels, arguments["classes"])
    align = arguments["upsampling"] == "bilinear_align_corners"
    given = replace(given, any_size=True)
    return SegmentationManifest(
        title,
        given,
        LogitMapOutput(align_corners=align),
        classes,
        versions=versions(),
    )


def _class_set(source: str | None, count: int) -> ClassSet:
    if source is None:
        return ClassSet("numbered", class_names(None, count))
    classes = ClassSet.read(source)
    check_class_set(classes.name, len(classes), count)
    return classes


NETWORK = NetworkKind(
    HRNetV2,
    "segmentation",
    (
        Head(OCR, "classes", 4, ("cls_head", "aux_head.3")),
        Head("last_layer.3.weight", "classes", 4, ("last_layer.3",)),
    ),
    _more,
    _manifest,
)
