"""What the model cards of tasks with an answer for every pixel have in common."""

BEFORE = (
    'given, size = facts["input"], image.shape[:2]',
    'if not given["any_size"]:',
    '    size = given["height"], given["width"]',
    "    image = decoder.resize_image(image, *size)",
    "tensor = decoder.prepare(image, facts)",
)
TAKES = (
    "The whole image, resized to the input's size unless the file takes any. Where the "
    "manifest's `views` name a size (`short_side`, `stretch`), it has learnt images of "
    "that one: resize yours so first."
)
LIMITS = (
    "Images that show things far smaller or larger than those it has learnt get worse "
    "answers; so does an image that is squeezed into another aspect ratio.",
)
