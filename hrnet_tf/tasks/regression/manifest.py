"""The facts of a trained network of dense regression."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hrnet_tf.tasks.base.manifest import Manifest
from hrnet_tf.tasks.dense.manifest import DenseOutput, Views
from hrnet_tf.tasks.regression.channels import ChannelSet


@dataclass(frozen=True)
class MapOutput(DenseOutput):
    """What a regression network answers: one number a channel and cell."""

    name: str = "maps"


@dataclass(frozen=True)
class RegressionManifest(Manifest):
    """The facts of a trained network of dense regression."""

    output: MapOutput
    channels: ChannelSet  # in the unit that the data were learnt in
    views: Views = field(default_factory=Views)
    # From where to where the training data's channels go, for the colours of pictures.
    spans: tuple[tuple[float, float], ...] = ()
    task: Literal["regression"] = "regression"
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        spans = tuple((low, high) for low, high in self.spans)  # lists from JSON
        object.__setattr__(self, "spans", spans)

    def with_flip(self, flip: bool) -> "RegressionManifest":
        """The same, averaged with the mirrored image or not."""
        return replace(self, views=replace(self.views, flip=flip))
