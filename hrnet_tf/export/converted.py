"""Converted checkpoints to SavedModel, TFLite and ONNX."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_json
from hrnet_tf.conversion.card import data_of, score_of
from hrnet_tf.conversion.convert import check_converted, fixed_image
from hrnet_tf.export.artefacts import (
    CALIBRATED_ON,
    check_free,
    chosen_formats,
    export_model,
    targets_of,
)
from hrnet_tf.export.card import Origin
from hrnet_tf.export.names import ALL, DEFAULTS, every_format
from hrnet_tf.export.options import Options
from hrnet_tf.images.files import read_image
from hrnet_tf.images.preprocess import resized
from hrnet_tf.tasks import networks
from hrnet_tf.tasks.base.experiment import answering
from hrnet_tf.tasks.base.manifest import ImageInput, TaskManifest
from hrnet_tf.training.media import list_images


def export_converted(
    path: str | Path,
    formats: Sequence[str] = DEFAULTS,
    labels: str | None = None,
    calibration: str | Path | None = None,
    encoding: str | None = None,
) -> dict[str, Path]:
    """Export what `convert` has written; each artefact is compared with the model.

    Args:
        path: the `.keras` file; its manifest lies beside it.
        formats: names from `hrnet_tf.export.formats.FORMATS`, or `names.ALL`: those
            that the task has, without calibration those that need none.
        labels: what the outputs mean: a keypoint set for pose (None: COCO's), a
            landmark set (None: the published one of so many points), a class set for
            labels of pixels or for objects (of 80 classes of objects None: COCO's), a
            file with a class name a line for a classifier (None: classes are numbered).
        calibration: a folder of images like those to come, for formats with integers;
            the whole of each is resized to the input, so give crops of people for pose.
        encoding: what a network has learnt: for pose such as `"udp"`, see
            `HeatmapCodec`; for landmarks `"affine"` where crops are not those of the
            official program. None: what is known of the file by its hash, else the
            usual.

    Returns:
        The artefact of each format, in a folder named after the file.

    Raises:
        InputError: if the files are broken, networks of this task cannot be exported
            yet, the labels do not fit, or an artefact is there already.

    Example:
        ```python
        convert("hrnetv2_w18_imagenet_pretrained.pth", "saved_models/w18.keras")
        export_converted("saved_models/w18.keras", ["tflite"])
        ```
    """
    path = Path(path)
    named = every_format()[0] if ALL in formats else formats
    targets = targets_of(named, path.with_suffix(""), Options())
    check_free(targets)
    model = check_converted(path)
    facts = read_json(path.with_suffix(".json"))
    manifest = _manifest(facts, labels, path, encoding)
    chosen = chosen_formats(formats, manifest, calibration is not None)
    targets = {name: targets[name] for name in chosen}
    model = answering(model, manifest.output.name)
    options = Options()
    if calibration is not None:
        options = Options(calibration=_images(Path(calibration), manifest))
    samples, origin = _samples(manifest), _origin(facts)
    return export_model(model, manifest, samples, targets, options, origin)


def _origin(facts: dict[str, Any]) -> Origin:
    """Where a converted checkpoint comes from, for the card."""
    known = None if facts["license"] == "unknown" else facts["license"]
    page = facts["source"]["page"]
    licensed = f"Of the weights' source, {page}." if known and page else ""
    return Origin(
        (data_of(facts),),
        scored=score_of(facts),
        license_name=known,
        licensed=licensed,
    )


def _images(folder: Path, manifest: TaskManifest) -> np.ndarray:
    """Some images of a folder at the input's size, uint8."""
    files = list_images(folder)[:CALIBRATED_ON]
    size = manifest.input.size
    return np.stack([resized(read_image(file), size) for file in files])


def _manifest(
    facts: dict[str, Any], labels: str | None, path: Path, encoding: str | None
) -> TaskManifest:
    name, arguments = facts["model"], facts["arguments"]
    known = networks()
    row = known.get(name)
    if row is None or row.manifest is None:
        *others, last = sorted(name for name, row in known.items() if row.manifest)
        raise InputError(
            f"{path} is a network of the kind {name}; only {', '.join(others)} and "
            f"{last} can be exported from a checkpoint."
        )
    taken = facts["input"]
    colors = taken.get("color_order", "RGB")
    given = ImageInput(taken["height"], taken["width"], color_order=colors)
    title = f"{name} {row.variant} {arguments[row.variant]}"
    encoding = encoding or facts.get("encoding")
    if encoding is not None and encoding not in row.encodings:
        known_ones = ", ".join(row.encodings) or "none is known"
        raise InputError(
            f"{path} is of the kind {name}, whose answers are of no encoding "
            f"{encoding} ({known_ones})."
        )
    more = {"encoding": encoding or row.encodings[0]} if row.encodings else {}
    return row.manifest(title, given, arguments, labels, path, **more)


def _samples(manifest: TaskManifest) -> dict[str, np.ndarray]:
    """What artefacts are compared on: the fixed image, as bytes too."""
    height, width = manifest.input.size
    waves = (fixed_image(height, width) + 2) * (255 / 4)
    crops = np.round(waves).astype(np.uint8)
    encoded = tf.io.encode_png(crops[0]).numpy()
    return {
        "crops": crops,
        "image_bytes": np.frombuffer(encoded, np.uint8),
        "boxes": np.array([[0, 0, width, height]], np.float32),
    }
