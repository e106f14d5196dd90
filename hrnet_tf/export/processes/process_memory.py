"""The most memory that this process has had at once, and nothing of its parent's.

This file needs nothing of hrnet_tf.

On Linux `getrusage` tells the largest memory of a process together with what its parent
had when it started it: a small process that a large one starts seems to need nothing
more. The kernel's own mark of this process (`VmHWM`) begins anew with each program.
"""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # what Linux takes for: begin the mark anew


def peak_memory() -> int:
    """The most memory that this process has had since it began, in bytes."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def begin_anew() -> int:
    """Forget the peak so far, where the system can.

    Returns:
        The peak now: what the process has at this moment, or else what it had at most.
    """
    if CLEAR.exists():
        CLEAR.write_text(RESET_PEAK)
    return peak_memory()
