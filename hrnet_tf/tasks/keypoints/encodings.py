"""The ways in which keypoints are written as heatmaps and read from them, by name."""

from typing import Literal, get_args

Encoding = Literal["plain", "dark", "udp", "udp_offsets"]
ENCODINGS = get_args(Encoding)
Refinement = Literal["none", "quarter", "quarter_by_axis", "dark", "udp"]
REFINEMENTS = get_args(Refinement)

# What the authors of each encoding decode with.
USUAL: dict[Encoding, Refinement] = {
    "plain": "quarter",
    "dark": "dark",
    "udp": "udp",
    "udp_offsets": "none",
}


def is_unbiased(encoding: Encoding) -> bool:
    """Whether lengths are counted from middle to middle of pixels (UDP).

    Crops are cut so then, and mirrored heatmaps need no shift.
    """
    return encoding in ("udp", "udp_offsets")


def check_refinement(encoding: Encoding, refinement: Refinement) -> str:
    """What speaks against reading heatmaps of an encoding so, in words; "": nothing."""
    if encoding == "udp_offsets" and refinement != "none":
        return (
            "with the encoding udp_offsets the network itself answers how far a "
            f"keypoint is from its cell: the refinement must be none, got {refinement}"
        )
    return ""
