"""Numbers of pixels as columns of a table."""

import io
from typing import Any

import numpy as np

from hrnet_tf.tasks.base.columns import Columns
from hrnet_tf.tasks.regression.result import DenseMap


def _values(found: DenseMap) -> dict[str, Any]:
    stream = io.BytesIO()
    np.save(stream, found.values)
    statistics = [
        {"channel": name, **numbers} for name, numbers in found.statistics().items()
    ]
    return {"values": stream.getvalue(), "statistics": statistics}


STATISTIC = {"channel": "string", "min": "float64", "mean": "float64", "max": "float64"}
COLUMNS = Columns({"values": "binary", "statistics": [STATISTIC]}, _values)
