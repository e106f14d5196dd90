"""Every code base's names for the same tensors, to the official ones."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hrnet_tf.common.errors import InputError

logger = logging.getLogger(__name__)

# What training programs write before the names of a network that is an average over
# the training, and before those of others.
AVERAGES = ("ema_model", "model_ema", "ema", "averaged_model", "swa_model", "shadow")
WRAPPERS = (*AVERAGES, "module", "model", "network", "net", "1")

# The same, and what frameworks write for the network's parts.
PREFIXES = re.compile(
    rf"^(?:(?:{'|'.join(WRAPPERS)})\.)*"
    r"(?:backbone\.|keypoint_head\.|head\.(?=(?:final_layer|deconv_layers)\.))?"
)

# What torch.compile and the wrappers for several devices put into names, anywhere.
COMPILED = re.compile(
    r"(?:(?<=\.)|^)"
    r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|module)\."
)

# A tensor that every HRNet has once, one of every Lite-HRNet and one of every ResNet.
BODY = "stage2.0.branches.0.0.conv1.weight"
LITE_BODY = "stage0.0.layers.0.cross_resolution_weighting.conv1.conv.weight"
RESNET_BODY = "layer4.0.conv1.weight"
BODIES = (BODY, LITE_BODY, RESNET_BODY)

# A head of two convolutions, for faces, in both generations of one framework: all but
# the last layer, and the last one of the newer generation.
FACE_INNER = re.compile(r"^(keypoint_head\.final_layer|head\.conv_layers)\.(?=\d)")
FACE_LAST = re.compile(r"^head\.final_layer\.")

# What is saved beside a network: a loss's class weights, counters of batches and of
# averages, averages in one framework's spelling of their names.
NO_WEIGHTS = re.compile(
    r"(^|\.)(loss|criterion)\.|(^|\.)(num_batches_tracked|n_averaged|num_updates)$"
    r"|^(steps|decay|ema_\w+)$"
)

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

    Of several networks, such as one and its averages over the training, the averages
    are taken if they are complete; a line of the log says so.

    Args:
        tensors: as a checkpoint of any of the code bases holds them.
        where: names the checkpoint in errors.

    Raises:
        InputError: if two tensors come out under the same name, or there are several
            networks and no averages among them.
    """
    renamed = list(_renamed(_one_network(tensors, where)))
    counts = Counter(name for name, _ in renamed)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(
            f"{where} holds more than one network: {twice[0]} and "
            f"{len(twice) - 1} other names occur twice."
        )
    found = dict(renamed)
    for name in [n for n, t in found.items() if BIASED.match(n) and t.ndim == 4]:
        bias = name.removesuffix("weight") + "bias"
        found.setdefault(bias, np.zeros(len(found[name]), found[name].dtype))
    return found


def with_layers_renamed(
    tensors: Mapping[str, np.ndarray], layers: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Tensors under the names of a model's layers.

    Args:
        tensors: under their official names.
        layers: names of layers in checkpoints to those of the model, where they differ.
    """
    parts = {name: name.rpartition(".") for name in tensors}
    return {
        f"{layers.get(layer, layer)}{dot}{leaf}": tensors[name]
        for name, (layer, dot, leaf) in parts.items()
    }


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


def _one_network(
    tensors: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    """The tensors of one network, without what is written before all of its names."""
    found: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        plain = COMPILED.sub("", name)
        if plain in found:
            raise InputError(
                f"{where} holds more than one network: {plain} occurs twice, once as "
                f"{name}; save the one that you want by itself."
            )
        found[plain] = tensor
    bodies = {
        name.removesuffix(body)
        for body in BODIES
        for name in found
        if name.endswith(body)
    }
    prefixes = {body.removesuffix("backbone.") for body in bodies}
    wrappers = sorted(prefixes, key=lambda wrapper: (len(wrapper), wrapper))
    owners = {
        name: next((w for w in reversed(wrappers) if name.startswith(w)), "")
        for name in found
    }
    chosen = next(iter(wrappers), "")
    if len(wrappers) > 1:
        weights = (name for name in found if not NO_WEIGHTS.search(name))
        chosen = _choose(Counter(owners[name] for name in weights), wrappers, where)
        others = (wrapper or "no prefix" for wrapper in wrappers if wrapper != chosen)
        logger.info(
            "%s: the weights under %s are taken, not those under %s",
            *(where, chosen or "no prefix", ", ".join(others)),
        )
        found = {name: found[name] for name in found if owners[name] == chosen}
    return {name.removeprefix(chosen): tensor for name, tensor in found.items()}


def _choose(counts: Mapping[str, int], wrappers: Sequence[str], where: str) -> str:
    """Which of several networks is meant, by what stands before its names."""
    averaged = [w for w in wrappers if not set(AVERAGES).isdisjoint(w.split("."))]
    plain = [wrapper for wrapper in wrappers if wrapper not in averaged]
    largest = max((counts[wrapper] for wrapper in plain), default=0)
    complete = [wrapper for wrapper in averaged if counts[wrapper] >= largest]
    for candidates in (complete, plain):
        if len(candidates) == 1:
            return candidates[0]
    names = " and ".join(wrapper or "no prefix" for wrapper in wrappers)
    raise InputError(
        f"{where} holds more than one network: under {names}; save the one that you "
        "want by itself."
    )


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
