"""What model cards say of top-down pose."""

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.keypoints.card import (
    AVERAGE_PRECISION,
    BOX,
    asked_about_a_box,
    named_points,
)

CARD = Card(
    "keypoint-detection",
    "Finds the keypoints of one person in a box of an image (top-down pose).",
    before=(
        BOX.format("person"),
        "matrix = decoder.crop_matrix(box, facts)",
        "tensor = decoder.prepare(decoder.crop(image, matrix, facts), facts)",
    ),
    after=(
        'answer = decoder.decode(outputs["heatmaps"], facts)',
        'keypoints = decoder.to_image(answer["keypoints"], matrix)[0]',
        'scores = answer["scores"][0]',
    ),
    decoded=(
        'keypoints = decoder.to_image(outputs["keypoints"], matrix)[0]',
        'scores = outputs["scores"][0]',
    ),
    served=asked_about_a_box("person", "keypoints", "keypoints"),
    takes="A box of the image with one person, at the input's aspect ratio and with a "
    "margin (`crop_matrix`); what lies outside of the image is black.",
    limits=(
        "It looks at one person a box: boxes come from a detector, and whom that "
        "misses it never sees. A box without a person has an answer all the same.",
    ),
    means=lambda manifest: named_points(manifest.keypoints.names, "keypoints"),
    metrics={**AVERAGE_PRECISION, "Mean": "PCKh"},
)
