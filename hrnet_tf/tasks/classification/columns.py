"""What an image shows as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import Columns
from hrnet_tf.tasks.classification.result import Classification


def _values(found: Classification) -> dict[str, Any]:
    ((label, probability),) = found.top(1)
    return {
        "label": label,
        "probability": probability,
        "probabilities": found.probabilities.tolist(),
    }


COLUMNS = Columns(
    {"label": "string", "probability": "float32", "probabilities": ["float32"]},
    _values,
)
