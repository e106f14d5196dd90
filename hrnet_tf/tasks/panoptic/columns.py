"""Segments as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import BOX, Columns, box_row
from hrnet_tf.tasks.panoptic.coco_panoptic import encode_ids
from hrnet_tf.tasks.panoptic.result import PanopticMap


def _values(found: PanopticMap) -> dict[str, Any]:
    listed = [
        {
            "id": row["id"],
            "category_id": row["category_id"],
            "class": found.classes.names[each.label],
            "area": each.area,
            "box": box_row(each.box),
        }
        for row, each in zip(found.segments_info(), found.listed, strict=True)
    ]
    return {
        "panoptic": encode_ids(found.ids()),
        "segments": listed,
        "mean_confidence": float(found.confidence.mean(dtype="float64")),
    }


SEGMENT = {
    "id": "int32",
    "category_id": "int32",
    "class": "string",
    "area": "int32",
    "box": BOX,
}
COLUMNS = Columns(
    {"panoptic": "binary", "segments": [SEGMENT], "mean_confidence": "float64"},
    _values,
)
