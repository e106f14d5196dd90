"""Every code base's names for the same tensors, to the official ones."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from hrnet_tf.errors import InputError

# What training programs and frameworks write before the names of a network.
PREFIXES = re.compile(
    r"^(module\.|model\.|1\.)*(backbone\.|keypoint_head\.|head\.(?=final_layer\.))?"
)

# A head of two convolutions, for faces, in both generations of one framework: all but
# the last layer, and the last one of the newer generation.
FACE_INNER = re.compile(r"^(keypoint_head\.final_layer|head\.conv_layers)\.(?=\d)")
FACE_LAST = re.compile(r"^head\.final_layer\.")

# What is saved beside a network: a loss's class weights, batch counters.
NO_WEIGHTS = re.compile(r"(^|\.)(loss|criterion)\.|(^|\.)num_batches_tracked$")

# The frameworks' blocks of convolution and batch norm, `NAME.conv` and `NAME.bn`, to
# the official names of the two.
OCR, OBJECTS = "decode_head.1", "ocr_distri_head.object_context_block"
BLOCKS: dict[str, tuple[str, str]] = {
    "decode_head.convs.0": ("last_layer.0", "last_layer.1"),
    "decode_head.0.convs.0": ("aux_head.0", "aux_head.1"),
    f"{OCR}.bottleneck": ("conv3x3_ocr.0", "conv3x3_ocr.1"),
    f"{OCR}.object_context_block.bottleneck": (
        "ocr_distri_head.conv_bn_dropout.0",
        "ocr_distri_head.conv_bn_dropout.1.0",
    ),
    **{
        f"{OCR}.object_context_block.{theirs}_project{number}": (
            f"{OBJECTS}.{ours}.{conv}",
            f"{OBJECTS}.{ours}.{conv + 1}.0",
        )
        for theirs, ours, number, conv in (
            ("query", "f_pixel", ".0", 0),
            ("query", "f_pixel", ".1", 2),
            ("key", "f_object", ".0", 0),
            ("key", "f_object", ".1", 2),
            ("value", "f_down", "", 0),
            ("out", "f_up", "", 0),
        )
    },
    "neck.reduction_conv": ("neck.reduction_conv.0", "neck.reduction_conv.1"),
}
LAYERS: dict[str, str] = {
    **{f"{theirs}.conv": conv for theirs, (conv, _) in BLOCKS.items()},
    **{f"{theirs}.bn": norm for theirs, (_, norm) in BLOCKS.items()},
    **{
        f"neck.fpn_conv{plural}.{level}.conv": f"neck.fpn_conv.{level}"
        for plural in ("", "s")
        for level in range(5)
    },
    "decode_head.conv_seg": "last_layer.3",
    "decode_head.0.conv_seg": "aux_head.3",
    f"{OCR}.conv_seg": "cls_head",
}

# Convolutions that have a bias before their batch norm here, and none in some of the
# frameworks, which is the same as one of zeros.
BIASED = re.compile(
    r"^(last_layer\.0|aux_head\.0|conv3x3_ocr\.0|final_layer\.0|downsamp_modules\.\d\.0)"
    r"\.weight$"
)


def official(tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Tensors under their official names, without what is no weight.

    Args:
        tensors: as a checkpoint of any of the code bases holds them.
        where: names the checkpoint in errors.

    Raises:
        InputError: if two tensors come out under the same name.
    """
    renamed = list(_renamed(tensors))
    counts = Counter(name for name, _ in renamed)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(
            f"{where} holds more than one network: {twice[0]} and "
            f"{len(twice) - 1} other names occur twice."
        )
    found = dict(renamed)
    for name in [name for name in found if BIASED.match(name)]:
        bias = name.removesuffix("weight") + "bias"
        found.setdefault(bias, np.zeros(len(found[name]), found[name].dtype))
    return found


def folded_gammas(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gammas as in-place batch norm used them: their absolute value plus 1e-5.

    Args:
        tensors: under their official names; every `weight` of one axis is a gamma.
    """
    return {
        name: np.abs(tensor) + np.float32(1e-5)
        if name.endswith(".weight") and tensor.ndim == 1
        else tensor
        for name, tensor in tensors.items()
    }


def _renamed(
    tensors: Mapping[str, np.ndarray],
) -> Iterator[tuple[str, np.ndarray]]:
    faces = any(name.startswith("head.conv_layers.") for name in tensors)
    for name, tensor in tensors.items():
        name = FACE_INNER.sub("head.", name)
        name = FACE_LAST.sub("head.3.", name) if faces else name
        if not NO_WEIGHTS.search(name):
            layer, _, leaf = PREFIXES.sub("", name, count=1).rpartition(".")
            yield f"{LAYERS.get(layer, layer)}.{leaf}", tensor
