"""Which samples: some from everywhere, or all of them equally often."""

import numpy as np


def spread(total: int, count: int) -> np.ndarray:
    """Some of all samples, from everywhere among them.

    Args:
        total: how many there are.
        count: how many to take; fewer are taken if there are no more.

    Returns:
        int64, indices that rise from the first sample to the last.
    """
    return np.unique(np.linspace(0, total - 1, count).astype(int))


def in_rounds(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many samples at random, each equally often, give or take one.

    Args:
        total: how many there are.
        count: how many to take, more than there are or fewer.
        rng: where all chance comes from; it is asked once a round.

    Returns:
        int64 `(count,)`, indices: all samples in a new order in each round.
    """
    rounds = -(-count // total)
    return np.concatenate([rng.permutation(total) for _ in range(rounds)])[:count]
