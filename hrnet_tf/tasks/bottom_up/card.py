"""What model cards say of bottom-up pose."""

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.keypoints.card import AVERAGE_PRECISION, named_points

DECODED = (
    "answer = people.decode(outputs, facts, matrix)",
    'keypoints = answer["keypoints"]  # (people, k, 3): x, y in pixels, score',
    'scores = answer["scores"]  # (people,)',
)
CARD = Card(
    "keypoint-detection",
    "Finds the keypoints of everybody in an image at once (bottom-up pose).",
    before=(
        "facts, matrix = people.look(image.shape, facts)",
        "tensor = decoder.prepare(decoder.crop(image, matrix, facts), facts)",
    ),
    after=DECODED,
    served=(
        'answer = signatures["people"](image_bytes=tf.constant([encoded]))',
        'count = int(answer["counts"][0])',
        'keypoints = answer["keypoints"].numpy()[0, :count]  # (people, k, 3)',
        'scores = answer["scores"].numpy()[0, :count]',
    ),
    takes="The whole image, resized as `people.look` says.",
    limits=(
        "People who are small in the resized image, or hide one another, are missed or "
        "put together wrongly more often than others.",
    ),
    means=lambda manifest: named_points(manifest.keypoints.names, "keypoints"),
    imports=("people",),
    metrics=AVERAGE_PRECISION,
)
