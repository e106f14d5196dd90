"""`hrnet-tf shard`: a folder of images a class, as TFRecord files."""

import argparse

import hrnet_tf
from hrnet_tf.common.arguments import (
    GOES_ON,
    add_settings,
    must_exist,
    number,
    positive,
)
from hrnet_tf.tasks.base.task import Command
from hrnet_tf.tasks.classification.config import read_shard_settings


def _shard(arguments: argparse.Namespace) -> None:
    """Write a folder of images, a folder a class, as TFRecord shards."""
    must_exist(arguments.root, "a folder with a folder of images for each class")
    settings = read_shard_settings(arguments.settings)

    hrnet_tf.import_public_names()
    from hrnet_tf.tasks.classification.shards import write_shards

    counts = write_shards(
        arguments.root,
        arguments.out,
        arguments.shards,
        arguments.workers,
        arguments.validation_share,
        arguments.seed,
        settings.data.on_error,
    )
    print(f"{arguments.out}: {counts['written']} shards written, {counts['kept']} kept")


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("root", help="folder that holds a folder of images a class")
    command.add_argument("out", help="folder to write to; again: go on")
    command.add_argument(
        "--shards",
        type=positive,
        help="of training images; default: 1000 images in each",
    )
    command.add_argument("--workers", type=positive, help="default: one for each core")
    command.add_argument(
        "--validation-share",
        type=number,
        default=0.2,
        help="to hold out where there is no val/; default: 0.2",
    )
    command.add_argument("--seed", type=int, default=0, help="default: 0")
    add_settings(command, "data.on_error=skip")


SHARD = Command("shard", _shard, _arguments, GOES_ON)
