"""Pickles and archives written by hand, as attackers and other programs write them."""

import pickle
import zipfile

import numpy as np


class Global:
    """A class or function by its name, which need not exist, and its arguments."""

    def __init__(self, name, *arguments, state=None, items=()):
        self.name, self.arguments = name, arguments
        self.state, self.items = state, items


class Reference:
    """A persistent id."""

    def __init__(self, saved_id):
        self.saved_id = saved_id


class Bare:
    """A class or function by its name alone."""

    def __init__(self, name):
        self.name = name


def tensor(key, shape, storage="torch.FloatStorage", offset=0, strides=None):
    """A tensor as `torch.save` describes it."""
    count = int(np.prod(shape))
    if strides is None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    place = Reference(("storage", Bare(storage), str(key), "cpu", count))
    hooks = Global("collections.OrderedDict")
    call = "torch._utils._rebuild_tensor_v2"
    return Global(call, place, offset, tuple(shape), strides, False, hooks)


def dumps(value):
    """A pickle of protocol 2 with the above in it."""
    return b"\x80\x02" + _write(value) + b"."


def _write(value):
    if isinstance(value, Bare):
        module, _, name = value.name.rpartition(".")
        return f"c{module}\n{name}\n".encode()
    if isinstance(value, Reference):
        return _write(value.saved_id) + b"Q"
    if isinstance(value, Global):
        parts = [_write(Bare(value.name)), _write(value.arguments), b"R"]
        for key, item in value.items:
            parts += [_write(key), _write(item), b"s"]
        if value.state is not None:
            parts += [_write(value.state), b"b"]
        return b"".join(parts)
    if isinstance(value, dict):
        entries = b"".join(_write(k) + _write(v) for k, v in value.items())
        return b"}(" + entries + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_write, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_write, value)) + b"t"
    return pickle.dumps(value, 2)[2:-1]


def write_archive(path, program, storages=(), *, method=zipfile.ZIP_STORED, **more):
    """A `.pth` file of a pickle, of storages by key, and of more entries by name."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, values in dict(storages).items():
            archive.writestr(f"archive/data/{key}", np.asarray(values).tobytes())
        for name, content in more.items():
            archive.writestr(f"archive/{name}", content)
    return path


def save(path, value, storages=(), **more):
    """A `.pth` file of a value."""
    return write_archive(path, dumps(value), storages, **more)
