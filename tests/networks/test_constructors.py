"""What all constructors share is written once, and seen in each of them."""

import ast
import inspect
import pickle
import pydoc
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

import keras
import pytest
from typing_extensions import Unpack

import hrnet_tf
from hrnet_tf.common import docstrings
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.network import Network
from hrnet_tf.tasks import networks
from support.served import TINY

# As users have been calling them: order, defaults and types.
NUMBERS = "bn_momentum=0.9, synchronized=False, modules=None, blocks=None, stem=None"
LAYERS = "normalization=None, activation=None, name=None"
HEAD = "include_top=True, pyramid_outputs=False, weights=None"
SIGNATURES = {
    "HRNetClassifier": (
        f"(width=18, classes=1000, *, {HEAD}, input_shape=(224, 224, 3), "
        f"upsampling='nearest', {NUMBERS}, head_planes=(32, 64, 128, 256), "
        f"features=2048, {LAYERS})"
    ),
    "HRNetDetector": (
        f"(width=32, classes=80, *, cascade=False, masks=False, "
        f"batch_statistics=False, features=256, hidden=1024, proposals=None, "
        f"detections=None, learning=None, {HEAD}, input_shape=(None, None, 3), "
        f"upsampling='nearest', {NUMBERS}, {LAYERS})"
    ),
    "HRNetLandmarks": (
        f"(width=18, landmarks=98, *, {HEAD}, input_shape=(256, 256, 3), "
        f"upsampling='bilinear', {NUMBERS}, {LAYERS})"
    ),
    "HRNetPanoptic": (
        f"(width=48, classes=19, *, features=None, {HEAD}, "
        f"input_shape=(None, None, 3), upsampling='bilinear', {NUMBERS}, {LAYERS})"
    ),
    "HRNetV1": (
        f"(width=32, keypoints=17, *, {HEAD}, input_shape=(256, 192, 3), "
        f"upsampling='nearest', {NUMBERS}, {LAYERS})"
    ),
    "HRNetV2": (
        "(width=48, classes=19, *, ocr=False, aspp=False, features=None, "
        f"full_size=False, {HEAD}, input_shape=(None, None, 3), "
        f"upsampling='bilinear', {NUMBERS}, {LAYERS})"
    ),
    "HRNetV2p": (
        "(width=32, *, include_top=True, weights=None, input_shape=(None, None, 3), "
        f"upsampling='nearest', {NUMBERS}, {LAYERS})"
    ),
    "LiteHRNet": (
        f"(width=18, keypoints=17, *, {HEAD}, input_shape=(256, 192, 3), "
        f"upsampling='nearest', {NUMBERS}, {LAYERS})"
    ),
    "SimpleBaseline": (
        f"(depth=50, keypoints=17, *, width=64, features=256, {HEAD}, "
        f"input_shape=(256, 192, 3), upsampling='nearest', {NUMBERS}, {LAYERS})"
    ),
    "HigherHRNet": (
        f"(width=32, keypoints=17, *, resolutions=2, {HEAD}, "
        f"input_shape=(None, None, 3), upsampling='nearest', {NUMBERS}, {LAYERS})"
    ),
}
LAYER = Callable[..., keras.layers.Layer] | None
CHOICES = Mapping[str, Any] | None
TYPES = {
    "width": int | str,
    "depth": int,
    "keypoints": int,
    "classes": int,
    "landmarks": int,
    "cascade": bool,
    "masks": bool,
    "batch_statistics": bool,
    "hidden": int,
    "proposals": CHOICES,
    "detections": CHOICES,
    "learning": CHOICES,
    "resolutions": int,
    "ocr": bool,
    "aspp": bool,
    "features": int | None,
    "full_size": bool,
    "include_top": bool,
    "pyramid_outputs": bool,
    "weights": str | Path | None,
    "input_shape": tuple[int | None, int | None, int],
    "upsampling": Literal["nearest", "bilinear", "bilinear_align_corners"],
    "bn_momentum": float,
    "synchronized": bool,
    "modules": tuple[int, ...] | None,
    "blocks": int | None,
    "stem": tuple[tuple[int, int], ...] | None,
    "head_planes": Sequence[int],
    "normalization": LAYER,
    "activation": LAYER,
    "name": str | None,
    "return": keras.Model,
}
OTHER_TYPES = {
    ("HRNetClassifier", "features"): int,
    ("HRNetDetector", "features"): int,
    ("SimpleBaseline", "features"): int,
    ("SimpleBaseline", "width"): int,
}

MODELS = {name: row.constructor for name, row in networks().items()}
MODELS["HRNetPanoptic"] = hrnet_tf.HRNetPanoptic  # whose checkpoints nothing reads
DEFAULTS = {x.name: x.default for x in fields(Arguments) if x.default is not MISSING}
MEANINGS = docstrings.entries(Arguments.__doc__, "Attributes")

every_constructor = pytest.mark.parametrize("name", MODELS)


def bare(signature):
    """A signature as text, without its types."""
    parameters = [
        parameter.replace(annotation=parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters))


@every_constructor
def test_order_and_defaults_are_those_that_users_know(name):
    assert bare(inspect.signature(MODELS[name])) == SIGNATURES[name]


@every_constructor
def test_types_are_those_that_users_know(name):
    signature = inspect.signature(MODELS[name])
    found = {x.name: x.annotation for x in signature.parameters.values()}
    found["return"] = signature.return_annotation
    assert found == {x: OTHER_TYPES.get((name, x), TYPES[x]) for x in found}
    assert get_type_hints(MODELS[name]) == found


@every_constructor
def test_help_tells_of_every_argument_once(name):
    network = MODELS[name]
    shown = pydoc.render_doc(network, renderer=pydoc.plaintext)
    section = shown.partition("Args:\n")[2].partition("Returns:\n")[0]
    told = re.findall(r"^ {8}(\S+?): \S", section, re.MULTILINE)
    assert told == list(inspect.signature(network).parameters)
    for title in ("Args:", "Returns:", "Raises:", "Source: ", "Example:"):
        assert len(re.findall(rf"^    {title}", shown, re.MULTILINE)) == 1
    assert "bn_momentum: float = 0.9" in shown
    for line in MEANINGS["bn_momentum"].splitlines():
        assert shown.count(line) == 1


@every_constructor
def test_only_arguments_are_told_of_in_a_constructors_own_docstring(name):
    source = inspect.getsourcefile(inspect.unwrap(MODELS[name]))
    tree = ast.parse(Path(source).read_text())
    (function,) = (x for x in tree.body if getattr(x, "name", None) == name)
    told = docstrings.entries(ast.get_docstring(function))
    assert told.pop("**shared")
    assert told.keys() <= inspect.signature(MODELS[name]).parameters.keys()
    assert not set(told.values()) & set(MEANINGS.values())  # that would be twice


# Among them are names inside of the constructors, which no caller may reach.
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, "inclde_top") for name in MODELS),
        *(("HRNetV1", x) for x in ("initializer", "constructor", "head", "shared")),
        ("HRNetV2p", "pyramid_outputs"),
        ("HRNetV1", "landmarks"),
    ],
)
def test_an_argument_of_no_such_name_is_refused(name, wrong):
    text = rf"^{name}\(\) got an unexpected keyword argument '{wrong}'"
    with pytest.raises(TypeError, match=text):
        MODELS[name](**TINY, **{wrong: True})


def test_what_can_be_given_by_name_only_is_not_taken_by_place():
    with pytest.raises(TypeError, match=r"^HRNetV1\(\) takes from 0 to 2 positional"):
        MODELS["HRNetV1"](4, 3, False)


@every_constructor
def test_a_constructor_is_found_by_its_name(name):
    network = MODELS[name]
    assert pickle.loads(pickle.dumps(network)) is network
    assert inspect.isfunction(network)
    assert (network.__name__, network.__qualname__) == (name, name)
    assert f"def {name}(" in inspect.getsource(network)


def test_every_argument_has_a_meaning_and_shared_ones_their_type_for_mypy():
    names = [field.name for field in fields(Arguments)]
    assert list(MEANINGS) == names
    types = {x.name: x.type for x in fields(Arguments) if x.name in DEFAULTS}
    assert get_type_hints(Shared) == types
    for network in MODELS.values():
        assert inspect.unwrap(network).__annotations__["shared"] == Unpack[Shared]


# A constructor as somebody would add it


def halved(
    width: int = 4,
    *,
    extra: int = 1,
    input_shape: ImageShape = (64, 64, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """The high-resolution map.

    Args:
        width: channels.
        extra: layers.
        **shared: those of all networks.
    """
    network = Network(
        "halved",
        {},
        Arguments(
            width=width,
            pyramid_outputs=False,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
    )
    x = network.body(high_resolution_only=True)[0]
    for _ in range(extra if network.include_top else 0):
        x = keras.layers.AveragePooling2D(2, data_format="channels_last")(x)
    return network.model(x, "halved")


@pytest.fixture(scope="module")
def added():
    return constructor(own_before="name")(halved)


def test_a_new_constructor_has_what_is_shared(added):
    signature = inspect.signature(added)
    _, *others, name = (x for x in MEANINGS if x != "pyramid_outputs")
    assert list(signature.parameters) == ["width", *others, "extra", name]
    found = {x: signature.parameters[x].default for x in DEFAULTS}
    assert found == DEFAULTS
    told = docstrings.entries(added.__doc__)
    assert told.pop("width") == "width: channels."
    assert told.pop("extra") == "extra: layers."
    assert told == {x: MEANINGS[x] for x in (*others, name)}


def test_a_new_constructor_does_what_is_shared(added):
    body = {x: TINY[x] for x in ("modules", "blocks", "stem")}
    model = added(**body)
    assert (model.output_shape, model.name) == ((None, 8, 8, 4), "halved_w4")
    model = added(2, include_top=False, name="mine", bn_momentum=0.5, **body)
    assert (model.output_shape, model.name) == ((None, 16, 16, 2), "mine")
    assert model.get_layer("bn1").momentum == 0.5


def test_without_docstrings_signatures_are_the_same():
    """`python -OO` leaves docstrings out."""

    def plain(width: int = 4, **shared: Unpack[Shared]):
        return width, shared

    made = constructor()(plain)
    assert made.__doc__ is None
    assert list(inspect.signature(made).parameters) == ["width", *DEFAULTS]
    assert made(3, name="mine") == (3, {"name": "mine"})


def test_a_docstring_that_tells_of_no_arguments_is_refused():
    def untold(**shared: Unpack[Shared]):
        """Nothing is said of arguments."""
        return shared

    with pytest.raises(ValueError, match="no section `Args` in 'Nothing is said"):
        constructor()(untold)
