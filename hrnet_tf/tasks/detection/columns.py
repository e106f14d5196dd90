"""Objects as columns of a table."""

from typing import Any

from hrnet_tf.tasks.base.columns import BOX, Columns, box_row
from hrnet_tf.tasks.detection.result import FoundObjects


def _values(found: FoundObjects) -> dict[str, Any]:
    entries = found.to_coco(0)
    objects = [
        {
            "name": found.names[row],
            "category_id": int(entries[row]["category_id"]),
            "score": float(found.scores[row]),
            "box": box_row(found.boxes[row]),
            "mask": _mask(entries[row].get("segmentation")),
        }
        for row in range(len(found))
    ]
    return {"objects": objects}


def _mask(lengths: dict[str, Any] | None) -> dict[str, Any] | None:
    """COCO's run lengths of a mask, as `pycocotools` takes them; None: no masks."""
    if lengths is None:
        return None
    height, width = lengths["size"]
    return {"height": height, "width": width, "counts": lengths["counts"]}


MASK = {"height": "int32", "width": "int32", "counts": "string"}
OBJECT = {
    "name": "string",
    "category_id": "int64",
    "score": "float32",
    "box": BOX,
    "mask": MASK,
}
COLUMNS = Columns({"objects": [OBJECT]}, _values)
