"""A checkpoint to a Keras model, with its facts beside it to check it by later."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.keras_files import require_whole
from hrnet_tf.checkpoints.published import PUBLISHED, Published
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_text, writing_together
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.common.text_files import read_json, write_json
from hrnet_tf.conversion.card import converted_card, place_of_card
from hrnet_tf.conversion.pretrained import Loaded, open_checkpoint
from hrnet_tf.tasks.base.manifest import ImageInput, versions

CHECKED_SIDE = 128  # pixels, of the fixed image for networks that take any size
CHECKED_VALUES = 16  # of each output that are written down

# Outputs differ so much at most, in parts of their standard deviation: other machines
# and versions add in another order.
TOLERANCE = 1e-3


def convert(
    path: str | Path,
    out: str | Path,
    *,
    license_name: str | None = None,
    **loading: Any,
) -> tuple[Path, Path, Path]:
    """Write a checkpoint as a Keras model with a manifest and a report.

    Args:
        path: `.pth`, `.safetensors` or `.npz`, of any code base of the family.
        out: the model's file, such as `saved_models/pose_w32.keras`. The model in it is
            not compiled; a constructor's `weights=` takes the file too.
        license_name: of the weights, for files that are not known by their hash.
        **loading: as for `hrnet_tf.load_checkpoint`: `align_corners`, `outputs`,
            `leave_out`, `inplace_batch_norm`, `network`, `color_order`, and more of the
            constructor's, such as `input_shape`.

    Returns:
        The model's file; beside it `.json`, where it comes from, what it takes and what
        it answers to a fixed image; and `.txt`, what was loaded. There is `README.md`
        too, its model card, or `.md` where another model's is there.

    Raises:
        InputError: if a file is there already, or the checkpoint cannot be read or does
            not fit. Nothing is written then.

    Example:
        ```python
        model, manifest, report = convert("hrnet_w32.pth", "saved_models/w32.keras")
        check_converted(model)
        ```
    """
    target = Path(out)
    if target.suffix != ".keras":
        raise InputError(f"The model's file must end in .keras, got {target}.")
    targets = (target, target.with_suffix(".json"), target.with_suffix(".txt"))
    for file in targets:
        if file.exists():
            raise InputError(f"{file} is there already; give another name.")
    loaded = open_checkpoint(path, **loading)
    manifest = _manifest(loaded, Path(path), license_name)
    with writing_together(targets[1]) as partial:
        written = [partial.with_name(file.name) for file in targets]
        _uncompiled(loaded.model).save(written[0])
        write_json(written[1], manifest)
        write_text(written[2], _report(loaded, manifest))
        check_converted(written[0])
        if (card := place_of_card(target)) is not None:
            size = written[0].stat().st_size
            text = converted_card(manifest, target, size)
            write_text(partial.with_name(card.name), text)
    return targets


def check_converted(path: str | Path) -> keras.Model:
    """Load a converted model, if it still answers as it did when it was written.

    Args:
        path: the `.keras` file; its manifest lies beside it.

    Returns:
        The model.

    Raises:
        InputError: if a file is missing or broken, or an output differs by more than a
            thousandth of its standard deviation; the text names the output.

    Example:
        ```python
        model = check_converted("saved_models/pose_w32.keras")
        ```
    """
    path = Path(path)
    manifest = path.with_suffix(".json")
    try:
        recorded = read_json(manifest)["outputs"]
        require_whole(path)
        model = keras.models.load_model(path)
    except limits.BROKEN as error:
        raise InputError(
            f"{path} is no converted model with its manifest {manifest.name} beside it "
            f"({limits.brief(str(error), 300)}); convert the checkpoint again."
        ) from error
    found = _answers(model)
    if problem := next(_differences(recorded, found), None):
        raise InputError(
            f"{path} does not answer as {manifest.name} has it: {problem}; it was "
            "changed, or this machine computes otherwise; convert the checkpoint again."
        )
    return model


def fixed_image(height: int, width: int) -> np.ndarray:
    """A normalised image made of waves, float32 `(1, height, width, 3)` in -2..2.

    Sines of sums of whole numbers: the same on every machine, up to rounding.
    """
    y, x, channel = np.ogrid[:height, :width, :3]
    waves = np.sin(0.11 * x + 0.23 * y + channel) + np.sin(0.031 * x * (channel + 1))
    return waves[None].astype(np.float32)


def _uncompiled(model: keras.Model) -> keras.Model:
    """The same network; Keras warns of an optimizer that has never made a step."""
    return type(model)(model.input, model.output, name=model.name)


def _manifest(loaded: Loaded, path: Path, license_name: str | None) -> dict[str, Any]:
    digest = sha256_of(path)
    row = _row(digest)
    height, width = _checked_size(loaded.model)
    sides = _sides(loaded.model)
    arguments = {"input_shape": [*sides, 3], **loaded.arguments}
    network = loaded.facts.network
    taken = ImageInput(
        height, width, color_order=loaded.color_order, any_size=None in sides
    )
    return {
        "source": {
            "file": path.name,
            "sha256": digest,
            "bytes": path.stat().st_size,
            "page": row.page if row else None,
            "score": row.score if row else None,
        },
        "license": row.license if row else license_name or "unknown",
        "task": network.task if network else "",
        "encoding": row.encoding if row else None,
        "model": network.name if network else "",
        "arguments": arguments,
        "input": dataclasses.asdict(taken),
        "any_size": None in sides,
        "outputs": _answers(loaded.model),
        "versions": versions(),
    }


def _row(digest: str) -> Published | None:
    """The published file with this hash."""
    known = (row for row in PUBLISHED if row.sha256)
    return next((row for row in known if digest.startswith(str(row.sha256))), None)


def _checked_size(model: keras.Model) -> tuple[int, int]:
    height, width = (side or CHECKED_SIDE for side in _sides(model))
    return height, width


def _sides(model: keras.Model) -> tuple[int | None, ...]:
    """Height and width of the images that a model takes; None: any."""
    (image,) = (given for given in model.inputs if len(given.shape) == 4)
    return tuple(image.shape[1:3])


def _answers(model: keras.Model) -> dict[str, dict[str, Any]]:
    """What a model answers to the fixed image, in numbers, by the outputs' names."""
    output = model(fixed_image(*_checked_size(model)), training=False)
    named = output if isinstance(output, dict) else {"output": output}
    found = {}
    for name, tensor in named.items():
        values = np.asarray(tensor)
        positions = np.linspace(0, values.size - 1, CHECKED_VALUES).astype(int)
        found[name] = {
            "shape": list(values.shape),
            "mean": float(values.mean(dtype=np.float64)),
            "std": float(values.std(dtype=np.float64)),
            "values": [float(value) for value in values.ravel()[positions]],
        }
    return found


def _differences(
    recorded: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[str]:
    """Sentences on what differs, first the coarse."""
    if recorded.keys() != found.keys():
        yield f"it has the outputs {sorted(found)}, expected {sorted(recorded)}"
        return
    for name, expected in recorded.items():
        answer = found[name]
        if answer["shape"] != expected["shape"]:
            yield f"{name} is {answer['shape']}, expected {expected['shape']}"
            continue
        numbers, wanted = (
            np.array([facts["mean"], facts["std"], *facts["values"]])
            for facts in (answer, expected)
        )
        worst = np.abs(numbers - wanted).max() / (expected["std"] + 1e-12)
        if not worst <= TOLERANCE:  # nor if it is no number
            yield f"{name} differs by {worst:.2g} of its standard deviation"


def _report(loaded: Loaded, manifest: Mapping[str, Any]) -> str:
    source, facts = manifest["source"], loaded.facts
    blocks = "" if facts.blocks is None else f"{facts.blocks} blocks, "
    lines = [
        f"{source['file']}: sha256 {source['sha256']}, {source['bytes']} bytes",
        f"{manifest['model']}, {facts.variant} {facts.width}, modules {facts.modules}, "
        f"{blocks}{facts.outputs or 'no'} outputs of its own",
        f"built with {loaded.arguments}",
        f"{loaded.model.count_params():,} parameters",
        f"{len(loaded.loaded)} tensors loaded, {len(loaded.left_out)} left out",
        *(f"left out: {name}" for name in loaded.left_out),
        *(f"loaded: {name}" for name in loaded.loaded),
    ]
    return "\n".join(lines) + "\n"
