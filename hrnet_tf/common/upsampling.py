"""How maps are enlarged: the rules of the official repositories by name."""

from typing import Literal, get_args

Upsampling = Literal["nearest", "bilinear", "bilinear_align_corners"]
UPSAMPLING: tuple[str, ...] = get_args(Upsampling)
