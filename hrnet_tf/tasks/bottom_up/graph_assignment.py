"""`assignment.assign` inside a graph: the same search, step by step."""

from typing import NamedTuple

import tensorflow as tf


def assign(cost: tf.Tensor) -> tf.Tensor:
    """The cheapest assignment of rows to columns; see `assignment.assign`.

    Args:
        cost: float64 `(rows, columns)`, finite, with at least as many columns as rows.

    Returns:
        int32 `(rows,)`, the column of each row.
    """
    table = cost - tf.reduce_min(cost, axis=1, keepdims=True)
    first = tf.argmax(table == 0, axis=1, output_type=tf.int32)
    columns = tf.shape(cost)[1]
    different = tf.reduce_max(tf.math.bincount(first, minlength=columns)) <= 1
    # If the cheapest columns differ, nobody's is taken by a row above.
    return tf.cond(different, lambda: first, lambda: _search(table))


class _State(NamedTuple):
    """How far the search is; see `assignment._Search`.

    Attributes:
        table: the costs that are left, square.
        stars: the column of each row's star, or -1.
        primes: the same of primes.
        covered_rows: bool.
        covered_columns: bool.
        row: of the last zero.
        column: that was uncovered last.
    """

    table: tf.Tensor
    stars: tf.Tensor
    primes: tf.Tensor
    covered_rows: tf.Tensor
    covered_columns: tf.Tensor
    row: tf.Tensor
    column: tf.Tensor


def _search(table: tf.Tensor) -> tf.Tensor:
    """Move stars and lower costs until every row has a star."""
    rows, side = tf.shape(table)[0], tf.shape(table)[1]
    table = tf.pad(table, [[0, side - rows], [0, 0]])
    begun = _begun(table, _greedy_stars(table))
    (found,) = tf.while_loop(
        lambda state: tf.reduce_any(state.stars < 0), _step, [begun]
    )
    return found.stars[:rows]


def _begun(table: tf.Tensor, stars: tf.Tensor) -> _State:
    """Only the columns of stars are covered."""
    zero = tf.constant(0)
    rows = tf.zeros_like(stars, tf.bool)
    columns = tf.reduce_any(_one_hot(stars), axis=0)
    return _State(table, stars, tf.fill(tf.shape(stars), -1), rows, columns, zero, zero)


def _one_hot(columns: tf.Tensor) -> tf.Tensor:
    return columns[:, None] == tf.range(tf.size(columns))


def _greedy_stars(table: tf.Tensor) -> tf.Tensor:
    """For each row the first column with a zero that no row above has taken; or -1."""
    zeros = table == 0
    side = tf.shape(table)[0]

    def step(
        row: tf.Tensor, stars: tf.Tensor, free: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        own = zeros[row] & free
        column = tf.argmax(own, output_type=tf.int32)
        column = tf.where(tf.reduce_any(own), column, -1)
        free &= tf.range(side) != column
        return row + 1, tf.where(tf.range(side) == row, column, stars), free

    begun = tf.constant(0), tf.fill([side], -1), tf.fill([side], True)
    return tf.while_loop(lambda row, *_: row < side, step, begun)[1]


def _step(state: _State) -> tuple[_State]:
    """Look for one uncovered zero, and do what it asks for."""
    open_rows, open_columns = ~state.covered_rows, ~state.covered_columns
    zeros = (state.table == 0) & open_rows[:, None] & open_columns
    some = tf.reduce_any(zeros, axis=1)
    # Row by row in a circle from the last zero's, and of that row the last one before
    # the column uncovered last comes round again.
    row = state.row + tf.argmax(tf.roll(some, -state.row, 0), output_type=tf.int32)
    row %= tf.size(some)
    walk = tf.roll(zeros[row], -state.column, 0)[::-1]
    steps = tf.argmax(walk, output_type=tf.int32)
    column = (state.column + tf.size(some) - 1 - steps) % tf.size(some)
    there = tf.reduce_any(some)
    return (
        tf.cond(
            there,
            lambda: tf.cond(
                state.stars[row] < 0,
                lambda: _augmented(_primed(state, row, column), row),
                lambda: _covered(_primed(state, row, column), row),
            ),
            lambda: _lowered(state),
        ),
    )


def _primed(state: _State, row: tf.Tensor, column: tf.Tensor) -> _State:
    here = tf.range(tf.size(state.stars)) == row
    return state._replace(primes=tf.where(here, column, state.primes))


def _covered(state: _State, row: tf.Tensor) -> _State:
    """Cover the zero's row in place of the column of its star."""
    numbers = tf.range(tf.size(state.stars))
    column = state.stars[row]
    return state._replace(
        covered_rows=state.covered_rows | (numbers == row),
        covered_columns=state.covered_columns & (numbers != column),
        row=row,
        column=column,
    )


def _lowered(state: _State) -> _State:
    """Make a zero where none is uncovered."""
    rows, columns = state.covered_rows[:, None], state.covered_columns
    much = tf.constant(float("inf"), state.table.dtype)
    least = tf.reduce_min(tf.where(rows | columns, much, state.table))
    zero = tf.zeros_like(least)
    table = state.table + tf.where(rows, least, zero)
    table -= tf.where(columns, zero, least)
    start = tf.constant(0)
    return state._replace(table=table, row=start, column=start)


def _augmented(state: _State, row: tf.Tensor) -> _State:
    """Exchange stars and primes along the path from a prime whose row has none."""
    numbers = tf.range(tf.size(state.stars))

    def step(row: tf.Tensor, stars: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        column = state.primes[row]
        others = stars == column
        found = tf.argmax(others, output_type=tf.int32)
        next_row = tf.where(tf.reduce_any(others), found, -1)
        return next_row, tf.where(numbers == row, column, stars)

    _, stars = tf.while_loop(lambda row, _: row >= 0, step, (row, state.stars))
    return _begun(state.table, stars)
