"""How long calls take, side by side."""

import statistics
import time
from collections.abc import Callable, Mapping


def median_latency(
    calls: Mapping[str, Callable[[], object]], rounds: int = 20
) -> dict[str, float]:
    """Median time of each call, in milliseconds.

    The calls take turns, so that a busy moment of the machine meets all of them; the
    first two rounds do not count.

    Example:
        ```python
        median_latency({"sum": lambda: sum(range(1000))})  # {"sum": 0.01}
        ```
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(taken[2:]) for name, taken in times.items()}
