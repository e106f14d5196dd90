import threading
import time

import pytest

from hrnet_tf.common.pipelines import Behind, ahead


def test_results_come_in_order_and_are_made_ahead():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.02 if number == 0 else 0)
        return number * 10

    results = ahead(work, range(20), most=5, threads=3)
    assert next(results) == 0
    time.sleep(0.05)
    assert 3 <= len(begun) <= 6  # some of them, and no more than may wait
    assert list(results) == [number * 10 for number in range(1, 20)]


def test_an_error_is_raised_where_its_result_is_due():
    def work(number):
        if number == 2:
            raise ValueError("the third")
        return number

    results = ahead(work, range(9), most=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(results)


def test_heavy_results_are_not_piled_up():
    begun = []
    results = ahead(
        lambda number: begun.append(number) or number,
        range(50),
        most=40,
        threads=1,
        weigh=lambda done: 10,
        limit=25,
    )
    for number in results:
        time.sleep(0.002)
        assert len(begun) <= number + 6


def test_what_is_made_side_by_side_is_kept_in_order():
    kept, makers = [], set()

    def make(number):
        makers.add(threading.current_thread().name)
        time.sleep(0.01 * (3 - number % 3))
        return number

    with Behind(most=6, threads=3) as behind:
        for number in range(12):
            behind.put(lambda number=number: make(number), kept.append)
    assert kept == list(range(12))
    assert len(makers) == 3


def follow(behind, numbers, keep, error=None):
    """Have numbers kept, slowly; then an error, if there is one."""
    with behind:
        for number in range(numbers):
            behind.put(lambda number=number: time.sleep(0.01) or number, keep)
        if error is not None:
            raise error


def test_after_an_error_nothing_more_is_kept():
    kept = []

    def keep(number):
        if number == 3:
            raise OSError("no room")
        kept.append(number)

    with pytest.raises(OSError, match="no room"):
        follow(Behind(most=4), 50, keep)
    assert kept == [0, 1, 2]


def test_what_came_before_an_error_is_done():
    kept = []
    with pytest.raises(ValueError, match="of the image"):
        follow(Behind(most=9), 3, kept.append, ValueError("of the image"))
    assert kept == [0, 1, 2]


def test_an_interruption_does_not_wait():
    kept = []
    with pytest.raises(KeyboardInterrupt):
        follow(Behind(most=99, threads=1), 50, kept.append, KeyboardInterrupt())
    assert len(kept) < 10
