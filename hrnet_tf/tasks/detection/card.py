"""What model cards say of object detection."""

from hrnet_tf.tasks.base.card import Card

CARD = Card(
    "object-detection",
    "Finds objects of its classes in an image: a box, a class and a score each.",
    before=(
        'height, width = facts["input"]["height"], facts["input"]["width"]',
        "factor = min(height / image.shape[0], width / image.shape[1])",
        "rows, columns = (max(1, int(n * factor + 0.5)) for n in image.shape[:2])",
        'canvas = np.full((height, width, 3), facts["input"]["mean"], np.float32)',
        "canvas[:rows, :columns] = decoder.resize_image(image, rows, columns)",
        "tensor = decoder.prepare(canvas, facts)  # exactly 0 beside the image",
    ),
    after=(
        'count = int(outputs["counts"][0])',
        "factors = np.tile([columns / image.shape[1], rows / image.shape[0]], 2)",
        'boxes = outputs["boxes"][0, :count] / factors  # x1, y1, x2, y2 in pixels',
        'scores, labels = outputs["scores"][0, :count], outputs["labels"][0, :count]',
    ),
    served=(
        'answer = signatures["detect"](image_bytes=tf.constant([encoded]))',
        'count = int(answer["counts"][0])',
        'boxes = answer["boxes"].numpy()[0, :count]  # x, y, width, height in pixels',
        'scores = answer["scores"].numpy()[0, :count]',
        'names = answer["names"].numpy()[0, :count]',
    ),
    takes="The whole image, as large as fits, padded at the right and below with what "
    "is zero when it is normalised.",
    limits=(
        "Objects that are small in the resized image are missed first. What a score "
        "means depends on the data: choose a threshold on your own.",
    ),
    metrics={name: name for name in ("AP", "AP50", "AP75")},
)
