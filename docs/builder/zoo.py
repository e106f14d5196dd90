"""The model zoo: every shipped configuration with its network, score and weights."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import yaml

from hrnet_tf.checkpoints.published import PUBLISHED, Published
from hrnet_tf.common.config import Config
from hrnet_tf.common.shipped import COMMANDS, shipped_configs
from hrnet_tf.networks.counting import count
from hrnet_tf.networks.layers import blank_weights
from hrnet_tf.tasks import make_experiment
from hrnet_tf.training.configs import read_config

COUNTS = Path(__file__).parent / "counts.yaml"  # `python -m docs.builder counts`
HEAD = "# Sizes of the zoo's networks; made by `python -m docs.builder counts`."
# What the names of configurations say of their network.
NETWORK = re.compile(
    r"_(?:(?:lite_|higher_)?hrnet(?:_v[12]p?|_panoptic)?_w?|(?:simple_baseline|psp_net|deeplab_v3)_r)"
    r"(?:\d+_small_v\d|\d+)"
)
# Published weights whose name is not that of their configuration without its network.
CALLED: Mapping[str, str] = {
    "pascal_context_59": "pascal_context",
    "pascal_context_59_ocr": "pascal_context_ocr",
}
OF_CLASSES = ("classification", "detection", "panoptic", "segmentation")
# How many classes published data have, by how the names of configurations begin.
CLASSES: Mapping[str, int] = {
    "imagenet": 1000,
    "coco_stuff": 171,
    "coco": 80,
    "wider_face": 1,
    "cityscapes": 19,
    "lip": 20,
    "ade20k": 150,
    "pascal_context_59": 59,
    "pascal_context_60": 60,
}
# Of a network's section, what does not change how large it is, or is told by its title.
NOT_OF_SIZE = frozenset(
    {"name", "width", "depth", "size", "weights", "body"}
    | {"bn_momentum", "color_order", "upsampling"}
)
# Configurations that learn what their user has, or the drawn data set.
OWN_DATA = re.compile(r"/(?:demo|first_try|folder)")
URL = re.compile(r"https?://\S+?(?=[,;.)]?(?:\s|$))")


@dataclass(frozen=True)
class Head:
    """What a configuration says of itself in the lines that it begins with.

    Attributes:
        commands: what to type.
        expected: the published score in words; "": none.
        source: of the recipe and the score; "": none.
        more: the rest.
    """

    commands: tuple[str, ...]
    expected: str
    source: str
    more: str


@dataclass(frozen=True)
class Entry:
    """A configuration of the zoo.

    Attributes:
        name: that `hrnet-tf train` takes.
        purpose: of a configuration for data of one's own, in words; "": of a published
            network.
        head: what it says of itself.
        network: as `described` has it; "": it depends on the data.
        weights: that are published.
    """

    name: str
    purpose: str
    head: Head
    network: str
    weights: tuple[Published, ...]

    @property
    def task(self) -> str:
        """The task that it is for."""
        return self.name.partition("/")[0]


def read_head(path: Path) -> Head:
    """The head of a configuration file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    commands: list[str] = []
    words: list[str] = []
    for line in told:
        continued = bool(commands) and commands[-1].endswith("\\")
        (commands if line.startswith(COMMANDS) or continued else words).append(line)
    text = " ".join(words)
    before, _, after = text.partition("Expected: ")
    score, _, source = after.partition("Source: ")
    if not after:
        before, _, source = text.partition("Source: ")
    expected, _, more = re.sub(r"\.\s+(?=[A-Z])", ".\n", score, count=1).partition("\n")
    rest = " ".join(piece.strip() for piece in (before, more) if piece.strip())
    return Head(tuple(commands), expected.strip(), source.strip(), rest)


def weights_of(name: str, config: Config) -> list[Published]:
    """Published weights of the very network that a configuration trains."""
    stem = NETWORK.sub("", name.partition("/")[2])
    names = {stem, f"{stem}_official", CALLED.get(stem, stem)}
    network = (config.model.name, config.model.variant)
    return [x for x in PUBLISHED if (x.model, x.width) == network and x.name in names]


def described(name: str, config: Config) -> str:
    """What network a configuration asks for; equal texts, equal counts."""
    usual = dataclasses.asdict(type(config)().model)
    own = [
        f"{key}={value}"
        for key, value in dataclasses.asdict(config.model).items()
        if key not in NOT_OF_SIZE and value != usual[key]
    ]
    height, width = config.model.size
    return ", ".join(
        [config.model.title, f"{height}x{width}", _answers(name, config), *own]
    )


def _answers(name: str, config: Config) -> str:
    """What the data of a configuration say that its network answers."""
    if classes := classes_of(name):
        return f"{classes} classes"
    points = "landmarks" if hasattr(config.data, "landmarks") else "keypoints"
    encoding = getattr(config.data, "encoding", "plain")
    drawn = "" if encoding == "plain" else f" by {encoding}"
    return f"{points} of {getattr(config.data, points)}{drawn}"


def counted(name: str) -> Any:
    """Parameters and multiply-adds of a configuration's network; see `hrnet_tf.count`.

    Args:
        name: of a shipped configuration.
    """
    config = read_config(name, ["model.weights=null", "model.body=null"])
    experiment: Any = make_experiment(config)
    classes = classes_of(name)  # the data are not here
    told = SimpleNamespace(classes=range(classes))
    manifest = told if classes else experiment.make_manifest()
    with blank_weights():
        network = experiment.build_network(manifest, None)
    found = count(network, tuple(config.model.size))
    keras.backend.clear_session()
    return found


def classes_of(name: str) -> int:
    """How many classes a published data set has; 0: it has none, or keypoints."""
    task, _, stem = name.partition("/")
    numbers = [count for data, count in CLASSES.items() if stem.startswith(f"{data}_")]
    return numbers[0] if numbers and task in OF_CLASSES else 0


def zoo() -> list[Entry]:
    """What the zoo tells of, in the order of the configurations' names."""
    found = []
    for shipped in shipped_configs():
        head = read_head(shipped.path)
        if OWN_DATA.search(shipped.name):
            found.append(Entry(shipped.name, shipped.purpose, head, "", ()))
            continue
        config = read_config(shipped.name)
        weights = tuple(weights_of(shipped.name, config))
        found.append(
            Entry(shipped.name, "", head, described(shipped.name, config), weights)
        )
    return found


def read_counts() -> dict[str, dict[str, int]]:
    """Kept parameters and multiply-adds, by what `described` says."""
    text = COUNTS.read_text(encoding="utf-8") if COUNTS.exists() else ""
    return yaml.safe_load(text) or {}


def keep_counts(anew: bool = False) -> None:
    """Count the networks that have not been counted, and forget those that are gone.

    Args:
        anew: count all of them.
    """
    kept = {} if anew else read_counts()
    wanted = {entry.network: entry.name for entry in zoo() if entry.network}
    kept = {network: kept[network] for network in wanted if network in kept}
    for network, name in wanted.items():
        if network not in kept:
            found = counted(name)
            kept[network] = {
                "parameters": found.parameters,
                "multiply_adds": found.multiply_adds,
            }
            print(f"{network}: {kept[network]}", flush=True)
        head = (
            "# Made by `python -m docs.builder counts`: sizes of the zoo's networks.\n"
        )
        COUNTS.write_text(head + yaml.safe_dump(kept, width=200), encoding="utf-8")
