"""What the numbers of a pixel are: their names, and how they follow the image."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.name_sets import as_name

PIXELS = 10_000  # of each map that a span is found from
PERCENTILES = (1, 99)  # that it goes from and to


@dataclass(frozen=True)
class ChannelSet:
    """Names of the numbers that each pixel has, such as a depth or a flow.

    Attributes:
        names: of the channels, in their order.
        mirrored: those that change their sign in a mirror image, such as the horizontal
            flow; here and below, names or their indices from 0 (a name wins).
        per_pixel: those counted in pixels of the image, which grow with it.
        nearer: those that fall as the image grows, as things look nearer, such as a
            depth.
        units: what each is counted in, such as `m`, for pictures; empty: not said.
            Sets that differ only in it are equal.

    Raises:
        InputError: if there is no channel, one is named twice, one of the others is
            none of them, or there are not as many units.

    Example:
        ```python
        flow = ChannelSet(("x", "y"), mirrored=("x",), per_pixel=("x", "y"))
        flow.signs, flow.powers  # [-1, 1] and [1, 1]
        ```
    """

    names: tuple[str, ...]
    mirrored: tuple[str, ...] = ()
    per_pixel: tuple[str, ...] = ()
    nearer: tuple[str, ...] = ()
    units: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self):
        if not self.names or len(set(self.names)) < len(self.names):
            raise InputError(
                "`channels` must name each number of a pixel once, got "
                f"{list(self.names)}."
            )
        for key in ("mirrored", "per_pixel", "nearer"):
            given = getattr(self, key)
            try:
                found = [as_name(entry, self.names, key, "channel") for entry in given]
            except InputError:
                unknown = next(n for n in given if n not in self.names)
                raise InputError(
                    f"`{key}` holds {unknown!r}, which is none of the channels "
                    f"{', '.join(self.names)}."
                ) from None
            object.__setattr__(self, key, tuple(found))
        if both := set(self.per_pixel) & set(self.nearer):
            raise InputError(
                f"`per_pixel` and `nearer` both hold {min(both)!r}: a channel either "
                "grows or falls as the image grows."
            )

        if len(self.units) not in (0, len(self.names)):
            raise InputError(
                f"`units` must name one unit for each of {len(self.names)} channels, "
                f"or none, got {list(self.units)}."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def titles(self) -> tuple[str, ...]:
        """The names with their units, such as `depth (m)`."""
        units = self.units or ("",) * len(self.names)
        return tuple(
            f"{name} ({unit})" if unit else name
            for name, unit in zip(self.names, units, strict=True)
        )

    @property
    def signs(self) -> np.ndarray:
        """float32 `(channels,)`: what a mirror multiplies them by."""
        return np.where([name in self.mirrored for name in self.names], -1, 1).astype(
            np.float32
        )

    @property
    def powers(self) -> np.ndarray:
        """The powers of an enlargement that multiply them, int `(channels,)`."""
        return np.array(
            [int(n in self.per_pixel) - int(n in self.nearer) for n in self.names]
        )

    def enlarged(self, factor: Any) -> Any:
        """float32 `(channels,)`: what they are multiplied by as the image grows.

        Args:
            factor: how many times larger the image becomes, a positive number; or in a
                graph float32.

        Source: Eigen et al., https://arxiv.org/abs/1406.2283, section 3.3, for depth.
        """
        if isinstance(factor, int | float | np.number):
            return np.power(float(factor), self.powers).astype(np.float32)
        return factor ** self.powers.astype(np.float32)


def robust_spans(
    maps: Iterable[np.ndarray], channels: int
) -> tuple[tuple[float, float], ...]:
    """From where to where the numbers of each channel go, but for a few.

    Args:
        maps: float `(height, width, channels)` each; NaN: not known.
        channels: how many.

    Returns:
        For each channel the percentiles 1 and 99 of some pixels of every map; `(0, 1)`
        where nothing is known.
    """
    parts = [np.zeros((0, channels))]
    for values in maps:
        rows = np.asarray(values, np.float64).reshape(-1, channels)
        parts.append(rows[:: max(1, len(rows) // PIXELS)])
    spans = []
    for numbers in np.concatenate(parts).T:
        known = numbers[np.isfinite(numbers)]
        low, high = np.percentile(known, PERCENTILES) if len(known) else (0.0, 1.0)
        spans.append((float(low), float(high)))
    return tuple(spans)
