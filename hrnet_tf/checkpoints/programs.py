"""Pickles as data: a reader that imports, builds and calls nothing.

A pickle is a program for a small machine with a stack. The one here knows its
instructions, keeps containers, texts and numbers, and describes tensors. Every other
object, a NumPy array or a training program's settings, becomes an `Inert`: its class's
name, without what was in it. Time and memory are linear in the program's length.
"""

import codecs
import struct
from collections.abc import Callable
from typing import Any

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.machine import Inert, Machine, Name

# Python's own functions and modules that run programs, open files or reach the network:
# no training program saves them, so a file that names one is an attack.
FORBIDDEN_FUNCTIONS = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in (
        *("eval", "exec", "execfile", "compile", "open", "file", "input", "apply"),
        *("__import__", "breakpoint", "setattr", "delattr", "globals", "locals"),
    )
)
FORBIDDEN_MODULES = frozenset(
    (
        *("os", "posix", "nt", "sys", "subprocess", "pty", "shutil", "socket"),
        *("urllib", "http", "ftplib", "smtplib", "webbrowser", "runpy", "importlib"),
        *("ctypes", "marshal", "pickle", "_pickle", "cPickle", "pdb", "bdb", "timeit"),
    )
)


class ForbiddenError(Exception):
    """A pickle names a function that would do harm; the text is its name."""


def _global(machine: Machine, module: str, name: str) -> None:
    text = f"{module}.{name}"
    if len(text) > limits.NAME or not text.isprintable():
        raise ValueError(f"a class with the name {limits.brief(text)!r}")
    if text in FORBIDDEN_FUNCTIONS or module.split(".")[0] in FORBIDDEN_MODULES:
        raise ForbiddenError(text)
    machine.push(Name(text))


def _global_from_lines(machine: Machine) -> None:
    module, name = machine.line().decode(), machine.line().decode()
    _global(machine, module, name)


def _global_from_stack(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("a class whose name is no text")
    _global(machine, module, name)


def _make(machine: Machine, function: Any, arguments: Any) -> None:
    """Rebuild what is known; keep the name of all else."""
    if not isinstance(function, Name):
        machine.push(Inert("an object"))
    elif function.text not in machine.rebuild:
        machine.push(Inert(function.text))
    elif not isinstance(arguments, tuple) or len(arguments) > MOST_ARGUMENTS:
        raise ValueError(f"{function.text} without its arguments, or with too many")
    else:
        machine.push(machine.rebuild[function.text](*arguments))


def _reduce(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    _make(machine, function, arguments)


def _new_with_keywords(machine: Machine) -> None:
    machine.pop()
    _reduce(machine)


def _object(machine: Machine) -> None:
    function, *arguments = machine.pop_mark()
    _make(machine, function, tuple(arguments))


def _instance(machine: Machine) -> None:
    arguments = tuple(machine.pop_mark())
    _global_from_lines(machine)
    _make(machine, machine.pop(), arguments)


def _build(machine: Machine) -> None:
    """Give an object its attributes, of which nothing is kept."""
    machine.pop()
    target = machine.top()
    if isinstance(target, WITHOUT_ATTRIBUTES):
        raise ValueError("the pickle sets attributes of what has none")


def _append(machine: Machine) -> None:
    value = machine.pop()
    _extend(machine.top(), [value])


def _appends(machine: Machine) -> None:
    values = machine.pop_mark()
    _extend(machine.top(), values)


def _extend(target: Any, values: list[Any]) -> None:
    if isinstance(target, list):
        target += values
    elif not isinstance(target, Inert):
        raise ValueError("the pickle appends to what is no list")


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _update(machine.top(), [key, value])


def _set_items(machine: Machine) -> None:
    values = machine.pop_mark()
    _update(machine.top(), values)


def _update(target: Any, values: list[Any]) -> None:
    if not isinstance(target, dict):
        raise ValueError("the pickle sets entries of what is no mapping")
    if len(values) % 2:
        raise ValueError("a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[_key(key)] = value


def _key(key: Any) -> Any:
    """A key as it is, or something in its place if its hash could take long."""
    if isinstance(key, str) or key is None:
        return key
    if isinstance(key, int) and -LARGEST_KEY < key < LARGEST_KEY:
        return key
    return Inert(type(key).__name__)


def dictionary(pairs: Any = None, *_: Any) -> dict[Any, Any]:
    """A mapping, from a list of pairs if one is given, as Python 2 wrote them.

    The list is used up: rebuilding from the same one again and again costs nothing.
    """
    found: dict[Any, Any] = {}
    if isinstance(pairs, list):
        for pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ValueError("a mapping from what are no pairs")
            _update(found, list(pair))
        pairs.clear()
    return pairs if isinstance(pairs, dict) else found


def _dictionary_from_mark(machine: Machine) -> None:
    found: dict[Any, Any] = {}
    _update(found, machine.pop_mark())
    machine.push(found)


def _tuple(count: int) -> Callable[[Machine], None]:
    def run(machine: Machine) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return run


def _put(machine: Machine, index: int) -> None:
    if index < 0:
        raise ValueError("the pickle remembers something at a negative place")
    machine.memo[index] = machine.top()


def _get(machine: Machine, index: int) -> None:
    if index not in machine.memo:
        raise ValueError("the pickle refers to what it has not remembered")
    machine.push(machine.memo[index])


def _number(
    layout: str, use: Callable[[Machine, Any], None]
) -> Callable[[Machine], None]:
    """An instruction with a number behind it."""
    form = struct.Struct(layout)

    def run(machine: Machine) -> None:
        use(machine, form.unpack(machine.take(form.size))[0])

    return run


def _text_number(use: Callable[[Machine, Any], None]) -> Callable[[Machine], None]:
    """An instruction with a decimal number on a line behind it."""

    def run(machine: Machine) -> None:
        line = machine.line()
        if len(line) > DIGITS:
            raise ValueError(f"a number of {len(line)} digits")
        use(machine, int(line.rstrip(b"L") or b"0"))

    return run


def _float_line(machine: Machine) -> None:
    machine.push(float(machine.line()))


def _integer_line(machine: Machine) -> None:
    line = machine.line()
    if line in (b"00", b"01"):  # how the oldest protocol writes False and True
        machine.push(line == b"01")
    elif len(line) > DIGITS:
        raise ValueError(f"a number of {len(line)} digits")
    else:
        machine.push(int(line))


def _long(machine: Machine, count: int) -> None:
    if count > DIGITS:
        raise ValueError(f"a number of {count} bytes")
    machine.push(int.from_bytes(machine.keep(count), "little", signed=True))


def _counted(
    layout: str, make: Callable[[bytes], Any], kind: str
) -> Callable[[Machine], None]:
    """An instruction with a length and so many bytes behind it."""

    def use(machine: Machine, count: int) -> None:
        found = machine.keep(count)
        machine.push(make(found) if count <= limits.PIECE else Inert(kind))

    return _number(layout, use)


def _old_text(raw: bytes) -> str | bytes:
    """A string of Python 2, which is text or bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _quoted_line(machine: Machine) -> None:
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("a text without its quotes")
    raw, _ = codecs.escape_decode(line[1:-1])  # type: ignore[attr-defined]
    machine.push(_old_text(raw))


def _unicode_line(machine: Machine) -> None:
    machine.push(machine.line().decode("raw-unicode-escape"))


def _pass(machine: Machine, _: int) -> None:
    """Protocol and frames tell nothing that is needed."""


WITHOUT_ATTRIBUTES = (Name, list, tuple, str, bytes, int, float, type(None))
MOST_ARGUMENTS = 16  # of what is rebuilt
STOP = ord(".")
DIGITS = 1000
LARGEST_KEY = (1 << 61) - 1  # below it integers have hashes of their own

INSTRUCTIONS: dict[int, Callable[[Machine], None]] = {
    ord(code): instruction
    for code, instruction in {
        # What stands on the stack.
        "(": Machine.mark,
        "0": lambda m: m.pop() if m.stack else m.pop_mark(),
        "1": lambda m: m.pop_mark(),
        "2": lambda m: m.push(m.top()),
        # Values.
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "I": _integer_line,
        "L": _text_number(Machine.push),
        "F": _float_line,
        "J": _number("<i", Machine.push),
        "K": _number("<B", Machine.push),
        "M": _number("<H", Machine.push),
        "G": _number(">d", Machine.push),
        "\x8a": _number("<B", _long),
        "\x8b": _number("<i", _long),
        "S": _quoted_line,
        "V": _unicode_line,
        "T": _counted("<i", _old_text, "text"),
        "U": _counted("<B", _old_text, "text"),
        "X": _counted("<I", _text, "text"),
        "\x8c": _counted("<B", _text, "text"),
        "\x8d": _counted("<Q", _text, "text"),
        "B": _counted("<I", bytes, "bytes"),
        "C": _counted("<B", bytes, "bytes"),
        "\x8e": _counted("<Q", bytes, "bytes"),
        "\x96": _counted("<Q", bytes, "bytes"),
        # Containers.
        "]": lambda m: m.push([]),
        "}": lambda m: m.push({}),
        ")": lambda m: m.push(()),
        "\x8f": lambda m: m.push(Inert("set")),
        "l": lambda m: m.push(m.pop_mark()),
        "d": _dictionary_from_mark,
        "t": lambda m: m.push(tuple(m.pop_mark())),
        "\x85": _tuple(1),
        "\x86": _tuple(2),
        "\x87": _tuple(3),
        "\x91": lambda m: (m.pop_mark(), m.push(Inert("frozenset"))),
        "a": _append,
        "e": _appends,
        "\x90": _appends,
        "s": _set_item,
        "u": _set_items,
        # What is remembered.
        "p": _text_number(_put),
        "q": _number("<B", _put),
        "r": _number("<I", _put),
        "\x94": lambda m: _put(m, len(m.memo)),
        "g": _text_number(_get),
        "h": _number("<B", _get),
        "j": _number("<I", _get),
        # Objects.
        "c": _global_from_lines,
        "\x93": _global_from_stack,
        "R": _reduce,
        "\x81": _reduce,
        "\x92": _new_with_keywords,
        "o": _object,
        "i": _instance,
        "b": _build,
        "Q": lambda m: m.push(m.refer(m.pop())),
        "P": lambda m: m.push(m.refer(m.line().decode())),
        "\x80": _number("<B", _pass),
        "\x95": _number("<Q", _pass),
    }.items()
}


def run(machine: Machine) -> Any:
    """What the pickle at a machine's position makes.

    Raises:
        ForbiddenError: if it names a function that would do harm.
        ValueError, LookupError, TypeError: if it is damaged or too long.

    Example:
        ```python
        content = memoryview(pickle.dumps({"epoch": 3, "time": datetime.now()}))
        run(Machine(content, 0, rebuild={}, refer=str))  # {"epoch": 3, "time": Inert}
        ```
    """
    content, end = machine.content, len(machine.content)
    for _ in range(limits.INSTRUCTIONS):
        if machine.position >= end:
            raise EOFError("the pickle ends early")
        code = content[machine.position]
        machine.position += 1
        if code == STOP:
            return machine.pop()
        instruction = INSTRUCTIONS.get(code)
        if instruction is None:
            raise ValueError(f"unknown instruction {code:#04x} in the pickle")
        instruction(machine)
    raise ValueError(f"its pickle has more than {limits.INSTRUCTIONS:,} instructions")
