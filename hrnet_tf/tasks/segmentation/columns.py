"""Labels of pixels as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import Columns
from hrnet_tf.tasks.segmentation.drawing import encode_labels
from hrnet_tf.tasks.segmentation.result import LabelMap


def _values(found: LabelMap) -> dict[str, Any]:
    shares = [{"class": name, "share": x} for name, x in found.shares().items()]
    return {
        "labels": encode_labels(found.labels, found.classes),
        "shares": shares,
        "mean_confidence": float(found.confidence.mean(dtype="float64")),
    }


COLUMNS = Columns(
    {
        "labels": "binary",
        "shares": [{"class": "string", "share": "float64"}],
        "mean_confidence": "float64",
    },
    _values,
)
