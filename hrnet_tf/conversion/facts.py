"""What a checkpoint is, as far as its tensors tell: task, variant, outputs."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hrnet_tf.checkpoints.names import BODY
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.backbone import SMALL_VARIANTS, Body
from hrnet_tf.tasks import networks
from hrnet_tf.tasks.base.checkpoint import Head, NetworkKind, Numbers

logger = logging.getLogger(__name__)

# The convolutions of a branch; the width doubles from branch to branch.
BRANCH = re.compile(r"^stage[234]\.\d+\.branches\.([0-3])\.\d+\.conv[12]\.weight$")


@dataclass(frozen=True)
class Facts:
    """What a checkpoint is.

    Attributes:
        network: its kind; None: a body alone, without any head.
        head: of that network; None likewise.
        outputs: number of classes, keypoints or landmarks; 0 if it has none.
        width: as the constructors take it, or what its kind of network has in its
            place (see `NetworkKind.variant`).
        modules: in stages 2, 3 and 4, or as its kind of network has them.
        blocks: residual blocks a branch in each module; None: `modules` says it all.
    """

    network: NetworkKind | None
    head: Head | None
    outputs: int
    width: int | str
    modules: tuple[int, ...]
    blocks: int | None

    @property
    def variant(self) -> str:
        """What the constructor calls what is here the width."""
        return self.network.variant if self.network else "width"


def infer(
    tensors: Mapping[str, np.ndarray],
    where: str,
    asked: str | None = None,
    leave_out: Sequence[str] = (),
) -> Facts:
    """Read a network's facts off its tensors.

    Args:
        tensors: under their official names.
        where: names the checkpoint in errors.
        asked: constructor of the network that it holds; None: the tensors tell.
        leave_out: parts that are not wanted: where a detector's heads are not, its
            pyramid is a network of its own.

    Raises:
        InputError: if this is no HRNet, or one whose shape no constructor takes, or not
            the one that was asked for.
    """
    for kind in networks().values():
        if kind.numbers and (numbers := kind.numbers(tensors, where)):
            return _with_its_own_body(kind, numbers, tensors, where, asked)
    first, stem = tensors.get(BODY), tensors.get("layer1.0.conv1.weight")
    if first is None or stem is None or first.ndim != 4 or stem.ndim != 4:
        raise InputError(
            f"{where} is no HRNet checkpoint: it has no convolution {BODY}; found "
            f"{', '.join(list(tensors)[:3])} and so on."
        )
    _require_widths(tensors, len(first), where)
    spec = Body(
        width=first.shape[0],
        modules=tuple(_count(tensors, rf"stage{stage}\.") for stage in (2, 3, 4)),
        blocks=_count(tensors, r"stage2\.0\.branches\.0\."),
        bottlenecks=(
            _count(tensors, r"layer1\."),
            len(stem),
        ),
    )
    network, head = _found(tensors, where, asked, leave_out)
    named = next((name for name, s in SMALL_VARIANTS.items() if s == spec), None)
    if named is None and spec.bottlenecks != Body(spec.width).bottlenecks:
        raise InputError(
            f"{where} has {spec.bottlenecks[0]} bottlenecks of {spec.bottlenecks[1]} "
            "planes in its first stage, which no variant of this package has."
        )
    outputs = 0
    if head and head.argument:
        outputs = len(tensors[head.tensor]) - head.beside
    if network and head and outputs % head.each:
        raise InputError(
            f"{where} has {outputs} outputs, which is no multiple of {head.each}: it "
            f"is no {network.name}."
        )
    return Facts(
        network,
        head,
        outputs // head.each if head else 0,
        named or spec.width,
        spec.modules,
        spec.blocks,
    )


def _with_its_own_body(
    kind: NetworkKind,
    numbers: Numbers,
    tensors: Mapping[str, np.ndarray],
    where: str,
    asked: str | None,
) -> Facts:
    """The facts of a network that alone has such a body."""
    if asked not in (None, kind.name):
        raise InputError(f"{where} is no {asked}: it has the body of {kind.name}.")
    head = next((head for head in kind.heads if _has(tensors, head)), None)
    if head is None:
        wanted = " and no ".join(head.tensor for head in kind.heads)
        raise InputError(
            f"{where} is a {kind.name} without a head: it has no {wanted}."
        )
    return Facts(kind, head, len(tensors[head.tensor]), *numbers)


def _found(
    tensors: Mapping[str, np.ndarray],
    where: str,
    asked: str | None,
    leave_out: Sequence[str],
) -> tuple[NetworkKind, Head] | tuple[None, None]:
    """The network that tensors are of, with its head; None: a body alone."""
    known = networks()
    if asked is not None and asked not in known:
        raise InputError(f"`network` must be one of {', '.join(known)}, got {asked!r}.")
    pairs = [
        (network, head)
        for network in known.values()
        for head in network.heads
        if _has(tensors, head)
    ]
    if asked is None:
        for network, head in (pair for pair in pairs if pair[1].asked_for):
            count, rest = divmod(len(tensors[head.tensor]), head.each)
            if count in head.likely and not rest:
                logger.warning(
                    "%s may be of the kind %s with %d %s: say so with network=",
                    *(where, network.name, count, head.argument),
                )
        pairs = [pair for pair in pairs if not pair[1].asked_for]
        wanted_ones = [pair for pair in pairs if not _left_out(pair[1], leave_out)]
        return next(iter(wanted_ones or pairs), (None, None))
    for network, head in pairs:
        if network.name == asked:
            return network, head
    wanted = " and no ".join(head.tensor for head in known[asked].heads)
    raise InputError(f"{where} is no {asked}: it has no {wanted} of its shape.")


def _left_out(head: Head, leave_out: Sequence[str]) -> bool:
    """Whether a head is left out as a part, not just its last layer."""
    layer = head.tensor.rpartition(".")[0]
    return any(layer.startswith(f"{start}.") for start in leave_out)


def _require_widths(tensors: Mapping[str, np.ndarray], width: int, where: str) -> None:
    """Refuse what claims a width that its tensors have not; networks are large."""
    for name, tensor in tensors.items():
        match = BRANCH.match(name)
        wide = width << int(match[1]) if match else 0
        if match and tensor.shape != (wide, wide, 3, 3):
            raise InputError(
                f"{where} is no HRNet of width {width}: {name} has the shape "
                f"{tensor.shape}, expected {(wide, wide, 3, 3)}."
            )
    if not any(name.startswith("stage4.0.branches.3.0.") for name in tensors):
        raise InputError(f"{where} is no whole HRNet: it has no stage4.0.branches.3.0.")


def _has(tensors: Mapping[str, np.ndarray], head: Head) -> bool:
    return head.tensor in tensors and tensors[head.tensor].ndim == head.rank


def _count(tensors: Mapping[str, np.ndarray], prefix: str) -> int:
    """How many numbers follow a prefix in the tensors' names, from 0."""
    pattern = re.compile(rf"^{prefix}(\d+)\.")
    found = {int(match[1]) for name in tensors if (match := pattern.match(name))}
    return len(found)
