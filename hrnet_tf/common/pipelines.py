"""Work in threads around a step that one thread does: before it and behind it."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

THREADS = min(4, os.cpu_count() or 1)


def ahead(
    work: Callable[[Item], Done],
    items: Iterable[Item],
    most: int,
    threads: int = THREADS,
    weigh: Callable[[Done], int] = lambda done: 0,
    limit: int = 1,
) -> Generator[Done, None, None]:
    """`map` in threads, ahead of who takes the results; in order.

    Args:
        work: what is done with each item. What it raises is raised where its result is
            due.
        items: taken one by one, in the thread that takes the results.
        most: results that are there or on their way at once.
        threads: that work.
        weigh: how heavy a result is.
        limit: where finished results that wait are together as heavy, nothing more is
            begun; up to `threads` are on their way then, whatever they weigh.

    Example:
        ```python
        for image in ahead(read_image, files, most=16):
            ...  # the next ones are read meanwhile
        ```
    """
    waiting: deque[Future[Done]] = deque()
    room = _Room(limit)

    def begin(number: int, item: Item) -> Done:
        room.wait(number)
        done = work(item)
        room.take(weigh(done))
        return done

    def oldest() -> Done:
        done = waiting.popleft().result()
        room.give_back(weigh(done))
        return done

    with ThreadPoolExecutor(threads) as pool:
        try:
            for number, item in enumerate(items):
                if len(waiting) >= most:
                    yield oldest()
                waiting.append(pool.submit(begin, number, item))
            while waiting:
                yield oldest()
        finally:
            for future in waiting:
                future.cancel()
            room.open()


class _Room:
    """Room for results that wait; whose turn it is need not wait for it.

    Args:
        limit: how heavy what waits may be before nothing more is begun.
    """

    def __init__(self, limit: int):
        self.limit, self.held, self.due = limit, 0, 0
        self.changed = threading.Condition()

    def wait(self, number: int) -> None:
        """Wait until the item of this number may be begun."""
        with self.changed:
            self.changed.wait_for(lambda: self.held < self.limit or number <= self.due)

    def take(self, weight: int) -> None:
        """A result waits."""
        with self.changed:
            self.held += weight

    def give_back(self, weight: int) -> None:
        """The oldest result has been taken."""
        with self.changed:
            self.held -= weight
            self.due += 1
            self.changed.notify_all()

    def open(self) -> None:
        """Let nobody wait any more."""
        with self.changed:
            self.held = -1
            self.changed.notify_all()


class Behind:
    """Follows a thread with what remains to be done: made side by side, kept in order.

    Leaving it waits for all of it, even where an error is the reason: what came before
    the error is done, as if there were one thread. Only an interruption does not wait.

    Args:
        most: pieces of work that wait at once; who brings more waits for the oldest.
        limit: how heavy they may be together, but for one.
        threads: that make.

    Example:
        ```python
        with Behind(most=8) as behind:
            for number, image in enumerate(images):
                behind.put(lambda x=image: encode(x), lambda data: files.append(data))
        ```
    """

    def __init__(self, most: int, limit: int = 1, threads: int = THREADS):
        self.most, self.limit = most, limit
        self._makers, self._keeper = ThreadPoolExecutor(threads), ThreadPoolExecutor(1)
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._failed = False

    def put(
        self, make: Callable[[], Done], keep: Callable[[Done], Any], weight: int = 0
    ) -> None:
        """Have something made, and kept once all that was put before it is.

        Args:
            make: may run beside others.
            keep: takes what is made; runs alone, in order, and no more after an error.
            weight: of it while it waits.

        Raises:
            Exception: what earlier work has raised.
        """
        while self._waiting and (
            len(self._waiting) >= self.most
            or sum(each for _, each in self._waiting) + weight > self.limit
        ):
            self._take()
        made = self._makers.submit(make)
        kept = self._keeper.submit(self._keep, made, keep)
        self._waiting.append((kept, weight))

    def finish(self) -> None:
        """Wait for all that has been put; raises what it has raised."""
        while self._waiting:
            self._take()

    def _take(self) -> None:
        self._waiting.popleft()[0].result()

    def _keep(self, made: Future[Done], keep: Callable[[Done], Any]) -> None:
        if self._failed:
            return
        try:
            keep(made.result())
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> "Behind":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        interrupted = kind is not None and not issubclass(kind, Exception)
        try:
            if not interrupted:
                self.finish()
        finally:
            self._failed = True
            self._makers.shutdown(cancel_futures=True)
            self._keeper.shutdown(cancel_futures=True)
