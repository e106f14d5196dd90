"""Configurations whose data lie elsewhere, as ones whose data lie here."""

import logging
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from hrnet_tf.common.config import Config
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.text_files import read_json
from hrnet_tf.data.remote import is_remote, local_file, local_folder
from hrnet_tf.data.stores import MissingError, below, store_of

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=Config)

FOLDERS = ("images", "root")  # keys of folders, in the sections of all tasks
INDEX = "index.json"  # names the shards beside it


def localized(config: S) -> S:
    """A configuration with paths in place of the addresses in its `data`.

    The files are copied first; see `hrnet_tf.data.remote`. What a run writes down is
    the configuration with the addresses.

    Args:
        config: of any task.

    Raises:
        InputError: if something cannot be had; the text names the key.

    Example:
        ```python
        config = read_config("pose.yaml", ["data.train.images=s3://bucket/train2017"])
        localized(config).data.train.images  # /home/me/.cache/hrnet_tf/.../train2017
        ```
    """
    data = _section(config.data, "data")
    return config if data is config.data else replace(config, data=data)


def _section(section: Any, key: str) -> Any:
    """A section with what is in it; the section itself if nothing lies elsewhere."""
    changed: dict[str, Any] = {}
    values = {field.name: getattr(section, field.name) for field in fields(section)}
    for name, value in values.items():
        if is_dataclass(value):
            own = _section(value, f"{key}.{name}")
            if own is not value:
                changed[name] = own
    remote = [name for name, value in values.items() if is_remote(value)]
    # Files first: annotations may name the images.
    for name in sorted(remote, key=lambda name: name in FOLDERS):
        url = values[name]
        try:
            if name in FOLDERS:
                beside = changed.get("annotations", values.get("annotations"))
                path = local_folder(url, _names(url, name, beside))
            elif (store := store_of(url)).listed and store.is_folder(url):
                path = local_folder(url)
            else:
                path = local_file(url)
        except InputError as error:
            raise InputError(f"`{key}.{name}`: {error}") from None
        logger.info("`%s.%s`: %s is read from %s", key, name, url, path)
        changed[name] = str(path)
    return replace(section, **changed) if changed else section


def _names(url: str, key: str, annotations: Any) -> list[str] | None:
    """The files in a folder that cannot be listed, from what tells of them."""
    if url.lower().startswith("file:") or store_of(url).listed:
        return None
    if key == "root":
        return _of_index(url)
    path = Path(annotations or "")
    if path.suffix.lower() != ".json":
        raise InputError(
            f"{url}: what is in a folder of the web cannot be listed, and only "
            f"annotations in JSON name its files ({path.name or 'there are none'}); "
            "copy it, or give an address that can be listed, such as s3:// or gs://."
        )
    names = list(dict.fromkeys(_named(read_json(path))))
    if not names:
        raise InputError(f"{url}: {path} names no images that could be read from it.")
    return names


def _named(found: Any) -> Iterator[str]:
    """Images in COCO's annotations, or in a list of people like MPII's."""
    images = found.get("images") if isinstance(found, dict) else found
    for image in images if isinstance(images, list) else ():
        name = image.get("file_name", image.get("image"))
        if isinstance(name, str):
            yield name


def _of_index(url: str) -> list[str]:
    """The shards that an index names, and the index."""
    try:
        index = read_json(local_file(below(url, INDEX)))
        parts = index["shards"].values()
        return [INDEX, *(shard["file"] for part in parts for shard in part)]
    except MissingError:
        raise InputError(
            f"{url}: what is in a folder of the web cannot be listed, and there is no "
            f"{INDEX} of shards in it; write shards (`hrnet-tf shard`), copy it, or "
            "give an address that can be listed, such as s3:// or gs://."
        ) from None
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{below(url, INDEX)} is no index of shards.") from None
