"""Two sets of detections: which of one are which of the other, and how far apart.

Who comes first among equals, and who is just good enough to come up at all, rounding
decides; so detections are compared as a set, and those at the margin are let go.
"""

from collections.abc import Mapping

import numpy as np

from hrnet_tf.tasks.detection.manifest import LEAST

PIXELS = 100.0  # a share of 1e-3 is a tenth of a pixel
MARGIN = 1e-3  # of scores

Arrays = Mapping[str, np.ndarray]


def differences(
    expected: Arrays, found: Arrays, least: float = LEAST
) -> dict[str, float]:
    """How far what was found is from what was expected.

    Args:
        expected: `boxes` `(n, most, 4)`, `scores` and `labels` `(n, most)`, `counts`
            `(n,)` and maybe `masks` `(n, most, h, w)`.
        found: the same, and what else there is.
        least: scores are higher.

    Returns:
        By name the largest difference between partners, one another's nearest of a
        class: of `boxes` in hundreds of pixels, of the others as they are. `labels` is
        the share of detections that have no partner, of which those at the margin do
        not count. Infinite where shapes differ, and for what is no number.
    """
    told = {name: 0.0 for name in expected if name != "counts"}
    for name, values in expected.items():
        if values.shape != found[name].shape:
            return dict.fromkeys(told, np.inf)
    without, total = 0, 0
    for row in range(len(expected["counts"])):
        own, other = (
            _of_image({name: of[name] for name in expected}, row)
            for of in (expected, found)
        )
        most = expected["scores"].shape[1]
        pairs, alone = _partners(own, other, most, least)
        without += alone
        total += max(len(own["scores"]), len(other["scores"]))
        for name in told.keys() - {"labels"}:
            apart = own[name][pairs[:, 0]] - other[name][pairs[:, 1]]
            apart = np.nan_to_num(np.abs(apart), nan=np.inf).max(initial=0.0)
            apart = apart / PIXELS if name == "boxes" else apart
            told[name] = max(told[name], float(apart))
    told["labels"] = without / max(total, 1)
    return told


def _of_image(answers: Arrays, row: int) -> dict[str, np.ndarray]:
    """What is found in one image of a batch, as float64."""
    count = int(answers["counts"][row])
    return {
        name: np.asarray(values[row][:count], np.float64)
        for name, values in answers.items()
        if name != "counts"
    }


def _partners(
    own: dict[str, np.ndarray], other: dict[str, np.ndarray], most: int, least: float
) -> tuple[np.ndarray, int]:
    """Pairs `(n, 2)`, and how many have no partner that should have one.

    One may be missing whose score is hardly above the least that comes up, or, where
    there is no more place, hardly above the worst.
    """
    apart = np.abs(own["boxes"][:, None] - other["boxes"][None]).max(axis=-1) / PIXELS
    scores = np.abs(own["scores"][:, None] - other["scores"][None])
    apart = np.nan_to_num(np.maximum(apart, scores), nan=np.inf)
    apart[own["labels"][:, None] != other["labels"][None]] = np.inf
    pairs = []
    for first in range(len(apart)):
        second = int(apart[first].argmin()) if apart.shape[1] else -1
        # Farther apart than a pixel and a hundredth they are two.
        if second >= 0 and apart[first, second] <= 10 * MARGIN:
            pairs.append((first, second))
            apart[:, second] = np.inf
    found = np.array(pairs, int).reshape(-1, 2)
    alone = 0
    full = [each["scores"] for each in (own, other) if len(each["scores"]) == most]
    margin = max([least, *(scores.min() for scores in full)]) + MARGIN
    for side, column in ((own, 0), (other, 1)):
        left = np.delete(side["scores"], found[:, column])
        alone += int(np.sum(~(left <= margin)))
    return found, alone
