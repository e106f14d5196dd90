"""A network cut into segments, so that little is kept between them.

What is kept for gradients is, by estimate, what goes from one segment to a later one,
for all of a step, and what layers with weights read inside of one segment, while its
gradients are computed. Cuts are where the largest sum of both is least.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost,
https://arxiv.org/abs/1604.06174; cuts are found by dynamic programming.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.networks.calls import Call, calls_of, check_connected

SIDE = 512  # pixels; stands for sides of images that vary
HALVINGS = 12  # of the range in which the least memory is looked for


@dataclass(frozen=True)
class Segment:
    """Layers that are called together.

    Attributes:
        calls: each behind those that it takes something of.
        inputs: identities of the tensors that they take of earlier segments.
        outputs: of those that they give to later ones, or to the network's answer.
        again: whether they can be computed twice.
    """

    calls: tuple[Call, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    again: bool


def segments(model: keras.Model, stays: Callable[[Any], bool]) -> list[Segment]:
    """Cut a network.

    The last segment is computed once: its gradients are the first that are asked for.

    Args:
        model: functional, with one input; calls each layer once.
        stays: whether a layer cannot be computed twice. It is a segment of its own.

    Returns:
        Segments in an order in which they can be computed.

    Raises:
        ValueError: if the network is of another kind.
    """
    calls = in_depth(model)
    check_connected(model, calls)
    staying = [stays(call.layer) for call in calls]
    cuts = best_cuts(Sizes(model, calls), staying)
    needed = {id(tensor) for tensor in tf.nest.flatten(model.output)}
    found: list[Segment] = []
    for begin, end in reversed(list(pairwise(cuts))):
        own = tuple(calls[begin:end])
        given = [tensor for call in own for tensor in call.given]
        taken = [tensor for call in own for tensor in call.taken]
        inputs = tuple(dict.fromkeys(x for x in taken if x not in given))
        outputs = tuple(x for x in given if x in needed)
        again = bool(found) and not any(staying[begin:end])
        found.insert(0, Segment(own, inputs, outputs, again))
        needed.update(inputs)
    return found


def in_depth(model: keras.Model) -> list[Call]:
    """The calls of a network, each as late as what follows it allows.

    So an order holds few tensors at a time: one module of HRNet ends before the next
    one begins, which is not so in the order of `model.layers`.
    """
    by_output = {tensor: call for call in calls_of(model) for tensor in call.given}
    found: dict[int, Call] = {}
    waiting = [id(tensor) for tensor in reversed(model.outputs)]
    while waiting:
        call = by_output.get(waiting[-1])
        if call is None or id(call) in found:  # an input, or there already
            waiting.pop()
            continue
        before = [x for x in call.taken if x in by_output]
        missing = [x for x in before if id(by_output[x]) not in found]
        if missing:
            waiting.extend(reversed(missing))
        else:
            found[id(call)] = call
    return list(found.values())


class Sizes:
    """How much memory the calls of a network take, by estimate.

    Args:
        model: the network.
        calls: its calls in order.

    Attributes:
        kept: for each call, bytes of what it gives that gradients need.
        between: for each cut in front of a call, and one behind the last, bytes of what
            goes over it, by the call that gives it; without the image.
    """

    def __init__(self, model: keras.Model, calls: list[Call]):
        count = len(calls)
        weighty = [bool(call.layer.weights) for call in calls]
        last, read = {}, set()
        for number, call in enumerate(calls):
            for tensor in call.taken:
                last[tensor] = number
                if weighty[number]:
                    read.add(tensor)
        last.update((id(tensor), count) for tensor in tf.nest.flatten(model.output))
        bytes_of = _bytes(model, calls)
        self.kept = np.zeros(count)
        self.between = np.zeros((count + 1, count))
        for number, call in enumerate(calls):
            for tensor in call.given:
                if tensor in read:
                    self.kept[number] += bytes_of[tensor]
                cuts = slice(number + 1, min(last.get(tensor, number), count - 1) + 1)
                self.between[cuts, number] += bytes_of[tensor]


def best_cuts(sizes: Sizes, staying: list[bool]) -> list[int]:
    """Where to cut: from 0 to the number of calls, both included."""
    low, high = 0.0, float(sizes.kept.sum() + sizes.between.sum(axis=1).max()) + 1
    found = _cuts_within(high * len(staying), sizes, staying)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        cuts = _cuts_within(middle, sizes, staying)
        low, high = (low, middle) if cuts else (middle, high)
        found = cuts or found
    return found


def _cuts_within(limit: float, sizes: Sizes, staying: list[bool]) -> list[int]:
    """Cuts that keep least, among those with which memory stays within a limit."""
    count = len(staying)
    kept = np.concatenate([[0.0], np.cumsum(sizes.kept)])
    least = np.full(count + 1, np.inf)
    least[0] = 0.0
    before = np.zeros(count + 1, int)
    first = 0  # behind the last that stays
    for end in range(1, count + 1):
        if staying[end - 1]:
            begins = np.array([end - 1])
            first = end
        else:
            begins = np.arange(first, end)
        # New at this cut is what comes from behind the one before.
        new = np.concatenate([np.cumsum(sizes.between[end][::-1])[::-1], [0.0]])
        at_most = least[begins] + kept[end] - kept[begins]
        after = np.where(at_most <= limit, least[begins] + new[begins], np.inf)
        best = int(np.argmin(after))
        least[end], before[end] = after[best], begins[best]
    if not np.isfinite(least[count]):
        return []
    cuts = [count]
    while cuts[-1]:
        cuts.append(int(before[cuts[-1]]))
    return cuts[::-1]


def _bytes(model: keras.Model, calls: list[Call]) -> dict[int, int]:
    """Of each tensor, for one image."""
    shapes = {id(x): _sized(x.shape) for x in model.inputs}
    varies = any(None in tuple(x.shape[1:]) for x in model.inputs)
    found = {}
    for call in calls:
        outputs = tf.nest.flatten(call.output)
        if varies:
            taken = tf.nest.map_structure(lambda x: shapes[id(x)], call.inputs)
            given = _shapes(call.layer.compute_output_shape(taken), len(outputs))
        else:
            given = [_sized(x.shape) for x in outputs]
        for tensor, shape in zip(outputs, given, strict=True):
            shapes[id(tensor)] = shape
            found[id(tensor)] = prod(shape) * tf.as_dtype(tensor.dtype).size
    return found


def _sized(shape: Any) -> tuple[int, ...]:
    return 1, *(side or SIDE for side in tuple(shape)[1:])


def _shapes(given: Any, count: int) -> list[tuple[int, ...]]:
    return [_sized(given)] if count == 1 else [_sized(shape) for shape in given]
