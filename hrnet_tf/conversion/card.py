"""The model card of a converted checkpoint, before it is exported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrnet_tf.common.model_cards import (
    NAME,
    bullets,
    check_replaceable,
    document,
    license_of,
    table,
)
from hrnet_tf.images.preprocess import CHANNELS
from hrnet_tf.tasks import TASKS
from hrnet_tf.tasks.base.card import Card

CODE = """\
```python
import hrnet_tf
from hrnet_tf.convert import check_converted
from hrnet_tf.images.preprocess import resized

model = check_converted("{file}")
image = resized(hrnet_tf.read_image("photo.jpg"), ({height}, {width}))
images = hrnet_tf.preprocess_input(image[None]{colors})
answer = model(images, training=False)
```

`hrnet-tf convert --export` writes the network for TensorFlow, TFLite and ONNX, where \
its task can be exported, with code that decodes its answers."""


def place_of_card(model: Path) -> Path | None:
    """Where a converted model's card goes.

    Args:
        model: the `.keras` file.

    Returns:
        `README.md` beside it, or where that is another model's `NAME.md`; None: there
        is such a file too, which this program has not written.
    """
    readme = model.with_name(NAME)
    target = model.with_suffix(".md") if readme.exists() else readme
    return target if check_replaceable(target) else None


def converted_card(facts: Mapping[str, Any], model: Path, size: int) -> str:
    """The card of a converted checkpoint.

    Args:
        facts: what `convert` has written beside it.
        model: the `.keras` file.
        size: of it, in bytes.
    """
    known = TASKS.get(facts["task"])
    card: Card | None = known.parts().card if known is not None else None
    given = facts["input"]
    license_name = None if facts["license"] == "unknown" else facts["license"]
    front = {
        **license_of(license_name),
        "library_name": "keras",
        **({"pipeline_tag": card.pipeline_tag} if card else {}),
        "tags": ["hrnet", *([known.name.replace("_", "-")] if known else []), "keras"],
    }
    shape = "any size" if facts["any_size"] else f"{given['height']}x{given['width']}"
    network = facts["model"] or "A network that is no whole one"
    sections = {
        "": f"{card.does if card else network} The weights are those of "
        f"`{facts['source']['file']}`, as a Keras model by hrnet_tf.",
        "Data": data_of(facts),
        "Score": score_of(facts),
        "Files": table(
            ("file", "format", "MB"),
            [(f"`{model.name}`", "Keras, not compiled", f"{size / 1e6:.2f}")],
        ),
        "Input": bullets(
            [
                f"Images of {shape}, float32 `(n, height, width, 3)`, "
                f"{given['color_order']}.",
                "Each value `(value - mean) / std` of 0 to 255: of "
                f"{CHANNELS[given['color_order']]} "
                f"mean {', '.join(f'{x:g}' for x in given['mean'])}, std "
                f"{', '.join(f'{x:g}' for x in given['std'])}.",
            ]
        ),
        "Code": CODE.format(
            file=model.name,
            height=given["height"],
            width=given["width"],
            colors="" if given["color_order"] == "RGB" else ', color_order="BGR"',
        ),
        "Licence": license_name
        or "Not known: nobody has said under which licence these weights may be used.",
        "Limits": bullets(card.limits if card else ()) or "Not known.",
        "Versions": table(("of", "version"), sorted(facts["versions"].items())),
    }
    return document(front, model.stem, sections)


def data_of(facts: Mapping[str, Any]) -> str:
    """What a converted checkpoint has learnt from, as far as that is known."""
    source = facts["source"]
    told = f"`{source['file']}` (SHA-256 {source['sha256']})"
    if source["page"]:
        return (
            f"Of {told}: what it has learnt from is said by its page, {source['page']}."
        )
    return f"Of {told}: what it has learnt from is not known."


def score_of(facts: Mapping[str, Any]) -> str:
    """The score of the original file, as its page states it."""
    score = facts["source"]["score"]
    if not score:
        return "Not evaluated: no score of these weights is known."
    return f"{score}: so its page states it, of the original file. Not evaluated here."
