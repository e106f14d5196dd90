"""What a task adds to the model card that lies beside exports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hrnet_tf.tasks.base.manifest import TaskManifest


def class_names(manifest: TaskManifest) -> str:
    """What most answers are about: classes by their numbers."""
    names = manifest.class_names
    return f"{len(names)} classes, in this order: {', '.join(names)}." if names else ""


@dataclass(frozen=True)
class Card:
    """What a task's model cards say that its manifest does not.

    Code is Python, a line an entry. All of it knows `image`, uint8 RGB `(height, width,
    3)`, `facts`, the manifest as JSON, and the module `decoder`, which lies beside the
    files; that of SavedModels knows `encoded`, the bytes of an image file, and `tf`.

    Attributes:
        pipeline_tag: what Hugging Face calls the task, such as `"keypoint-detection"`.
        does: what its models do, a sentence.
        before: code from `image` to `tensor`, what the network takes.
        after: code from `outputs`, what a runtime gave, by name, to what one wants to
            know.
        decoded: the same for files that decode by themselves; empty: as `after`.
        served: code that asks the SavedModel `signatures`; empty: it has but one.
        takes: what of an image the network gets, a sentence.
        limits: what its models are not made for, sentences.
        means: of a manifest, what the numbers of an answer are about.
        imports: modules beside the files that the code needs, but for `decoder`.
        metrics: the statistics of its evaluations that are told, with what they are
            called elsewhere.

    Example:
        ```python
        Card("image-classification", "Says how bright an image is.", BEFORE, AFTER)
        ```
    """

    pipeline_tag: str
    does: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    decoded: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    takes: str = ""
    limits: tuple[str, ...] = ()
    means: Callable[[Any], str] = class_names
    imports: tuple[str, ...] = ()
    metrics: Mapping[str, str] = field(default_factory=dict)
