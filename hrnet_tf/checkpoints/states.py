"""Which of the states in a checkpoint is the network: what wraps it, and the averages.

Training programs put the tensors into wrappers (`state_dict`, `model`, ...), often next
to averages over the training (`ema`, ...) and the optimizer's state. The rule:

1. A state is a mapping that holds tensors by name. Those with a body of the family come
   before all others.
2. A state under the wrappers below comes before tensors that lie bare, and these come
   before a state under an unknown name. Two under unknown names are refused.
3. Averages come before what they are averages of, if they are complete: averages of
   what is trained only lack the statistics of batch norm.
4. Otherwise the first wrapper in the order below counts.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.checkpoints import limits
from hrnet_tf.checkpoints.machine import Inert
from hrnet_tf.checkpoints.names import BODIES, COMPILED
from hrnet_tf.checkpoints.pytorch import TensorView
from hrnet_tf.common.errors import InputError

logger = logging.getLogger(__name__)

Tensors = dict[str, np.ndarray]

AVERAGES = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "model_state_dict_ema"),
    *("ema_model", "ema", "params_ema", "averaged_model", "swa_model", "shadow"),
)
WRAPPERS = (
    *AVERAGES,
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net"),
    *("net_state_dict", "params", "weights", "module", "checkpoint", "state"),
)
# A program that swaps the two when it saves: its averages are in `state_dict`, and what
# they are averages of in `ema_state_dict`. It is told by the other things it saves.
SWAPPED, SWAPPER = "ema_state_dict", "message_hub"

DEPTH = 6  # of wrappers in wrappers
LISTED = 8  # names in a sentence


@dataclass(frozen=True)
class State:
    """A mapping that holds tensors by name.

    Attributes:
        place: the wrappers around it, from the outside.
        content: the mapping.
        tensors: how many it holds, but for counters.
        body: whether a body of the family is among them.
    """

    place: tuple[str, ...]
    content: Mapping[Any, Any]
    tensors: int
    body: bool

    @property
    def known(self) -> bool:
        """Whether all wrappers around it are known; True without any."""
        return all(name in WRAPPERS for name in self.place)

    @property
    def averaged(self) -> bool:
        """Whether its tensors are averages over the training."""
        return any(name in AVERAGES for name in self.place)

    @property
    def where(self) -> str:
        """Its place in words."""
        return ".".join(limits.brief(name, 40) for name in self.place) or "no wrapper"


def find_tensors(saved: Any, path: str | Path) -> Tensors:
    """The tensors in what a checkpoint holds, by name; everything else is left out.

    Args:
        saved: what `read_pytorch` gives, or mappings of arrays.
        path: names the file in errors.

    Returns:
        The tensors of one state, by the rule of this module. If there are others, a
        line of the log says which was taken and what lies beside it.

    Raises:
        InputError: if there are none, several that no rule decides between, or if a
            name is no readable text.
    """
    swapped = isinstance(saved, Mapping) and SWAPPER in saved
    states = list(_states(saved, ()))
    bodies = [state for state in states if state.body]
    chosen = _choose(bodies or [s for s in states if s.known], swapped, path)
    if chosen is None:
        found = limits.brief(_listed(saved), 200)
        raise InputError(
            f"{path} holds no tensors by name: found {found!r}, expected them "
            "bare or under state_dict, model, net, ema or the like. If a whole network "
            "was saved, save its state_dict()."
        )
    _tell(saved, chosen, bodies, path)
    tensors: Tensors = {}
    for name, value in chosen.content.items():
        if _is_tensor(name, value):
            if len(name) > limits.NAME or not name.isprintable():
                raise InputError(
                    f"{path} is broken: a tensor is called {limits.brief(name)!r}; get "
                    "the file again."
                )
            tensors[name] = value.array() if isinstance(value, TensorView) else value
    return tensors


def _states(saved: Any, place: tuple[str, ...]) -> Iterator[State]:
    """Every state, from the outside in, each mapping once."""
    waiting, seen = deque([(saved, place)]), set()
    while waiting:
        content, place = waiting.popleft()
        if not isinstance(content, Mapping) or id(content) in seen:
            continue
        seen.add(id(content))
        names = [name for name, value in content.items() if _is_tensor(name, value)]
        if names:
            body = any(COMPILED.sub("", name).endswith(BODIES) for name in names)
            counted = sum(not name.endswith("num_batches_tracked") for name in names)
            yield State(place, content, counted, body)
        if len(place) < DEPTH:
            waiting += [
                (value, (*place, name))
                for name, value in content.items()
                if isinstance(name, str) and isinstance(value, Mapping)
            ]


def _is_tensor(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, (TensorView, np.ndarray))


def _choose(states: list[State], swapped: bool, path: str | Path) -> State | None:
    known = [state for state in states if state.known]
    if not known:
        if len(states) > 1:
            raise InputError(
                f"{path} holds several networks, under "
                f"{' and '.join(state.where for state in states[:LISTED])}; save the "
                "one that you want by itself."
            )
        return states[0] if states else None
    whole = max((s.tensors for s in known if not s.averaged), default=0)

    def order(state: State) -> tuple:
        complete = state.averaged and state.tensors >= whole
        if swapped and SWAPPED in state.place:
            complete = False
        places = tuple(WRAPPERS.index(name) for name in state.place)
        late = state.averaged and not complete
        return (not state.place, not complete, late, places)

    return min(known, key=order)


def _tell(saved: Mapping, chosen: State, bodies: list[State], path: str | Path) -> None:
    """Say what was taken, if there was a choice, and what is left out."""
    if len(bodies) > 1:
        others = ", ".join(s.where for s in bodies[:LISTED] if s is not chosen)
        logger.info(
            "%s: the weights under %s are taken, not those under %s",
            *(path, chosen.where, others),
        )
    beside = [
        (name, value)
        for part in (saved, chosen.content)
        for name, value in part.items()
        if isinstance(value, (Inert, np.ndarray)) and not _is_tensor(name, value)
    ]
    if beside:
        logger.info("%s: left out, since it is no tensor: %s", path, _named(beside))


def _named(entries: list[tuple[Any, Any]]) -> str:
    """Entries by name, some of them, with the classes of objects."""
    found = dict(entries[:LISTED])
    names = [
        f"{limits.brief(str(name), 40)}"
        + (f" ({limits.brief(value.kind, 60)})" if isinstance(value, Inert) else "")
        for name, value in found.items()
    ]
    more = len(entries) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _listed(saved: Any) -> str:
    """What a checkpoint without tensors holds, in words."""
    if isinstance(saved, Inert) and not saved:
        return limits.brief(saved.kind)
    if not isinstance(saved, Mapping):
        return type(saved).__name__
    return _named(list(saved.items())) or "nothing"
