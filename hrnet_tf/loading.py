"""Trained models, whatever form they have, to predictors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from hrnet_tf.errors import InputError
from hrnet_tf.manifest import Manifest
from hrnet_tf.predict import Locate, PosePredictor, locator
from hrnet_tf.run import Run
from hrnet_tf.runtimes import RUNTIMES, open_artefact


def load(path: str | Path, *, flip: bool | None = None) -> PosePredictor:
    """Open a trained model for prediction.

    Args:
        path: the folder of a run, or what `hrnet-tf export` has written: a SavedModel
            folder, a `.tflite` or an `.onnx` file with its manifest beside it.
        flip: whether to average with the mirrored image, which is a little more exact
            and takes twice as long; None: as the manifest says (exports say no).

    Returns:
        A predictor; `predict(image)` takes uint8 RGB.

    Raises:
        InputError: if there is nothing to open, or its manifest is missing.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/demo")
        image = hrnet_tf.read_image("photo.jpg")
        pose = predictor.predict(image)
        ```
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"There is no {path}; give the folder of a run or an exported model."
        )
    if (path / "config.yaml").is_file():
        run = Run.open(path)
        return PosePredictor.from_model(
            run.model(), _with(Manifest.read(run.manifest), flip)
        )
    beside = path.with_name(f"{path.name}.json")
    if not beside.is_file():
        raise InputError(
            f"{path} is neither a run nor an exported model: there is no config.yaml "
            f"in it and no manifest {beside.name} beside it."
        )
    manifest = _with(Manifest.read(beside), flip)
    return PosePredictor(artefact_locator(path, manifest), manifest)


def _with(manifest: Manifest, flip: bool | None) -> Manifest:
    if flip is None:
        return manifest
    return replace(manifest, decoding=replace(manifest.decoding, flip=flip))


def artefact_locator(path: Path, manifest: Manifest) -> Locate:
    """Crops to cells and scores through an artefact; what surrounds it runs eagerly.

    Raises:
        InputError: if the path is no artefact.
    """
    if path.suffix not in RUNTIMES and not (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path} is no SavedModel folder and none of {', '.join(RUNTIMES)}."
        )
    runtime = open_artefact(path)
    locate = locator(lambda images: tf.constant(runtime(images.numpy())), manifest)

    def on_arrays(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells, scores = locate(tf.constant(crops))
        return cells.numpy(), scores.numpy()

    return on_arrays
