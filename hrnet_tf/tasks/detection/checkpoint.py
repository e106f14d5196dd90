"""Checkpoints of detectors: which one a file holds."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrnet_tf.tasks.base.checkpoint import (
    Given,
    Head,
    NetworkKind,
    check_class_set,
    class_names,
)
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.detection.classes import ObjectClasses
from hrnet_tf.tasks.detection.config import DetectionData, DetectorModel
from hrnet_tf.tasks.detection.heads import BOX_HEAD, MASK_HEAD, STAGES
from hrnet_tf.tasks.detection.manifest import (
    DetectionManifest,
    ObjectInput,
    ObjectOutput,
)
from hrnet_tf.tasks.detection.network import HRNetDetector
from hrnet_tf.tasks.detection.translation import translate

logger = logging.getLogger(__name__)

COCO = "coco"  # the class set of the published checkpoints


def _head(tensor: str, **facts: bool) -> Head:
    """A row for detectors, told by one of their heads' last layers."""
    stages = range(STAGES) if facts["cascade"] else (None,)
    names = (
        head if stage is None else f"{head}.{stage}"
        for head in (BOX_HEAD, MASK_HEAD)
        for stage in stages
    )
    last = ["fc_cls", "conv_logits"] + ["fc_reg"] * (not facts["cascade"])
    return Head(
        f"{tensor}.weight",
        "classes",
        4 if facts["masks"] else 2,
        tuple(f"{name}.{layer}" for name in names for layer in last),
        beside=0 if facts["masks"] else 1,
        arguments=facts,
    )


# The argument that the first length of a tensor tells, of any kind of detector.
TELLING = {
    "neck.reduction_conv.0.weight": "features",
    f"{BOX_HEAD}.shared_fcs.0.weight": "hidden",
    f"{BOX_HEAD}.0.shared_fcs.0.weight": "hidden",
}


def _more(given: Given) -> dict[str, Any]:
    """How wide pyramid and box heads are."""
    there = TELLING.keys() & given.tensors.keys()
    return {TELLING[name]: len(given.tensors[name]) for name in there}


def _manifest(
    title: str,
    given: ImageInput,
    arguments: Mapping[str, Any],
    labels: str | None,
    path: Path,
) -> DetectionManifest:
    any_size = None in arguments["input_shape"]
    size = DetectorModel.size if any_size else given.size
    return DetectionManifest(
        title,
        ObjectInput(*size, any_size=any_size),
        ObjectOutput(),
        _classes(labels, arguments["classes"], path),
        DetectionData.scale,
        arguments["masks"],
        versions=versions(),
    )


def _classes(labels: str | None, count: int, path: Path) -> ObjectClasses:
    """The classes that `--labels` names, or those of COCO if there are as many."""
    classes = ObjectClasses.read(labels or COCO)
    if labels is not None:
        check_class_set(classes.name, len(classes), count)
        return classes
    if len(classes) == count:
        logger.info("%s: %d classes are taken to be COCO's", path, count)
        return classes
    logger.info("%s: %d classes are numbered; --labels names them", path, count)
    return ObjectClasses("numbered", class_names(None, count))


NETWORK = NetworkKind(
    HRNetDetector,
    "detection",
    (
        _head(f"{MASK_HEAD}.0.conv_logits", cascade=True, masks=True),
        _head(f"{MASK_HEAD}.conv_logits", cascade=False, masks=True),
        _head(f"{BOX_HEAD}.0.fc_cls", cascade=True, masks=False),
        _head(f"{BOX_HEAD}.fc_cls", cascade=False, masks=False),
    ),
    more=_more,
    manifest=_manifest,
    translate=translate,
)
