"""The commands of `hrnet-tf`: one thin function each.

Each looks at its arguments first and imports what it needs then: a mistake is answered
at once.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import hrnet_tf
from hrnet_tf.common.arguments import must_exist
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.extras import require, require_runtime
from hrnet_tf.common.free_names import free_path
from hrnet_tf.common.messages import keep_in
from hrnet_tf.common.ray_engine import PACKAGES
from hrnet_tf.common.reading import PIXEL_LIMIT
from hrnet_tf.common.shipped import copy_config, shipped_configs
from hrnet_tf.data.remote import local_file
from hrnet_tf.export.names import ALL, require_packages
from hrnet_tf.paper_tables.rows import read_table
from hrnet_tf.tasks import TASKS, predict_options
from hrnet_tf.training.configs import RUN_FILE, read_config, read_run_config

# What can be drawn, and the folder of the demo that it goes to.
DRAWN = {
    "figures": "data",
    "crowds": "crowds",
    "objects": "objects",
    "faces": "faces",
    "scenes": "scenes",
}


def train_command(arguments: argparse.Namespace) -> None:
    """Train from a YAML file."""
    config = read_config(arguments.config, arguments.settings)
    if arguments.ray:
        if arguments.cluster != "auto":
            raise InputError("--ray and --cluster both say who trains: give one.")
        require(PACKAGES, "Training on Ray")

    hrnet_tf.import_public_names()
    if arguments.ray:
        from hrnet_tf.training.on_ray import train_on_ray

        run = train_on_ray(config, arguments.ray, arguments.workers)
    else:
        from hrnet_tf.training.train import train

        run = train(config, arguments.cluster, arguments.workers)
    print(f"{run.folder}: weights in checkpoints/best.keras, curves in curves.png")
    print(
        f"next: hrnet-tf evaluate {run.folder}; hrnet-tf export {run.folder} --format "
        "all"
    )


def evaluate_command(arguments: argparse.Namespace) -> None:
    """Judge a run on its validation data."""
    read_run_config(arguments.run, arguments.settings)

    keep_in(arguments.run)
    hrnet_tf.import_public_names()
    from hrnet_tf.export.card_files import refresh_cards
    from hrnet_tf.training.evaluate import evaluate_run
    from hrnet_tf.training.run import Run

    evaluation, path = evaluate_run(arguments.run, tuple(arguments.settings))
    refresh_cards(Run.open(arguments.run))
    print(evaluation.table())
    print(f"written to {path}")


def predict_command(arguments: argparse.Namespace) -> None:
    """Draw what a model finds in images or a video."""
    model = Path(arguments.model or newest_run())
    must_exist(model, "the folder of a run or an exported model")
    if arguments.detector:
        must_exist(arguments.detector, "the folder of a run or an exported detector")
    must_exist(arguments.input, "an image, a folder of images or a video")
    given = [option for option in predict_options() if option.given(arguments)]
    for option in given:
        if option.file:
            path = local_file(getattr(arguments, option.name))
            must_exist(path, option.file)
            setattr(arguments, option.name, str(path))
    is_run = (model / RUN_FILE).is_file()
    config = read_run_config(model, arguments.settings) if is_run else None
    if not arguments.model:
        print(f"model: {model} (the newest run; --model names another)")

    hrnet_tf.import_public_names()
    from hrnet_tf.export.choice import runtime_for, runtimes_for
    from hrnet_tf.export.loading import load_viewer
    from hrnet_tf.training.media import predict_files

    runtime = runtime_for(model, arguments.runtime)
    open_to_choice = not arguments.runtime and len(runtimes_for(model)) > 1
    print(f"runtime: {runtime}{' (--runtime names another)' * open_to_choice}")
    viewer = load_viewer(
        model,
        arguments.settings,
        detector=arguments.detector,
        flip=arguments.flip or None,
        runtime=runtime,
        options=lambda manifest: _options(manifest, arguments),
    )
    usual = config.data.pixel_limit if config else PIXEL_LIMIT
    limit = arguments.pixel_limit or usual
    summary = predict_files(viewer, arguments.input, arguments.out, limit)
    print(f"{viewer.count()} in {summary.images} images; written to {summary.folder}")
    if summary.skipped:
        print(f"{len(summary.skipped)} images could not be read and were skipped")


def predict_many_command(arguments: argparse.Namespace) -> None:
    """Predict on very many images: to Parquet files, in parts that a restart keeps."""
    require(PACKAGES, "Prediction on many images")
    must_exist(arguments.model, "the folder of a run or an exported model")
    if arguments.detector:
        must_exist(arguments.detector, "the folder of a run or an exported detector")
    if (Path(arguments.model) / RUN_FILE).is_file():
        read_run_config(arguments.model, arguments.settings)

    hrnet_tf.import_public_names()
    from hrnet_tf.bulk.predict_many import Options, predict_many

    options = Options(
        detector=arguments.detector,
        settings=tuple(arguments.settings),
        flip=arguments.flip,
        pixel_limit=arguments.pixel_limit,
        column=arguments.column,
        part_size=arguments.part_size,
        address=arguments.ray,
        workers=arguments.workers,
    )
    summary = predict_many(arguments.source, arguments.model, arguments.out, options)
    print(summary.report())
    if summary.lacking:
        sys.exit(1)


def _options(manifest: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """What is given to the viewer of a manifest's task, by name.

    Raises:
        InputError: if there are options that only other tasks have.
    """
    own = TASKS[manifest.task].options
    flags = {option.flag for option in own}
    for option in predict_options():
        if option.flag not in flags and option.given(arguments):
            raise InputError(
                f"{option.flag} is for models that {option.whose}, this one is of "
                f"{manifest.task}."
            )
    return {option.name: getattr(arguments, option.name) for option in own}


def export_command(arguments: argparse.Namespace) -> None:
    """Write SavedModel, TFLite, ONNX and OpenVINO, each compared with the model."""
    require_packages(arguments.format)
    read_run_config(arguments.run, arguments.settings)
    if arguments.detector:
        read_run_config(arguments.detector)

    keep_in(arguments.run)
    hrnet_tf.import_public_names()
    from hrnet_tf.export.artefacts import export_run
    from hrnet_tf.export.options import Options

    options = Options(
        layout=arguments.layout, version=arguments.version, weights=arguments.weights
    )
    _print_artefacts(
        export_run(
            arguments.run,
            arguments.format,
            arguments.out,
            options,
            arguments.settings,
            arguments.detector,
        )
    )


def benchmark_command(arguments: argparse.Namespace) -> None:
    """Measure a run's exports side by side: size, speed, memory, score."""
    read_run_config(arguments.run, arguments.settings)

    keep_in(arguments.run)
    hrnet_tf.import_public_names()
    from hrnet_tf.export.benchmark import benchmark_run

    found, path = benchmark_run(
        arguments.run,
        arguments.format,
        arguments.threads,
        arguments.rounds,
        overrides=arguments.settings,
    )
    print(found.table())
    print(f"written to {path}; look at {path.with_suffix('.png')}")


def verify_command(arguments: argparse.Namespace) -> None:
    """Tell whether an exported model is unchanged and answers as recorded."""
    must_exist(arguments.artefact, "an exported model")
    require_runtime(arguments.artefact)

    hrnet_tf.import_public_names()
    from hrnet_tf.export.verify import verify

    result = verify(arguments.artefact)
    print(result.report())
    if not result.ok:
        sys.exit(1)


def convert_command(arguments: argparse.Namespace) -> None:
    """Write a PyTorch checkpoint as a Keras model, with its facts beside it."""
    must_exist(arguments.file, "a .pth, .safetensors or .npz file")
    require_packages(arguments.export or [])
    align = {None: None, "yes": True, "no": False}[arguments.align_corners]

    hrnet_tf.import_public_names()
    from hrnet_tf.conversion.convert import convert
    from hrnet_tf.export.converted import export_converted

    files = convert(
        arguments.file,
        arguments.out,
        align_corners=align,
        outputs=arguments.outputs,
        leave_out=arguments.leave_out,
        inplace_batch_norm=arguments.inplace_batch_norm,
        network=arguments.network,
        color_order=arguments.color_order,
        license_name=arguments.license,
        **({"input_shape": (*arguments.size, 3)} if arguments.size else {}),
    )
    print("{}, with its facts in {} and what was loaded in {}".format(*files))
    if arguments.export:
        _print_artefacts(
            export_converted(
                files[0],
                arguments.export,
                arguments.labels,
                arguments.calibration,
                arguments.encoding,
            )
        )


def check_command(arguments: argparse.Namespace) -> None:
    """Look at a data set before training: counts, broken files, a sheet of samples."""
    config = read_config(arguments.config, arguments.settings)
    out = Path(arguments.out or free_path(Path("surveys", Path(arguments.config).stem)))

    hrnet_tf.import_public_names()
    from hrnet_tf.training.check_data import check_data

    for part, survey in check_data(config, out).items():
        print(f"{part}: {survey.table()}")
    print(f"look at {out / 'samples.jpg'}; written to {out / 'survey.json'}")


def configs_command(arguments: argparse.Namespace) -> None:
    """List the configurations of the package, or copy one to change it."""
    if arguments.name:
        path = copy_config(arguments.name, arguments.out)
        print(f"{path}: change it, then hrnet-tf train {path}")
        return
    configs = shipped_configs()
    width = max(len(config.name) for config in configs)
    for config in configs:
        print(f"{config.name:{width}}  {config.purpose}")
    print("hrnet-tf train NAME takes one as it is; hrnet-tf configs NAME copies it")


def draw_command(arguments: argparse.Namespace) -> None:
    """Draw a small data set, so that there is something to train on."""
    out = Path(arguments.out or f"saved_models/demo/{DRAWN[arguments.kind]}")
    hrnet_tf.import_public_names()
    from hrnet_tf.drawn.crowds import draw_crowd_data_set
    from hrnet_tf.drawn.faces import draw_face_data_set
    from hrnet_tf.drawn.figures import draw_data_set
    from hrnet_tf.drawn.objects import draw_object_data_set
    from hrnet_tf.drawn.scenes import draw_scene_data_set

    draw = {
        "figures": draw_data_set,
        "crowds": draw_crowd_data_set,
        "objects": draw_object_data_set,
        "faces": draw_face_data_set,
        "scenes": draw_scene_data_set,
    }[arguments.kind]
    draw(out, arguments.train, arguments.validation, arguments.seed)
    print(f"drawn in {out}")


def demo_command(arguments: argparse.Namespace) -> None:
    """Draw a data set, train on it, evaluate, export, and show what came of it."""
    require_packages([ALL])
    hrnet_tf.import_public_names()
    from hrnet_tf.demo import run_demo

    run_demo(arguments.out)


def table_command(arguments: argparse.Namespace) -> None:
    """Print a table of the HRNet papers beside what is counted and measured here."""
    table = read_table(arguments.number)
    rows = table.choose(arguments.rows)
    if (arguments.size or arguments.images) and not arguments.measure:
        raise InputError(
            "--size and --images say what is measured: give --measure with them."
        )
    if arguments.picture and Path(arguments.picture).suffix != ".png":
        raise InputError(f"--picture must be a .png file, got {arguments.picture}.")

    hrnet_tf.import_public_names()
    from hrnet_tf.paper_tables.show import shown

    for line in shown(
        table,
        rows,
        measure=arguments.measure,
        size=arguments.size and tuple(arguments.size),
        images=arguments.images,
        picture=arguments.picture,
    ):
        print(line, flush=True)


def newest_run(parent: str | Path = "saved_models") -> Path:
    """The folder of the run whose weights were written last.

    Raises:
        InputError: if there is none.
    """
    found = Path(parent).glob("*/checkpoints/best.keras")
    newest = max(found, key=os.path.getmtime, default=None)
    if newest is None:
        raise InputError(
            f"There is no trained run in {parent}; train one (hrnet-tf train CONFIG) "
            "or name one with --model."
        )
    return newest.parents[1]


def _print_artefacts(artefacts: dict[str, Path]) -> None:
    for name, path in artefacts.items():
        print(f"{name}: {path} (facts in {path.name}.json)")
