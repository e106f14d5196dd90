"""What may be written on the command line; read without importing anything heavy."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from hrnet_tf.commands import (
    DRAWN,
    benchmark_command,
    check_command,
    configs_command,
    convert_command,
    demo_command,
    draw_command,
    evaluate_command,
    export_command,
    predict_command,
    predict_many_command,
    table_command,
    train_command,
    verify_command,
)
from hrnet_tf.common.arguments import ANEW, GOES_ON, add_settings, positive
from hrnet_tf.common.reading import PIXEL_LIMIT
from hrnet_tf.common.version import __version__
from hrnet_tf.export.names import ALL, DEFAULTS, NAMES, RUNTIMES, Weights
from hrnet_tf.paper_tables.options import add_table_options
from hrnet_tf.tasks import TASKS, load_plugins, predict_options

# What becomes of a command that is interrupted.
PICTURES = "finished pictures are kept; the list of what was found is not written"

SETTING = re.compile(r"[A-Za-z_][\w.]*=")


class CommandParser(argparse.ArgumentParser):
    """Takes `key=value` settings anywhere, before and after options."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        """Set settings aside, if the command takes any, and read the others."""
        taken = any(action.dest == "settings" for action in self._actions)
        settings, others = self._divided(args or ()) if taken else ([], args)
        namespace, unknown = super().parse_known_args(others, namespace)
        if taken:
            namespace.settings = [*settings, *namespace.settings]
        return namespace, unknown

    def _divided(self, given: Sequence[str]) -> tuple[list[str], list[str]]:
        """The settings, and what is none: values of options and files named so."""
        settings, others = [], []
        for before, text in zip(("", *given), given, strict=False):
            option = self._option_string_actions.get(before)
            is_value = option is not None and option.nargs is None
            if is_value or not SETTING.match(text) or Path(text).exists():
                others.append(text)
            else:
                settings.append(text)
        return settings, others


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line.

    Tasks of other packages are looked at only where they may add to it: options of
    `predict`, and commands of their own.

    Args:
        words: what was written; None: behind the program's name.
    """
    words = sys.argv[1:] if words is None else words
    command = next(iter(words), "--help")
    if command == "predict" or not (command.startswith("-") or command in _commands()):
        load_plugins()
    return parser().parse_args(words)


def _commands() -> set[str]:
    """Names of all commands."""
    kinds = (x.choices for x in parser()._actions if x.dest == argparse.SUPPRESS)
    return {name for choices in kinds for name in choices or ()}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(
        "hrnet-tf", description="HRNet for Keras and TensorFlow."
    )
    main.add_argument("--version", action="version", version=__version__)
    commands = main.add_subparsers(
        required=True, metavar="COMMAND", parser_class=CommandParser
    )

    def add(name: str, function: Any, interrupted: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=function.__doc__, description=function.__doc__
        )
        command.set_defaults(function=function, interrupted=interrupted)
        return command

    command = add("train", train_command, GOES_ON)
    command.add_argument("config", help="YAML file, or a name of hrnet-tf configs")
    command.add_argument(
        "--cluster",
        default="auto",
        help="which processes train together: tf_config, slurm, kubernetes:LABEL=VALUE "
        "or none; default: those of TF_CONFIG, or of a step of Slurm",
    )
    command.add_argument(
        "--workers",
        type=positive,
        metavar="COUNT",
        help="how many they must be; for kubernetes, which waits for so many pods; for "
        "--ray, which begins so many",
    )
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="have Ray Train begin the workers: auto or HOST:PORT of a cluster that "
        "this machine belongs to, or local: an engine on this machine",
    )
    add_settings(command, "train.epochs=20")

    command = add("evaluate", evaluate_command, ANEW)
    command.add_argument("run", help="folder that training has made")
    add_settings(command, "evaluate.refinement=dark")

    command = add("predict", predict_command, PICTURES)
    command.add_argument("input", help="image, folder of images, or video")
    command.add_argument(
        "--model", help="run or exported model; default: the newest run"
    )
    command.add_argument(
        "--detector",
        help="run or exported detector that finds the people or faces which the model "
        "looks at, in place of --boxes",
    )
    command.add_argument(
        "--runtime", choices=RUNTIMES, help="default: keras for a run, else the file's"
    )
    command.add_argument(
        "--out", help="folder to write to; default: a new one in predictions/"
    )
    for option in predict_options():
        command.add_argument(option.flag, **option.settings)
    command.add_argument(
        "--flip", action="store_true", help="average with the mirrored image"
    )
    command.add_argument(
        "--pixel-limit",
        type=positive,
        help="larger images are not decoded; default: the run's data.pixel_limit, or "
        f"{PIXEL_LIMIT}",
    )
    add_settings(command, "evaluate.flip=true; of a run: look as `evaluate` does")

    _add_predict_many(add("predict-many", predict_many_command, GOES_ON))

    command = add("export", export_command, "formats that were finished are kept")
    command.add_argument("run", help="folder that training has made")
    command.add_argument(
        "--format",
        nargs="+",
        choices=[*NAMES, ALL],
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
        "--weights",
        choices=get_args(Weights),
        default="constants",
        help="of a SavedModel: variables take a third of the memory, and are about as "
        "fast on CPUs where TF_ONEDNN_ASSUME_FROZEN_WEIGHTS=1 is set for the server; "
        "default: constants",
    )
    command.add_argument(
        "--layout",
        type=str.upper,
        choices=["NHWC", "NCHW"],
        default="NHWC",
        help="of what files of ONNX and OpenVINO take and give; default: NHWC",
    )
    command.add_argument(
        "--detector",
        metavar="RUN",
        help="a detector's run: the SavedModel finds the people or faces, too, that "
        "the model looks at",
    )
    add_settings(command, "data.root=FOLDER (data.train.images), for a calibration")

    command = add("benchmark", benchmark_command, ANEW)
    command.add_argument("run", help="folder of a run that has been exported")
    command.add_argument(
        "--format", nargs="+", choices=NAMES, help="default: all that are there"
    )
    command.add_argument("--threads", type=positive, help="of the CPU; default: all")
    command.add_argument(
        "--rounds", type=positive, default=12, help="turns of each format; default: 12"
    )
    add_settings(command, "data.root=FOLDER or data.validation.images=FOLDER")

    command = add("verify", verify_command, ANEW)
    command.add_argument(
        "artefact", help="what export has written, such as export/model.tflite"
    )

    command = add("convert", convert_command, "files that were finished are kept")
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
        "--outputs", type=positive, help="another number of classes or points"
    )
    command.add_argument(
        "--leave-out",
        nargs="+",
        metavar="PREFIX",
        default=[],
        help="tensors not to load, such as rpn_head",
    )
    command.add_argument(
        "--network",
        metavar="NAME",
        help="constructor of the network, where its tensors may be of two: HigherHRNet "
        "for OpenMMLab's bottom-up HRNet",
    )
    command.add_argument(
        "--color-order",
        choices=["RGB", "BGR"],
        help="the order of colours that the network has learnt (default: RGB, but BGR "
        "of the official SimpleBaseline)",
    )
    command.add_argument("--license", help="of the weights, where it is not known")
    command.add_argument(
        "--export",
        nargs="+",
        choices=[*NAMES, ALL],
        help="export it too, to a folder named after the file (all: without "
        "--calibration those that need none)",
    )
    command.add_argument(
        "--labels",
        help="for the export: a keypoint set (default: coco), a landmark set (default: "
        "the published one of so many points), a class set, or a file "
        "with a class name a line (default: numbers)",
    )
    command.add_argument(
        "--encoding",
        metavar="NAME",
        help="for the export: what the network has learnt; of pose plain, dark, udp or "
        "udp_offsets (default: what is known of the file, else plain), of landmarks "
        "official or, such as OpenMMLab's, affine (default: official)",
    )
    command.add_argument(
        "--size",
        type=positive,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="what the network takes, such as 384 288 (default: the constructor's)",
    )
    command.add_argument(
        "--calibration",
        metavar="FOLDER",
        help="for the export of formats with integers: images like those to come",
    )

    for own in (own for task in TASKS.values() for own in task.commands):
        own.arguments(add(own.name, own.function, own.interrupted))

    data = commands.add_parser("data", help="look at data: hrnet-tf data check CONFIG")
    kinds = data.add_subparsers(
        required=True, metavar="COMMAND", parser_class=CommandParser
    )
    check = kinds.add_parser("check", help=check_command.__doc__)
    check.set_defaults(function=check_command, interrupted=ANEW)
    check.add_argument("config", help="YAML file, or a name of hrnet-tf configs")
    check.add_argument(
        "--out", help="folder to write to; default: surveys/ and the file's name"
    )
    add_settings(check, "data.root=FOLDER or data.train.images=FOLDER")

    command = add("configs", configs_command, ANEW)
    command.add_argument("name", nargs="?", help="to copy; default: list all of them")
    command.add_argument("--out", default=".", help="folder to copy to; default: here")

    add_table_options(add("table", table_command, ANEW))

    command = add("draw", draw_command, ANEW)
    command.add_argument("kind", choices=DRAWN, help="of what is drawn")
    command.add_argument(
        "--out", help="folder to draw to; default: that of the demo, saved_models/demo"
    )
    for part, count in (("train", 1500), ("validation", 200)):
        command.add_argument(
            f"--{part}", type=positive, default=count, help=f"images; default: {count}"
        )
    command.add_argument("--seed", type=int, default=0, help="of chance; default: 0")

    command = add("demo", demo_command, GOES_ON)
    command.add_argument(
        "--out", default="saved_models/demo", help="default: saved_models/demo"
    )
    return main


def _add_predict_many(command: argparse.ArgumentParser) -> None:
    """What may be written behind `predict-many`."""
    command.add_argument(
        "source",
        help="folder of images, of Parquet or of TFRecord files, one such file, or a "
        ".txt file with a path or URL a line; a path or URL (file, s3, gs, https, ...)",
    )
    command.add_argument("--model", required=True, help="run or exported model")
    command.add_argument(
        "--out", required=True, help="folder for the Parquet files; a path or URL"
    )
    command.add_argument(
        "--detector", help="run or exported detector that finds the people or faces"
    )
    command.add_argument(
        "--flip", action="store_true", help="average with the mirrored image"
    )
    command.add_argument(
        "--column", help="of Parquet or TFRecord files, that holds the encoded images"
    )
    command.add_argument(
        "--pixel-limit", type=positive, help="larger images are not decoded"
    )
    command.add_argument(
        "--part-size", type=positive, default=256, help="images a part; default: 256"
    )
    command.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="of a Ray cluster, such as auto; default: this machine",
    )
    command.add_argument(
        "--workers",
        type=positive,
        help="models at work; default: one a GPU, or one a machine",
    )
    add_settings(command, "evaluate.flip=true; of a run: look as `evaluate` does")
