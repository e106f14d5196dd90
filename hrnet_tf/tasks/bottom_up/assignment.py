"""Who gets which candidate: the cheapest assignment, and a rule where costs tie.

Costs of bottom-up grouping tie often, since they are rounded distances and a term that
is the same for everybody. Which of two equally cheap assignments comes out decides whom
a keypoint belongs to, so the order of this search is part of the method. SciPy's solver
finds other people in one of ten small matrices.
"""

import numpy as np


def assign(cost: np.ndarray) -> np.ndarray:
    """The cheapest assignment of rows to columns (Hungarian method).

    Among equally cheap ones it is that of the `munkres` package, version 1: zeros are
    starred greedily in row-major order; an uncovered zero is looked for row by row, in
    a circle from the row of the last one, and in the first row that has any the last
    one is taken that a walk in a circle from the column uncovered last meets.

    Args:
        cost: float `(rows, columns)`, finite.

    Returns:
        int64 `(rows,)`, the column of each row; -1 for rows that get none, if there are
        more rows than columns.

    Source: Munkres, Algorithms for the assignment and transportation problems, 1957.

    Example:
        ```python
        assign(np.array([[1.0, 2.0], [1.0, 9.0]]))  # [1, 0]
        ```
    """
    rows, columns = cost.shape
    side = max(rows, columns)
    table = np.zeros((side, side))
    table[:rows, :columns] = cost
    table -= table.min(axis=1, keepdims=True)
    stars = _greedy_stars(table)
    if (stars < 0).any():
        _Search(table, stars).complete()
    found = stars[:rows]
    return np.where(found < columns, found, -1)


def _greedy_stars(table: np.ndarray) -> np.ndarray:
    """For each row the first column with a zero that no row above has taken; or -1."""
    stars = np.full(len(table), -1)
    taken: set[int] = set()
    zeros: list[list[int]] = [[] for _ in table]
    for row, column in np.argwhere(table == 0).tolist():
        zeros[row].append(column)
    for row, own in enumerate(zeros):
        column = next((column for column in own if column not in taken), -1)
        if column >= 0:
            stars[row] = column
            taken.add(column)
    return stars


class _Search:
    """Moves stars and lowers costs until every row has a star.

    Attributes:
        table: the costs that are left, square; changed.
        stars: the column of each row's star, or -1; changed.
    """

    def __init__(self, table: np.ndarray, stars: np.ndarray):
        self.table = table
        self.stars = stars
        self.primes = np.full(len(stars), -1)
        self._cover_stars()

    def _cover_stars(self) -> None:
        self.covered_rows = np.zeros(len(self.stars), bool)
        self.covered_columns = np.zeros(len(self.stars), bool)
        self.covered_columns[self.stars[self.stars >= 0]] = True

    def complete(self) -> None:
        """Give each row a star."""
        while (self.stars < 0).any():
            row, column = 0, 0  # of the last zero, and of the last uncovered column
            while True:
                zero = self._uncovered_zero(row, column)
                if zero is None:
                    self._lower()
                    row, column = 0, 0
                    continue
                row, column = zero
                self.primes[row] = column
                if self.stars[row] < 0:
                    self._augment(row)
                    break
                column = int(self.stars[row])
                self.covered_rows[row] = True
                self.covered_columns[column] = False

    def _uncovered_zero(self, row: int, column: int) -> tuple[int, int] | None:
        zeros = (self.table == 0) & ~self.covered_rows[:, None] & ~self.covered_columns
        order = np.roll(np.arange(len(zeros)), -row)
        found = order[zeros[order].any(axis=1)]
        if not found.size:
            return None
        walk = np.roll(np.arange(len(zeros)), -column)
        return int(found[0]), int(walk[zeros[found[0]][walk]][-1])

    def _lower(self) -> None:
        """Make a zero where none is uncovered."""
        free = self.table[~self.covered_rows][:, ~self.covered_columns]
        least = free.min()
        self.table[self.covered_rows] += least
        self.table[:, ~self.covered_columns] -= least

    def _augment(self, row: int) -> None:
        """Exchange stars and primes along the path from a prime whose row has none."""
        while row >= 0:
            column = self.primes[row]
            (others,) = np.nonzero(self.stars == column)
            self.stars[row] = column
            row = int(others[0]) if others.size else -1
        self.primes[:] = -1
        self._cover_stars()
