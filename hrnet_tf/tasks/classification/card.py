"""What model cards say of image classification."""

from hrnet_tf.tasks.base.card import Card

CARD = Card(
    "image-classification",
    "Says which of its classes an image shows.",
    before=("tensor = decoder.prepare(decoder.central_crop(image, facts), facts)",),
    after=(
        'answer = decoder.decode(outputs["logits"], facts)',
        'name, probabilities = answer["names"][0], answer["probabilities"][0]',
    ),
    decoded=(
        'probabilities = outputs["probabilities"][0]',
        'name = facts["classes"][probabilities.argmax()]',
    ),
    served=(
        'answer = signatures["classify"](image_bytes=tf.constant([encoded]))',
        'probabilities = answer["probabilities"].numpy()[0]',
    ),
    takes="The middle of the image, resized (`central_crop`).",
    limits=(
        "It always names one of its classes, whatever the image shows; how sure it is "
        "tells little of images unlike those it has learnt.",
    ),
    metrics={"top1": "accuracy", "top5": "top-5 accuracy"},
)
