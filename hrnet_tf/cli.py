"""The command `hrnet-tf`: one thin function a subcommand."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hrnet_tf.benchmark import benchmark_run
from hrnet_tf.check_data import check_data
from hrnet_tf.config import read_config
from hrnet_tf.convert import convert
from hrnet_tf.data.shards import write_shards
from hrnet_tf.demo import run_demo
from hrnet_tf.errors import InputError
from hrnet_tf.evaluate import evaluate_run
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.formats import DEFAULTS, FORMATS
from hrnet_tf.export.options import Options
from hrnet_tf.export.verify import verify
from hrnet_tf.export_converted import export_converted
from hrnet_tf.loading import load
from hrnet_tf.media import (
    Boxes,
    ClassViewer,
    MapViewer,
    PoseViewer,
    SegmentViewer,
    Viewer,
    predict_files,
)
from hrnet_tf.predictors.pose import PosePredictor
from hrnet_tf.predictors.regression import RegressionPredictor
from hrnet_tf.predictors.segmentation import SegmentationPredictor
from hrnet_tf.run import newest_run
from hrnet_tf.shipped import copy_config, shipped_configs
from hrnet_tf.train import train
from hrnet_tf.version import __version__


def train_command(arguments: argparse.Namespace) -> None:
    """Train from a YAML file."""
    run = train(read_config(arguments.config, arguments.settings))
    print(f"{run.folder}: weights in checkpoints/best.keras, curves in curves.png")
    print(
        f"next: hrnet-tf evaluate {run.folder}; hrnet-tf export {run.folder} --format "
        "all"
    )


def evaluate_command(arguments: argparse.Namespace) -> None:
    """Judge a run on its validation data."""
    evaluation, path = evaluate_run(arguments.run, tuple(arguments.settings))
    print(evaluation.table())
    print(f"written to {path}")


def predict_command(arguments: argparse.Namespace) -> None:
    """Draw what a model finds in images or a video."""
    model = arguments.model or newest_run()
    if not arguments.model:
        print(f"model: {model} (the newest run; --model names another)")
    predictor = load(model, flip=arguments.flip or None)
    viewer: Viewer
    if isinstance(predictor, PosePredictor):
        boxes = arguments.boxes and Boxes(arguments.boxes, arguments.box_threshold)
        viewer = PoseViewer(predictor, boxes, arguments.threshold)
    elif isinstance(predictor, SegmentationPredictor):
        viewer = SegmentViewer(predictor)
    elif isinstance(predictor, RegressionPredictor):
        viewer = MapViewer(predictor)
    else:
        viewer = ClassViewer(predictor)
    summary = predict_files(viewer, arguments.input, arguments.out)
    print(f"{viewer.count()} in {summary.images} images; written to {summary.folder}")
    if summary.skipped:
        print(f"{len(summary.skipped)} images could not be read and were skipped")


def export_command(arguments: argparse.Namespace) -> None:
    """Write SavedModel, TFLite and ONNX, each compared with the model."""
    formats = _formats(arguments.format)
    options = Options(layout=arguments.layout, version=arguments.version)
    _print_artefacts(export_run(arguments.run, formats, arguments.out, options))


def benchmark_command(arguments: argparse.Namespace) -> None:
    """Measure a run's exports side by side: size, speed, memory, score."""
    found, path = benchmark_run(
        arguments.run, arguments.format, arguments.threads, arguments.rounds
    )
    print(found.table())
    print(f"written to {path}; look at {path.with_suffix('.png')}")


def verify_command(arguments: argparse.Namespace) -> None:
    """Tell whether an exported model is unchanged and answers as recorded."""
    result = verify(arguments.artefact)
    print(result.report())
    if not result.ok:
        sys.exit(1)


def convert_command(arguments: argparse.Namespace) -> None:
    """Write a PyTorch checkpoint as a Keras model, with its facts beside it."""
    align = {None: None, "yes": True, "no": False}[arguments.align_corners]
    files = convert(
        arguments.file,
        arguments.out,
        align_corners=align,
        outputs=arguments.outputs,
        leave_out=arguments.leave_out,
        inplace_batch_norm=arguments.inplace_batch_norm,
        license_name=arguments.license,
    )
    print("{}, with its facts in {} and what was loaded in {}".format(*files))
    if arguments.export:
        formats = _formats(arguments.export)
        if "all" in arguments.export and not arguments.calibration:
            formats = [name for name in formats if not FORMATS[name].calibrated]
        _print_artefacts(
            export_converted(files[0], formats, arguments.labels, arguments.calibration)
        )


def shard_command(arguments: argparse.Namespace) -> None:
    """Write a folder of images, a folder a class, as TFRecord shards."""
    counts = write_shards(
        arguments.root,
        arguments.out,
        arguments.shards,
        arguments.workers,
        arguments.validation_share,
        arguments.seed,
    )
    print(f"{arguments.out}: {counts['written']} shards written, {counts['kept']} kept")


def check_command(arguments: argparse.Namespace) -> None:
    """Look at a data set before training: counts, broken files, a sheet of samples."""
    config = read_config(arguments.config, arguments.settings)
    out = Path(arguments.out or f"surveys/{Path(arguments.config).stem}")
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


def demo_command(arguments: argparse.Namespace) -> None:
    """Draw a data set, train on it, evaluate, export, and show what came of it."""
    run_demo(arguments.out)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(
        "hrnet-tf", description="HRNet for Keras and TensorFlow."
    )
    main.add_argument("--version", action="version", version=__version__)
    commands = main.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function):
        command = commands.add_parser(
            name, help=function.__doc__, description=function.__doc__
        )
        command.set_defaults(function=function)
        return command

    command = add("train", train_command)
    command.add_argument("config", help="YAML file, or a name of hrnet-tf configs")
    _add_settings(command, "train.epochs=20")

    command = add("evaluate", evaluate_command)
    command.add_argument("run", help="folder that training has made")
    _add_settings(command, "evaluate.refinement=dark")

    command = add("predict", predict_command)
    command.add_argument("input", help="image, folder of images, or video")
    command.add_argument(
        "--model", help="run or exported model; default: the newest run"
    )
    command.add_argument(
        "--out", help="folder to write to; default: a new one in predictions/"
    )
    command.add_argument(
        "--boxes", help="whom to look at: COCO results, JSON; default: all of it"
    )
    command.add_argument(
        "--box-threshold", type=float, default=0.3, help="default: 0.3"
    )
    command.add_argument(
        "--threshold", type=float, default=0.2, help="keypoints to draw; default: 0.2"
    )
    command.add_argument(
        "--flip", action="store_true", help="average with the mirrored image"
    )

    command = add("export", export_command)
    command.add_argument("run", help="folder that training has made")
    command.add_argument(
        "--format",
        nargs="+",
        choices=[*FORMATS, "all"],
        default=list(DEFAULTS),
        help=f"default: {' '.join(DEFAULTS)}",
    )
    command.add_argument(
        "--out",
        help="folder to write to; default: export/ in the run, and the run's folder "
        "for SavedModels",
    )
    command.add_argument(
        "--version",
        type=int,
        default=1,
        help="of a SavedModel, its folder's name; servers answer by the highest; "
        "default: 1",
    )
    command.add_argument(
        "--layout",
        type=str.upper,
        choices=["NHWC", "NCHW"],
        default="NHWC",
        help="of what ONNX files take and give; default: NHWC",
    )

    command = add("benchmark", benchmark_command)
    command.add_argument("run", help="folder of a run that has been exported")
    command.add_argument(
        "--format", nargs="+", choices=FORMATS, help="default: all that are there"
    )
    command.add_argument("--threads", type=int, help="of the CPU; default: all")
    command.add_argument(
        "--rounds", type=int, default=12, help="turns of each format; default: 12"
    )

    command = add("verify", verify_command)
    command.add_argument(
        "artefact", help="what export has written, such as export/model.tflite"
    )

    command = add("convert", convert_command)
    command.add_argument("file", help=".pth, .safetensors or .npz file")
    command.add_argument(
        "--out", required=True, help="the model, such as saved_models/NAME.keras"
    )
    command.add_argument(
        "--align-corners",
        choices=["yes", "no"],
        help="the corner rule, where the file does not tell it",
    )
    command.add_argument(
        "--inplace-batch-norm",
        action="store_true",
        help="for the official *_torch04.pth files",
    )
    command.add_argument(
        "--outputs", type=int, help="another number of classes or points"
    )
    command.add_argument(
        "--leave-out",
        nargs="+",
        metavar="PREFIX",
        default=[],
        help="tensors not to load, such as rpn_head",
    )
    command.add_argument("--license", help="of the weights, where it is not known")
    command.add_argument(
        "--export",
        nargs="+",
        choices=[*FORMATS, "all"],
        help="export it too, to a folder named after the file (all: without "
        "--calibration those that need none)",
    )
    command.add_argument(
        "--labels",
        help="for the export: a keypoint set (default: coco), a class set, or a file "
        "with a class name a line (default: numbers)",
    )
    command.add_argument(
        "--calibration",
        metavar="FOLDER",
        help="for the export of formats with integers: images like those to come",
    )

    command = add("shard", shard_command)
    command.add_argument("root", help="folder that holds a folder of images a class")
    command.add_argument("out", help="folder to write to; again: go on")
    command.add_argument(
        "--shards", type=int, help="of training images; default: 1000 images in each"
    )
    command.add_argument("--workers", type=int, help="default: one for each core")
    command.add_argument(
        "--validation-share",
        type=float,
        default=0.2,
        help="to hold out where there is no val/; default: 0.2",
    )
    command.add_argument("--seed", type=int, default=0, help="default: 0")

    data = commands.add_parser("data", help="look at data: hrnet-tf data check CONFIG")
    kinds = data.add_subparsers(required=True, metavar="COMMAND")
    check = kinds.add_parser("check", help=check_command.__doc__)
    check.set_defaults(function=check_command)
    check.add_argument("config", help="YAML file, or a name of hrnet-tf configs")
    check.add_argument(
        "--out", help="folder to write to; default: surveys/ and the file's name"
    )
    _add_settings(check, "data.root=FOLDER")

    command = add("configs", configs_command)
    command.add_argument("name", nargs="?", help="to copy; default: list all of them")
    command.add_argument("--out", default=".", help="folder to copy to; default: here")

    command = add("demo", demo_command)
    command.add_argument(
        "--out", default="saved_models/demo", help="default: saved_models/demo"
    )
    return main


def _formats(chosen: list[str]) -> list[str]:
    return list(FORMATS) if "all" in chosen else chosen


def _print_artefacts(artefacts: dict[str, Path]) -> None:
    for name, path in artefacts.items():
        print(f"{name}: {path} (facts in {path.name}.json)")


def _add_settings(command: argparse.ArgumentParser, example: str) -> None:
    command.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help=f"wins over the file, such as {example}",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run one subcommand; a user's mistake ends in one sentence and status 2."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("hrnet_tf").setLevel(logging.INFO)
    # TensorFlow warns of its own and other libraries' old names.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        arguments.function(arguments)
    except (InputError, ImportError) as error:
        print(f"hrnet-tf: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(
            "\ninterrupted; the same command goes on where it stopped", file=sys.stderr
        )
        sys.exit(130)
