"""The demo's part of top-down pose: the drawn figures, with their boxes."""

import json
import shutil
from pathlib import Path
from typing import Any

from hrnet_tf.common.text_files import write_json
from hrnet_tf.tasks.base.task import Demo
from hrnet_tf.tasks.pose.config import PoseConfig

PICTURES = 12


def _settings(data: Path) -> list[str]:
    return [
        f"data.{part}.{key}={data / path}"
        for part, split in (("train", "train"), ("validation", "val"))
        for key, path in (
            ("annotations", f"annotations/person_keypoints_{split}.json"),
            ("images", f"images/{split}"),
        )
    ]


def _pictures(config: PoseConfig, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Some validation images, with the annotated people as a detector's boxes."""
    section = config.data.validation
    annotations = json.loads(Path(section.annotations).read_text())
    names = {
        image["id"]: image["file_name"] for image in annotations["images"][:PICTURES]
    }
    source = folder / "images"
    source.mkdir(parents=True)
    for name in names.values():
        shutil.copy(Path(section.images) / name, source / name)
    found = [
        a
        for a in annotations["annotations"]
        if "keypoints" in a and a["image_id"] in names
    ]
    boxes = [{key: a[key] for key in ("image_id", "bbox")} for a in found]
    write_json(folder / "boxes.json", boxes)
    return source, {
        "boxes": folder / "boxes.json",
        "annotations": section.annotations,
    }


DEMO = Demo(_settings, _pictures)
