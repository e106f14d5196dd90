"""What model cards say of semantic segmentation."""

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.dense.card import BEFORE, LIMITS, TAKES

CARD = Card(
    "image-segmentation",
    "Says which of its classes each pixel of an image belongs to.",
    before=BEFORE,
    after=(
        'answer = decoder.decode(outputs["logits"], facts, size)',
        'labels, confidence = answer["labels"][0], answer["confidence"][0]',
    ),
    decoded=('labels, confidence = outputs["labels"][0], outputs["confidence"][0]',),
    served=(
        'answer = signatures["segment"](image_bytes=tf.constant([encoded]))',
        'labels = answer["labels"].numpy()[0]  # (height, width)',
        'confidence = answer["confidence"].numpy()[0]',
    ),
    takes=TAKES,
    limits=(*LIMITS, "Every pixel gets one of the classes, whatever it shows."),
    metrics={"mean_iou": "mean_iou", "pixel_accuracy": "accuracy"},
)
