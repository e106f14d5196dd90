"""What exported graphs have around a network: answers decoded, encoded images taken.

TensorFlow Serving puts requests together along the first dimension, so all that a
signature takes and gives has it: one entry an image.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from hrnet_tf.images.in_graph import AT_ONCE, checked_files, decode_rgb, in_parts
from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import central_crop
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.base.predictor import Network, behind_normalising

Answers = dict[str, tf.Tensor]
Request = dict[str, np.ndarray]

# Of expected and found answers by name, and a manifest: by name shares of what they
# range over.
Differences = Callable[
    [Mapping[str, np.ndarray], Mapping[str, np.ndarray], Any], dict[str, float]
]

# While crops are cut out, an image takes 15 bytes a pixel: half a gigabyte at most.
CROPPED = Limits(side=8192, pixels=2**25, images=256)
# Of what a network sees whole, its maps take a kilobyte a pixel: some gigabytes.
SEEN_WHOLE = Limits(side=8192, pixels=2**22, images=16)

IMAGES = tf.TensorSpec((None,), tf.string, "image_bytes")

# The largest difference from the Keras model, as a share of the answers' range.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Answer:
    """An answer of a network, or of a file that decodes by itself.

    Attributes:
        description: for people, one sentence.
        classes: what of it is a class: its last `axis`, or its `value`.
        rounded: whether rounding decides between two equal ones, such as the highest
            cells of a heatmap: then how far it is off counts on average.
    """

    description: str
    classes: Literal["", "axis", "value"] = ""
    rounded: bool = False


def one_output(answer: Any, manifest: Any) -> Answers:
    """What most networks answer: one map, or one row of numbers."""
    return {manifest.output.name: answer}


@dataclass(frozen=True)
class Decoder:
    """From what a network answers to what users want to know, and back.

    Attributes:
        decode: heatmaps or logits and a manifest to answers by name.
        encode: these answers and a manifest to what the task's predictor works on.
        answers: what all of them are, by name: the network's own too.
        outputs: a network's answer and a manifest to the tensors that files give, by
            name; what has separate ranges is separate. The predictor takes them, all
            together where they are several.
        differences: how far answers are from those that are expected, where they are no
            numbers in fixed places; None: number by number.
        divided: of a manifest: outputs of the network that are several tensors in
            files, and these by name, as channels; see `fold`.
    """

    decode: Callable[[tf.Tensor, Any], Answers]
    encode: Callable[[Answers, Any], Any]
    answers: Mapping[str, Answer] = field(default_factory=dict)
    outputs: Callable[[Any, Any], Answers] = one_output
    differences: Differences | None = None
    divided: Callable[[Any], Mapping[str, Mapping[str, slice]]] = lambda manifest: {}


def decoding(decoder: Decoder) -> Callable[[Network, Any], Callable[[tf.Tensor], Any]]:
    """The `in_graph` of a predictor that decodes as exports do.

    Args:
        decoder: of the task.

    Example:
        ```python
        class BrightnessPredictor(ImagePredictor):
            in_graph = staticmethod(decoding(DECODER))
        ```
    """

    def in_graph(network: Network, manifest: Any) -> Callable[[tf.Tensor], Any]:
        answer = behind_normalising(network, manifest)

        def decoded(crops: tf.Tensor) -> Any:
            return decoder.encode(decoder.decode(answer(crops), manifest), manifest)

        return decoded

    return in_graph


def only_images(samples: Mapping[str, np.ndarray], factor: float) -> Request:
    """What a request holds beside the image where a signature takes nothing else."""
    return {}


def nothing_compared(
    manifest: Any, request: Request, tolerance: float
) -> dict[str, float]:
    """How far a signature's answers may differ where none is compared."""
    return {}


@dataclass(frozen=True)
class Signature:
    """A signature of SavedModels that takes encoded images.

    Attributes:
        name: of the signature.
        inputs: what it takes; `image_bytes` first.
        make: gives the function, for a network, a manifest and limits.
        limits: what it refuses, unless the manifest says otherwise.
        request: what a request holds beside `image_bytes`, by name, of the samples of a
            run and of how many times larger their image was made.
        allowed: how far answers may differ from the model's, by name, for a manifest,
            a request and `TOLERANCE` in the unit of the network's answer; what is not
            named is not compared.
        by_last_digits: whether the last digits of what a network answers decide, if it
            has learnt little: whom a keypoint belongs to, or which of two places is the
            highest one. Then answers are compared with those of the folded network,
            whose digits are the same, and the folded network with the model.
    """

    name: str
    inputs: tuple[tf.TensorSpec, ...]
    make: Callable[[Network, Any, Limits], Callable]
    limits: Limits
    request: Callable[[Mapping[str, np.ndarray], float], Request] = only_images
    allowed: Callable[[Any, Request, float], dict[str, float]] = nothing_compared
    by_last_digits: bool = False


def middles_of(
    image_bytes: tf.Tensor, given: ImageInput, limits: Limits, share: float = 1.0
) -> tf.Tensor:
    """The middles of encoded images, as `hrnet_tf.images.preprocess.central_crop` cuts.

    Args:
        image_bytes: JPEG or PNG files, strings `(n,)`.
        given: what the network takes.
        limits: what is refused.
        share: what a crop is of the resized image's shorter side.

    Returns:
        uint8 RGB `(n, height, width, 3)`. The graph fails with InvalidArgument beyond
        the limits.
    """
    files = checked_files(image_bytes, limits, given.orientation)
    return tf.map_fn(
        lambda file: central_crop(decode_rgb(*file), given.size, share),
        (files.contents, files.turns),
        fn_output_signature=tf.TensorSpec((*given.size, 3), tf.uint8),
        parallel_iterations=AT_ONCE,
    )


def image_signature(
    name: str,
    decoder: Decoder,
    shape: tuple[int, ...],
    allowed: Mapping[str, float],
) -> Signature:
    """A signature from encoded images to decoded answers about their middles.

    Args:
        name: of the signature.
        decoder: of the task.
        shape: of what the network answers about one image.
        allowed: how far answers may differ from the model's, by name; what is not named
            is not compared.

    Example:
        ```python
        image_signature("brighten", DECODER, (1,), {"brightness": TOLERANCE})
        ```
    """

    def make(network: Network, manifest: Any, limits: Limits) -> Callable:
        answer = behind_normalising(network, manifest)

        def serve(image_bytes: tf.Tensor) -> Answers:
            crops = middles_of(image_bytes, manifest.input, limits)
            return decoder.decode(in_parts(answer, crops, shape), manifest)

        return serve

    return Signature(name, (IMAGES,), make, CROPPED, allowed=lambda *_: dict(allowed))
