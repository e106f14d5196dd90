"""What model cards say of facial landmarks."""

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.keypoints.card import BOX, asked_about_a_box, named_points

CARD = Card(
    "keypoint-detection",
    "Finds the landmarks of one face in a box of an image.",
    before=(
        BOX.format("face"),
        "tensor = decoder.prepare(decoder.crop_face(image, box, facts), facts)",
    ),
    after=(
        'answer = decoder.decode(outputs["heatmaps"], facts)',
        'landmarks = decoder.face_to_image(answer["landmarks"], box, facts)[0]',
        'scores = answer["scores"][0]',
    ),
    decoded=(
        'landmarks = decoder.face_to_image(outputs["landmarks"], box, facts)[0]',
        'scores = outputs["scores"][0]',
    ),
    served=asked_about_a_box("face", "landmarks", "landmarks"),
    takes="A square around a box of the image with one face, with a margin "
    "(`crop_face`; by the official rule whole pixels with stretched contrast).",
    limits=(
        "It looks at one face a box: boxes come from a detector, and whom that misses "
        "it never sees. A box without a face has an answer all the same.",
        "It says where landmarks are, not whose face it is.",
    ),
    means=lambda manifest: named_points(manifest.landmarks.names, "landmarks"),
    metrics={name: name for name in ("NME", "FR@0.08", "FR@0.10")},
)
