"""The command `hrnet-tf`: arguments, one command, and an end in one sentence."""

import logging
import sys
from collections.abc import Sequence

from hrnet_tf.arguments import parser
from hrnet_tf.errors import InputError


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
