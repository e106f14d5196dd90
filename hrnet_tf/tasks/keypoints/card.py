"""What the model cards of tasks with keypoints have in common."""

from collections.abc import Sequence

BOX = "box = [0, 0, image.shape[1], image.shape[0]]  # x, y, width, height of one {}"
ASK = (
    "box = [0, 0, 640, 480]  # x, y, width, height of one {kind}, pixels of the image",
    'answer = signatures["{signature}"](',
    "    image_bytes=tf.constant([encoded]),",
    "    boxes=tf.constant([[box]], tf.float32),",
    "    people=tf.constant([1]),",
    ")",
    '{answer} = answer["{answer}"].numpy()[0, 0]  # (k, 2), pixels of the image',
    'scores = answer["scores"].numpy()[0, 0]',
)
AVERAGE_PRECISION = {name: name for name in ("AP", "AP50", "AP75", "AR")}


def named_points(names: Sequence[str], kind: str) -> str:
    """What each point is, by its place in an answer."""
    return f"{len(names)} {kind}, in this order: {', '.join(names)}."


def asked_about_a_box(kind: str, signature: str, answer: str) -> tuple[str, ...]:
    """Code that asks a SavedModel about one box, for points and `scores`."""
    words = {"kind": kind, "signature": signature, "answer": answer}
    return tuple(line.format(**words) for line in ASK)
