"""Keras's own files, looked at before Keras believes what they say."""

from pathlib import Path

import h5py

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.archives import START as ZIP
from hrnet_tf.checkpoints.archives import Archive, MappedFile
from hrnet_tf.checkpoints.pytorch import mapped


def require_whole(path: str | Path) -> None:
    """See that a `.keras` or `.h5` file is undamaged, as far as it tells.

    What is in a `.keras` file, a zip archive, is compared with its checksums; HDF5 has
    none. Weights that take far more memory than the file are refused.

    Raises:
        ValueError, OSError and others of `limits.BROKEN`: if it is damaged.

    Example:
        ```python
        require_whole("saved_models/pose_w32.keras")
        ```
    """
    with open(path, "rb") as file:
        content = mapped(file)
    size = len(content)
    if content[:4] == ZIP:
        archive = Archive(content)
        entries = {name: archive.read(name) for name in archive.entries}
        weights = [name for name in entries if name.endswith(".h5")]
        if not weights:
            raise ValueError("it holds no weights")
        content = entries[weights[0]]
    found = [0]

    def count(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[0] += item.size * item.dtype.itemsize

    with h5py.File(MappedFile(content), "r") as stored:
        stored.visititems(count)
    least, times = limits.UNPACKED
    if found[0] > least + times * size:
        raise ValueError(
            f"it says that it holds {found[0]:,} bytes, more than {times} times its "
            "size"
        )
