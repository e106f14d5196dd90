"""Parts of the manifests of tasks with an answer for every pixel."""

from dataclasses import dataclass
from typing import Protocol

from hrnet_tf.tasks.base.manifest import Quantisation, TaskManifest


@dataclass(frozen=True)
class DenseOutput:
    """What a network answers for every cell of a map."""

    stride: int = 4  # image pixels per cell
    align_corners: bool = False  # how cells are resized to pixels
    name: str = ""
    layout: str = "NHWC"
    dtype: str = "float32"
    quantisation: Quantisation | None = None


@dataclass(frozen=True)
class Views:
    """How an image is looked at; what is seen is averaged."""

    short_side: int | None = None  # resized to this first, in pixels; None: as it is
    stretch: bool = False  # resized to the input's size first
    flip: bool = False  # mirrored too
    scales: tuple[float, ...] = (1.0,)  # enlarged and made smaller
    window: bool = False  # through a window of the input's size that slides over it
    stride_share: float = 2 / 3  # of the window, from one place to the next


class DenseManifest(TaskManifest, Protocol):
    """What the manifests of these tasks have."""

    @property
    def views(self) -> Views: ...  # noqa: D102
