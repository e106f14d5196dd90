"""The arguments that all public constructors share: stated and documented once."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import keras

from hrnet_tf.common import docstrings
from hrnet_tf.networks.backbone import Stem
from hrnet_tf.networks.layers import LayerFactory, Upsampling

ImageShape = tuple[int | None, int | None, int]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What every constructor takes, in the order of their signatures.

    Those without a default are stated by each constructor, with a default of its own.

    Attributes:
        width: channels of the highest resolution, or `"18_small_v1"`,
            `"18_small_v2"`, or, with bottlenecks in all branches, `"44_bottleneck"`,
            `"76_bottleneck"` or `"96_bottleneck"`.
        include_top: whether to add the head; without it the model returns the features
            that the head stands on, and is not compiled.
        pyramid_outputs: return features by level in place of an answer, as backbones of
            KerasHub do: the body's maps `{"P2": ..., "P5": ...}`, `Pn` `(batch, height
            / 2**n, width / 2**n, width * 2**(n - 2))`. The model then has no head and
            is not compiled.
        weights: None for random weights, the path of a `.keras`, `.weights.h5`, `.pth`,
            `.safetensors` or `.npz` file of the same network, or the name of published
            ones: `"imagenet"` gives the body, the head stays random.
        input_shape: height, width (None: any) and 3. With nearest upsampling sides must
            be multiples of 32.
        upsampling: how low resolutions are brought to high ones: `"nearest"`,
            `"bilinear"` (half pixel) or `"bilinear_align_corners"`; by default as in
            the published networks.
        bn_momentum: batch norm's momentum, in Keras's sense.
        synchronized: share batch norm's statistics between the devices of a strategy.
        modules: modules in stages 2, 3 and 4 (published: 1, 4, 3).
        blocks: residual blocks a branch in each module (published: 4).
        stem: filters and stride of each of the two stem convolutions.
        normalization: layer class to use in place of batch norm; called with `name=`.
        activation: layer class to use in place of ReLU; called with `name=`.
        name: the model's name.
    """

    width: int | str
    include_top: bool = True
    pyramid_outputs: bool
    weights: str | Path | None = None
    input_shape: ImageShape
    upsampling: Upsampling
    bn_momentum: float = 0.9
    synchronized: bool = False
    modules: tuple[int, ...] | None = None
    blocks: int | None = None
    stem: Stem | None = None
    normalization: LayerFactory | None = None
    activation: LayerFactory | None = None
    name: str | None = None

    @property
    def has_head(self) -> bool:
        """Whether the network answers, in place of giving features."""
        return self.include_top and not self.pyramid_outputs


class Shared(TypedDict, total=False):
    """The types of those `Arguments` that have a default, for what reads source alone.

    A constructor takes them as `**shared: Unpack[Shared]`; mypy and editors know by
    this what may be given, and mypy that these types are those of `Arguments`.
    """

    include_top: bool
    weights: str | Path | None
    bn_momentum: float
    synchronized: bool
    modules: tuple[int, ...] | None
    blocks: int | None
    stem: Stem | None
    normalization: LayerFactory | None
    activation: LayerFactory | None
    name: str | None


Function = TypeVar("Function", bound=Callable[..., keras.Model])


def constructor(*, own_before: str = "include_top") -> Callable[[Function], Function]:
    """Write out `**shared` in a constructor's signature and docstring.

    Python's `help`, notebooks and whatever else looks at the function find each
    argument by itself, in the order of `Arguments` and told of as there, unless the
    function's docstring tells of it otherwise. A name that is not in the signature is
    refused.

    Args:
        own_before: before which of `Arguments` those stand that are the function's own
            and are given by name.

    Example:
        ```python
        @constructor()
        def HRNetV1(width: int | str = 32, **shared: Unpack[Shared]) -> keras.Model:
        ```
    """

    def write_out(function: Any) -> Any:
        signature = full_signature(function, own_before)

        @functools.wraps(function)
        def build(*values: Any, **named: Any) -> keras.Model:
            for name in named:
                if name not in signature.parameters:
                    raise TypeError(
                        f"{function.__name__}() got an unexpected keyword argument "
                        f"{name!r}"
                    )
            return function(*values, **named)

        return documented(build, signature)

    return write_out


def full_signature(function: Callable, own_before: str) -> inspect.Signature:
    """The signature of a function, with `Arguments` in place of `**shared`."""
    signature = inspect.signature(function)
    order = [field.name for field in fields(Arguments)]
    stated = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=field.type,
        )
        for field in fields(Arguments)
        if field.default is not MISSING
    ]

    def place(parameter: inspect.Parameter) -> tuple[bool, int, bool]:
        known = parameter.name in order
        by_name = parameter.kind is parameter.KEYWORD_ONLY
        return by_name, order.index(parameter.name if known else own_before), known

    return signature.replace(parameters=sorted([*stated, *shared], key=place))


def documented(function: Any, signature: inspect.Signature) -> Any:
    """Give a function this signature, and a docstring that tells of all of it."""
    parameters = signature.parameters.values()
    function.__signature__ = signature
    function.__annotations__ = {
        **{parameter.name: parameter.annotation for parameter in parameters},
        "return": signature.return_annotation,
    }
    if function.__doc__:  # `python -OO` leaves docstrings out
        told = docstrings.entries(Arguments.__doc__ or "", "Attributes")
        told |= docstrings.entries(function.__doc__)
        function.__doc__ = docstrings.with_entries(
            function.__doc__, [told[parameter.name] for parameter in parameters]
        )
    return function
