"""The drawn data set as a folder of folders: an action is a class."""

import os
from pathlib import Path

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import write_bytes, writing
from hrnet_tf.common.text_files import read_rows

SPLITS = ("train", "val")


def write_class_folders(data: str | Path, out: str | Path) -> None:
    """Sort the images of the drawn data set by their actions.

    What is there already is kept, so that an interrupted call may be repeated.

    Args:
        data: what `draw_data_set` has drawn.
        out: gets `{train,val}/ACTION/*.jpg`, as links to the same files; copies where
            the file system has no such links.

    Raises:
        InputError: if `data` holds no such data set.

    Example:
        ```python
        draw_data_set("drawn")
        write_class_folders("drawn", "actions")
        training, validation = open_images("actions")
        ```
    """
    data, out = Path(data), Path(out)
    if out.is_dir():
        _fill(data, out)
        return
    # Folders of images are a data set as soon as they are there.
    with writing(out) as partial:
        _fill(data, partial)


def _fill(data: Path, out: Path) -> None:
    for split in SPLITS:
        table = data / "annotations" / f"actions_{split}.csv"
        if not table.is_file():
            raise InputError(
                f"There is no {table}; give the folder of a data set that "
                "`draw_data_set` has drawn."
            )
        rows = read_rows(table, ["file", "action"])
        for row in rows:
            target = out / split / row["action"] / row["file"]
            if not target.is_file():
                _link(data / "images" / split / row["file"], target)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        write_bytes(target, source.read_bytes())
