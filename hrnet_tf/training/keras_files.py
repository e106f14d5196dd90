"""`.keras` files of one model again and again, written beside what changes it.

Keras takes seconds to save a network with its optimizer: it visits every layer and
makes a data set in an HDF5 file for every variable, all of it under Python's lock. The
files of one model differ in nothing but these numbers, so that their places need be
found but once.
"""

import contextlib
import datetime
import io
import json
import logging
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.compat import own_variables, tensorflow_variable
from hrnet_tf.common.files import scratch_beside

logger = logging.getLogger(__name__)

WEIGHTS, METADATA = "model.weights.h5", "metadata.json"  # names inside the archive
DATE = "%Y-%m-%d@%H:%M:%S"  # as Keras writes when a file was made
# Parts of the file with weights: bytes that stay, or the number of a variable.
Parts = list[bytes | int]


class KerasFile:
    """Saves a model as `model.save` does, from a copy and so at any later time.

    The first copy is a file of Keras, which is written at once, and takes twice as long
    as that: a second file, of variables that each have a number of their own for a
    moment, tells their places. The next copies take milliseconds: TensorFlow keeps what
    was read of a variable, and copies it only when the variable changes. Those of a GPU
    are copied into the machine's memory at once.

    Where a layer or an optimizer writes something else than its variables, Keras goes
    on saving, when the copy is made; a line says so.

    Args:
        model: built and, if it is compiled, with the variables of its optimizer.

    Example:
        ```python
        file = KerasFile(model)
        write = file.copy(Path("model.keras"))
        model.fit(batches)
        write()  # what the model was before
        ```
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._variables: list[tf.Variable] = []
        self._members: dict[str, bytes] = {}
        self._parts: Parts | None = None
        self._is_known = False

    def copy(self, path: Path) -> Callable[[], None]:
        """Copy the model as it is.

        Args:
            path: the file, for which it may be written to at once.

        Returns:
            Writes the file; any thread may call it.
        """
        if self._parts is not None:
            values = self._values()
            return lambda: self._write(path, values)
        self.model.save(path)
        if not self._is_known:
            self._learn(path)
        return lambda: None

    def _values(self) -> list[tf.Tensor]:
        with tf.device("CPU:0"):
            return [tf.identity(each) for each in self._variables]

    def _learn(self, path: Path) -> None:
        """Find the place of every variable's numbers in a file."""
        self._is_known = True
        own = own_variables(self.model)  # metrics make theirs in the first step
        self._variables = [tensorflow_variable(each) for each in own]
        marks = [_mark(each, number) for number, each in enumerate(self._variables)]
        with zipfile.ZipFile(path) as archive:
            # Not of the marked one: settings may be those of a variable, such as rates.
            members = {name: archive.read(name) for name in archive.namelist()}
        with scratch_beside(path) as scratch, _marked(self._variables, marks):
            self.model.save(scratch / path.name)
            with zipfile.ZipFile(scratch / path.name) as archive:
                weights = archive.read(WEIGHTS)
        self._members = {**members, WEIGHTS: b""}
        self._parts = find_parts(weights, marks)
        if self._parts is None:
            logger.info(
                "%s holds more than variables: Keras saves it, between epochs, which "
                "takes longer",
                path.name.replace(".partial", ""),
            )

    def _write(self, path: Path, values: list[tf.Tensor]) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self._members.items():
                if name == WEIGHTS:
                    self._write_weights(archive, values)
                else:
                    is_dated = name == METADATA
                    archive.writestr(name, _dated(content) if is_dated else content)

    def _write_weights(self, archive: zipfile.ZipFile, values: list[tf.Tensor]) -> None:
        parts = [
            # Not `numpy()`, which copies.
            memoryview(values[part]) if isinstance(part, int) else memoryview(part)
            for part in self._parts or ()
        ]
        member = zipfile.ZipInfo(WEIGHTS, time.localtime()[:6])
        member.file_size = sum(part.nbytes for part in parts)
        with archive.open(member, "w") as file:
            for part in parts:
                file.write(part)


def find_parts(weights: bytes, marks: Sequence[np.ndarray]) -> Parts | None:
    """What a file with weights consists of.

    Args:
        weights: the HDF5 file of variables that hold their marks.
        marks: an array of its own for each variable.

    Returns:
        The parts, in order; None if some of its numbers are no variable's, or may be
        those of several.
    """
    numbers = {_key(mark): number for number, mark in enumerate(marks) if mark.size}
    if len(numbers) < sum(bool(mark.size) for mark in marks):
        return None
    parts: Parts = []
    end = 0
    with h5py.File(io.BytesIO(weights), "r") as file:
        for offset, values in _arrays(file):
            number = numbers.get(_key(values))
            if offset < end or number is None:
                return None
            if not np.array_equal(values, marks[number]):
                return None
            parts += [weights[end:offset], number]
            end = offset + values.nbytes
    return [*parts, weights[end:]]


def _arrays(file: h5py.File) -> Iterator[tuple[int, np.ndarray]]:
    """Arrays of an HDF5 file, with where they begin; -1: it holds them otherwise."""
    found: list[tuple[int, h5py.Dataset]] = []

    def note(_: str, each: Any) -> None:
        if isinstance(each, h5py.Dataset) and each.size:
            offset = each.id.get_offset()
            found.append((-1 if offset is None else offset, each))

    file.visititems(note)
    for offset, each in sorted(found, key=lambda pair: pair[0]):
        yield offset, np.asarray(each[()])


@contextlib.contextmanager
def _marked(variables: Sequence[Any], marks: Sequence[np.ndarray]) -> Iterator[None]:
    """Variables have other values in here."""
    copies = [copy for each in variables for copy in _on_devices(each)]
    values = [tf.identity(copy) for copy in copies]
    try:
        for variable, mark in zip(variables, marks, strict=True):
            variable.assign(mark)
        yield
    finally:
        for copy, value in zip(copies, values, strict=True):
            copy.assign(value)


def _mark(variable: Any, number: int) -> np.ndarray:
    """What a variable holds while its place is looked for."""
    own = np.array(number + 1).astype(variable.dtype.as_numpy_dtype)
    return np.broadcast_to(own, tuple(variable.shape))


def _key(values: np.ndarray) -> tuple:
    return values.shape, values.dtype.str, values.flat[0].item()


def _on_devices(variable: Any) -> tuple[Any, ...]:
    """A variable on each device, where there are several: they may differ."""
    return tuple(getattr(variable, "values", (variable,)))


def _dated(metadata: bytes) -> bytes:
    """The same, as of now."""
    content = json.loads(metadata)
    content["date_saved"] = datetime.datetime.now().strftime(DATE)
    return json.dumps(content).encode()
