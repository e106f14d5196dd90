"""What model cards say of dense regression."""

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.dense.card import BEFORE, LIMITS, TAKES
from hrnet_tf.tasks.regression.manifest import RegressionManifest


def channel_names(manifest: RegressionManifest) -> str:
    """What each number is, and what it is counted in, as far as that is known."""
    units = manifest.channels.units or ("",) * len(manifest.channels)
    pairs = zip(manifest.channels.names, units, strict=True)
    told = [f"{name} ({unit})" if unit else name for name, unit in pairs]
    return f"{len(told)} numbers a pixel, in this order: {', '.join(told)}."


CARD = Card(
    "image-to-image",
    "Gives numbers for each pixel of an image, such as a depth.",
    before=BEFORE,
    after=(
        'answer = decoder.decode(outputs["maps"], facts, size)',
        'values = answer["values"][0]  # (height, width, channels)',
    ),
    decoded=('values = outputs["values"][0]  # (height, width, channels)',),
    served=(
        'answer = signatures["regress"](image_bytes=tf.constant([encoded]))',
        'values = answer["values"].numpy()[0]  # (height, width, channels)',
    ),
    takes=TAKES,
    limits=LIMITS,
    means=channel_names,
    metrics={"r2": "r_squared", "mae": "mae", "rmse": "rmse"},
)
