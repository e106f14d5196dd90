"""MPII's metric: keypoints that lie within a share of the head's size (PCKh)."""

import numpy as np

# Keypoints that are looked at together; the pelvis and the thorax are not.
GROUPS = {
    "Head": ("head_top",),
    "Shoulder": ("right_shoulder", "left_shoulder"),
    "Elbow": ("right_elbow", "left_elbow"),
    "Wrist": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankle": ("right_ankle", "left_ankle"),
}
NOT_JUDGED = ("pelvis", "thorax")

HEAD_SHARE = 0.6  # of the diagonal of a head's box that counts as the head's size

# What the official program calls 0.1 is the twelfth of its thresholds from 0 on.
OFFICIAL_TENTH = 0.11


def pckh(
    found: np.ndarray,
    places: np.ndarray,
    annotated: np.ndarray,
    heads: np.ndarray,
    names: tuple[str, ...],
    threshold: float = 0.5,
) -> dict[str, float]:
    """Share of annotated keypoints that are found near enough.

    Args:
        found: `(n, k, 2)`, x and y in pixels.
        places: `(n, k, 2)`, where they are annotated.
        annotated: bool `(n, k)`, which of them are.
        heads: `(n, 2, 2)`, two opposite corners of each head's box.
        names: of the keypoints, those of `GROUPS` and `NOT_JUDGED` among them.
        threshold: largest distance that counts, in sizes of the head.

    Returns:
        A number in [0, 1] for each of `GROUPS`, the mean of its keypoints' shares, and
        for `Mean`, where each keypoint counts as often as it is annotated; -1 where
        nothing is.

    Source: Andriluka et al., 2D Human Pose Estimation, CVPR 2014, section 4; the
    official code of HRNet.
    """
    sizes = HEAD_SHARE * np.linalg.norm(heads[:, 1] - heads[:, 0], axis=-1)
    apart = np.linalg.norm(found - places, axis=-1) / sizes[:, None]
    near = (apart <= threshold) & annotated
    counts, hits = annotated.sum(axis=0), near.sum(axis=0)
    numbers = {}
    for group, members in GROUPS.items():
        own = np.array([names.index(member) for member in members])
        own = own[counts[own] > 0]
        numbers[group] = float((hits[own] / counts[own]).mean()) if own.size else -1.0
    judged = ~np.isin(names, NOT_JUDGED)
    total = counts[judged].sum()
    numbers["Mean"] = float(hits[judged].sum() / total) if total else -1.0
    return numbers


def head_statistics(
    found: np.ndarray,
    places: np.ndarray,
    annotated: np.ndarray,
    heads: np.ndarray,
    names: tuple[str, ...],
) -> dict[str, float]:
    """`pckh` at 0.5, at 0.1 (`Head@0.1` and so on), and the mean at 0.11.

    `Mean@0.11` is the number that the official code prints as `Mean@0.1`, and papers
    publish as such.
    """
    given = found, places, annotated, heads, names
    tenth = pckh(*given, threshold=0.1)
    return {
        **pckh(*given),
        **{f"{group}@0.1": value for group, value in tenth.items()},
        f"Mean@{OFFICIAL_TENTH}": pckh(*given, threshold=OFFICIAL_TENTH)["Mean"],
    }
