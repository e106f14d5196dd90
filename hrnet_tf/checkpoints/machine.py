"""The machine that pickles are programs for, and the values that it works on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hrnet_tf.checkpoints import limits


@dataclass(frozen=True)
class Name:
    """A class or function as a pickle names it, such as `torch.FloatStorage`."""

    text: str


class Inert(dict):
    """An object of some class, not built; of mappings the entries are kept.

    Attributes:
        kind: the class's name.
    """

    __slots__ = ("kind",)

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


# What a pickle may have rebuilt: functions of the arguments, by name.
Rebuild = dict[str, Callable[..., Any]]


class Machine:
    """What a pickle works on: a stack, marks in it, and a memory.

    Args:
        content: bytes that hold it.
        position: of the next instruction.
        rebuild: what is rebuilt; all other objects become inert.
        refer: makes something of a persistent id.
    """

    def __init__(
        self,
        content: memoryview,
        position: int,
        rebuild: Rebuild,
        refer: Callable[[Any], Any],
    ):
        self.content, self.position = content, position
        self.rebuild, self.refer = rebuild, refer
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.text = 0

    def take(self, count: int) -> memoryview:
        """The next bytes."""
        start, self.position = self.position, self.position + count
        if count < 0 or self.position > len(self.content):
            raise EOFError("the pickle ends early")
        return self.content[start : self.position]

    def line(self) -> bytes:
        """The bytes up to a line's end."""
        start = self.position
        found = bytes(self.content[start : start + limits.PIECE])
        length = found.find(b"\n")
        if length < 0:
            raise ValueError("a line of the pickle does not end")
        self.position += length + 1
        return found[:length]

    def pop(self) -> Any:
        """The last thing on the stack."""
        if not self.stack:
            raise ValueError("the pickle takes from an empty stack")
        return self.stack.pop()

    def mark(self) -> None:
        """Begin a part of the stack."""
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """Everything on the stack since the last mark."""
        if not self.marks:
            raise ValueError("the pickle has no mark where it needs one")
        found, self.stack = self.stack, self.marks.pop()
        return found

    def top(self) -> Any:
        """The last thing on the stack, which stays there."""
        if not self.stack:
            raise ValueError("the pickle looks at an empty stack")
        return self.stack[-1]

    def push(self, value: Any) -> None:
        """Put something on the stack."""
        self.stack.append(value)

    def keep(self, count: int) -> bytes:
        """The next bytes, copied; of many nothing."""
        found = self.take(count)
        self.text += count if count <= limits.PIECE else 0
        if self.text > limits.TEXT:
            raise ValueError(f"its pickle has more than {limits.TEXT:,} bytes of text")
        return bytes(found) if count <= limits.PIECE else b""
