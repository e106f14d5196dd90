"""What may be written behind `hrnet-tf table`; read without anything heavy."""

import argparse

from hrnet_tf.common.arguments import positive
from hrnet_tf.paper_tables.rows import numbers


def add_table_options(command: argparse.ArgumentParser) -> None:
    """Add the number of the table, and what to do with it."""
    command.add_argument("number", choices=numbers(), help="of the table")
    command.add_argument(
        "--rows",
        nargs="+",
        metavar="TEXT",
        help="only those whose names hold one of these texts; default: all",
    )
    command.add_argument(
        "--measure",
        action="store_true",
        help="time and memory of training steps and answers too, on this machine",
    )
    command.add_argument(
        "--size",
        type=positive,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="of the images that are measured; default: as in the paper",
    )
    command.add_argument(
        "--images",
        type=positive,
        help="in a training step that is measured; default: as in the paper",
    )
    command.add_argument(
        "--picture",
        metavar="FILE.png",
        help="to write: score against multiply-adds, or the time that is measured",
    )
