"""The command `hrnet-tf`: arguments, one command, and an end in one sentence."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from hrnet_tf.arguments import parse
from hrnet_tf.common import extras
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.failures import explain
from hrnet_tf.common.messages import Messages, set_aside

MISTAKE, INTERRUPTED, TERMINATED = 2, 130, 143  # statuses


class Terminated(KeyboardInterrupt):
    """The system asks this process to end."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one subcommand.

    A user's mistake, or what the system refuses, ends in one sentence and status 2.
    """
    arguments = parse(argv)
    with set_aside() as messages:
        try:
            if messages.watch is not None:
                signal.signal(signal.SIGTERM, _terminate)
            arguments.function(arguments)
            sys.stdout.flush()
        except KeyboardInterrupt as error:
            if messages.watch is not None:
                # Another one need not wait for what libraries do at the end.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            messages.discard()
            print(f"\ninterrupted; {arguments.interrupted}", file=sys.stderr)
            sys.exit(TERMINATED if isinstance(error, Terminated) else INTERRUPTED)
        except BrokenPipeError:  # nobody reads on, as in `hrnet-tf ... | head`
            messages.discard()
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(MISTAKE)
        except Exception as error:
            _end(error, messages)
        else:
            messages.discard()


def _end(error: Exception, messages: Messages) -> None:
    """Say what was wrong; what is no mistake of the user is raised again."""
    if isinstance(error, ImportError):
        said: str | None = extras.explain(error)
    else:
        said = str(error) if isinstance(error, InputError) else explain(error)
    if said is None:
        if log := messages.kept():
            print(f"hrnet-tf: what libraries said is in {log}", file=sys.stderr)
        raise error
    messages.discard()
    print(f"hrnet-tf: {said}", file=sys.stderr)
    sys.exit(MISTAKE)


def _terminate(*_: Any) -> None:
    raise Terminated
