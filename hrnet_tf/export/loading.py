"""Trained models, whatever form they have, to predictors."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.extras import require_runtime
from hrnet_tf.export.choice import export_for, runtime_for
from hrnet_tf.export.integrity import beside, check_unchanged, find_manifest
from hrnet_tf.export.names import KERAS
from hrnet_tf.export.processes.runtimes import RUNTIMES, open_artefact
from hrnet_tf.export.signatures import decoder_of, reader
from hrnet_tf.tasks import (
    TASKS,
    make_experiment,
    make_viewer,
    parts_of,
    read_manifest,
    usual_options,
)
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.predictor import on_arrays
from hrnet_tf.tasks.base.viewer import Viewer
from hrnet_tf.training.configs import RUN_FILE, read_run_config
from hrnet_tf.training.run import Run


def load(
    path: str | Path,
    *,
    flip: bool | None = None,
    overrides: Sequence[str] = (),
    detector: Any = None,
    runtime: str | None = None,
) -> Any:
    """Open a trained model for prediction.

    Args:
        path: the folder of a run, or what `hrnet-tf export` has written: a SavedModel
            folder such as `saved_models/demo/1`, or a `.tflite`, `.onnx` or `.xml`
            file (OpenVINO's, with its `.bin`) with its manifest beside it.
        flip: whether to average with the mirrored image, which is a little more exact
            and takes twice as long; None: as the manifest says (exports say no).
        overrides: of a run: `key=value` settings, such as `evaluate.scales=[0.5,1]`; if
            there are any, images are looked at as its evaluation with them does.
        detector: what finds the people or the faces that the model looks at: a path as
            the first one, or a `hrnet_tf.tasks.base.behind_detector.BoxFinder` of your
            own; None: `predict` takes boxes.
        runtime: what the network runs in: `"keras"`, `"tensorflow"`, `"litert"`,
            `"onnxruntime"` or `"openvino"`; None: of a run Keras, of a file what it was
            written for. Another one takes the export of the run that suits it, which
            must be of the weights that the run has; all else, such as whether to flip,
            stays the run's. OpenVINO opens ONNX files too.

    Returns:
        A `PosePredictor`, a `BottomUpPredictor`, an `ImageClassifier`,
        a `SegmentationPredictor`, a `PanopticPredictor` or a
        `RegressionPredictor`; `predict(image)` takes uint8 RGB. With a detector a
        `BehindDetector` around it.

    Raises:
        InputError: if there is nothing to open, its manifest is missing, a setting is
            wrong or what it is for is no run, the detector is none, does not find what
            the model looks at, or the model takes no boxes; the runtime does not open
            the file, or the run has no export for it; or its files
            are not what was exported: their checksums are compared first (a hundred
            megabytes take a tenth of a second), since runtimes answer wrongly from a
            damaged file, or end the process.

    Example:
        ```python
        predictor = hrnet_tf.load("saved_models/demo")
        image = hrnet_tf.read_image("photo.jpg")
        pose = predictor.predict(image)
        ```
    """
    predictor = _load(Path(path), flip, overrides, runtime)
    return predictor if detector is None else with_detector(predictor, detector)


def load_viewer(
    path: str | Path,
    settings: Sequence[str] = (),
    *,
    detector: Any = None,
    flip: bool | None = None,
    runtime: str | None = None,
    options: Callable[[TaskManifest], dict[str, Any]] = usual_options,
) -> Viewer:
    """What `hrnet-tf predict` and `predict-many` look at images with.

    A run scores and suppresses people as its evaluation does.

    Args:
        path: of the model; see `load`.
        settings: of a run, `key=value`.
        detector: see `load`.
        flip: see `load`.
        runtime: see `load`.
        options: the viewer's options for a manifest.

    Raises:
        InputError: as `load` does.
    """
    is_run = (Path(path) / RUN_FILE).is_file()
    config = read_run_config(path, settings) if is_run else None
    predictor = load(
        path, flip=flip, overrides=settings, detector=detector, runtime=runtime
    )
    given = options(predictor.manifest)
    return make_viewer(predictor, config and config.evaluate, **given)


def with_detector(predictor: Any, detector: Any) -> BehindDetector:
    """A predictor that takes boxes, behind a detector.

    Args:
        predictor: such as `load` gives.
        detector: see `load`.

    Raises:
        InputError: if the predictor takes no boxes, or the detector does not find what
            it looks at.
    """
    looks_at = TASKS[predictor.manifest.task].looks_at
    if looks_at is None:
        raise InputError(
            "A detector is for models that look at people or faces in boxes; this one "
            f"is of {predictor.manifest.task}, and takes none."
        )
    if isinstance(detector, str | Path):
        detector = _load(Path(detector), None, ())
    return BehindDetector(predictor, detector, looks_at.name)


def _load(
    path: Path,
    flip: bool | None,
    overrides: Sequence[str],
    runtime: str | None = None,
) -> Any:
    if not path.exists():
        raise InputError(
            f"There is no {path}; give the folder of a run or an exported model."
        )
    runtime = runtime_for(path, runtime)
    if (path / RUN_FILE).is_file():
        run = Run.open(path, tuple(overrides))
        manifest = read_manifest(run.manifest)
        if overrides:
            manifest = make_experiment(run.config).judged(manifest)
            orientation = run.config.data.orientation
            seen = replace(manifest.input, orientation=orientation)
            manifest = replace(manifest, input=seen)
        manifest = _with(manifest, flip)
        if runtime != KERAS:
            export = export_for(run, runtime)
            own = read_manifest(beside(export, ".json"))
            return open_predictor(export, of_export(manifest, own), runtime)
        return parts_of(manifest).predictor.from_model(run.model(), manifest)
    if overrides:
        raise InputError(
            f"{overrides[0]}: settings are for runs; those of {path}, an exported "
            "model, are fixed."
        )
    facts = find_manifest(path)
    manifest = _with(read_manifest(facts), flip)
    _check_kind(path)
    check_unchanged(path, facts)
    return open_predictor(path, manifest, runtime)


def of_export(manifest: Any, facts: TaskManifest) -> Any:
    """The facts of a run whose network is one of its exports.

    Args:
        manifest: of the run, or of its evaluation: how images are looked at.
        facts: of the export: what it takes and gives.
    """
    seen = replace(facts.input, orientation=manifest.input.orientation)
    own = {"output": facts.output, "artefact": facts.artefact}
    return replace(manifest, input=seen, **own)


def open_predictor(
    path: Path, manifest: TaskManifest, runtime: str | None = None
) -> Any:
    """A predictor on an artefact; what surrounds the artefact runs eagerly.

    Args:
        path: of the artefact.
        manifest: its facts.
        runtime: what runs it; None: what it was written for.

    Raises:
        InputError: if the path is no artefact, or what runs it is not installed.
    """
    _check_kind(path)
    require_runtime(path, runtime)
    network, predictor = (
        open_artefact(path, None, runtime),
        parts_of(manifest).predictor,
    )

    def answers(images: tf.Tensor) -> dict[str, tf.Tensor]:
        found = network(images.numpy())
        return {name: tf.constant(value) for name, value in found.items()}

    decoder, artefact = decoder_of(manifest), manifest.artefact
    own = decoder.decode is not decoder.outputs  # else there is nothing to take back
    if own and artefact is not None and artefact.decodes:
        return predictor(on_arrays(reader(answers, manifest)), manifest)
    return predictor.from_network(lambda images: _whole(answers(images)), manifest)


def _whole(found: dict[str, tf.Tensor]) -> Any:
    """What a network answers: its only output, or all of them by name."""
    return next(iter(found.values())) if len(found) == 1 else found


def _check_kind(path: Path) -> None:
    if path.suffix not in RUNTIMES and not (path / "saved_model.pb").is_file():
        raise InputError(
            f"{path} is no SavedModel folder and none of {', '.join(RUNTIMES)}."
        )


def _with(manifest: TaskManifest, flip: bool | None) -> TaskManifest:
    if flip is None:
        return manifest
    if flip and manifest.artefact is not None and manifest.artefact.decodes:
        raise InputError(
            "A file that decodes by itself cannot average with the mirrored image; "
            "load one of another format to flip."
        )
    return manifest.with_flip(flip)
