"""Checkpoints of image classifiers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind, class_names
from hrnet_tf.tasks.base.manifest import ImageInput, versions
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.classification.network import HRNetClassifier


def _manifest(
    title: str,
    given: ImageInput,
    arguments: Mapping[str, Any],
    labels: str | None,
    path: Path,
) -> ClassificationManifest:
    names = class_names(labels, arguments["classes"])
    return ClassificationManifest(title, given, names, versions=versions())


NETWORK = NetworkKind(
    HRNetClassifier,
    "classification",
    (Head("classifier.weight", "classes", 2, ("classifier",)),),
    manifest=_manifest,
)
