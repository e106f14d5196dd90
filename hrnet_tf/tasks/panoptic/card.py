"""What model cards say of panoptic segmentation."""

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.dense.card import BEFORE, LIMITS, TAKES

CARD = Card(
    "image-segmentation",
    "Says which of its classes each pixel of an image belongs to, and tells things of "
    "a class apart (panoptic segmentation).",
    before=BEFORE,
    after=(
        "segments = panoptic.decode(outputs, facts, size)  # class * 1000 + number",
    ),
    served=(
        'answer = signatures["panoptic"](image_bytes=tf.constant([encoded]))',
        'segments = answer["segments"].numpy()[0]  # class * 1000 + number',
    ),
    takes=TAKES,
    limits=(
        *LIMITS,
        "Things whose middles lie near one another, or are hidden, are taken for one.",
    ),
    imports=("panoptic",),
    metrics={"pq": "PQ", "sq": "SQ", "rq": "RQ"},
)
