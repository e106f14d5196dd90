"""The code of model cards: an image file to an answer, for each kind of file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hrnet_tf.tasks.base.card import Card
from hrnet_tf.tasks.base.manifest import TaskManifest

LINES = 15  # that a card's code has at most, imports aside
OPEN = 'np.asarray({}.convert("RGB"))'
TURNED = 'ImageOps.exif_transpose(Image.open("photo.jpg"))'
STORED = 'Image.open("photo.jpg")'


@dataclass(frozen=True)
class Call:
    """How a kind of file is asked in Python.

    Attributes:
        title: of the runtime.
        tags: what Hugging Face calls it, as a library the first one.
        packages: what the code takes, as `pip install` calls it.
        imports: lines of code.
        lines: code from `tensor` to `outputs`, by name; `{file}` stands for the file.
        images: how many it takes at once, in words.
    """

    title: str
    tags: tuple[str, ...]
    packages: tuple[str, ...]
    imports: tuple[str, ...]
    lines: tuple[str, ...]
    images: str = "n"


# By the endings of files.
CALLS: dict[str, Call] = {
    ".tflite": Call(
        "LiteRT (TFLite)",
        ("litert", "tflite"),
        ("ai-edge-litert", "numpy", "pillow"),
        ("from ai_edge_litert.interpreter import Interpreter",),
        (
            'interpreter = Interpreter("{file}")',
            'ask = interpreter.get_signature_runner("serving_default")',
            "outputs = ask(image=tensor)",
        ),
        images="1",
    ),
    ".onnx": Call(
        "onnxruntime",
        ("onnx",),
        ("onnxruntime", "numpy", "pillow"),
        ("import onnxruntime",),
        (
            'session = onnxruntime.InferenceSession("{file}")',
            "names = [output.name for output in session.get_outputs()]",
            'outputs = dict(zip(names, session.run(names, {{"image": tensor}})))',
        ),
    ),
    ".xml": Call(
        "OpenVINO",
        ("openvino",),
        ("openvino", "numpy", "pillow"),
        ("import openvino",),
        (
            'exact = {{"INFERENCE_PRECISION_HINT": "f32"}}  # not bfloat16, ever',
            'ask = openvino.Core().compile_model("{file}", "CPU", exact)',
            'outputs = {{x.any_name: y for x, y in ask({{"image": tensor}}).items()}}',
        ),
    ),
}

# Of a folder: it takes image files itself.
SAVEDMODEL = Call(
    "TensorFlow (SavedModel)",
    ("tf",),
    ("tensorflow",),
    ("from pathlib import Path", "", "import tensorflow as tf"),
    (
        'model = tf.saved_model.load("{file}")',
        "signatures = model.signatures",
        'encoded = Path("photo.jpg").read_bytes()',
    ),
)

# Of what has no code of its own here.
PACKAGE = Call(
    "hrnet_tf",
    ("keras",),
    ("hrnet-tf",),
    ("import hrnet_tf",),
    ('answer = hrnet_tf.load("{file}").predict("photo.jpg")',),
)


def call_of(path: Path, card: Card | None) -> Call:
    """How a file of a task is asked.

    Args:
        path: of the file, or of a SavedModel's folder.
        card: the task's; None: it has none.
    """
    if card is None:
        return PACKAGE
    if path.suffix:
        return CALLS.get(path.suffix, PACKAGE)
    return SAVEDMODEL if card.served else PACKAGE


def code_of(path: Path, manifest: TaskManifest, card: Card | None) -> str:
    """What a card shows for a file: Python that runs in the file's folder.

    Args:
        path: of the file, or of a SavedModel's folder.
        manifest: its own.
        card: the task's; None: it has none.
    """
    call = call_of(path, card)
    asked = [line.format(file=path.name) for line in call.lines]
    if card is None or call is PACKAGE:
        return _code(call.imports, asked)
    if call is SAVEDMODEL:
        return _code(call.imports, [*asked, *card.served])
    decodes = manifest.artefact is not None and manifest.artefact.decodes
    upright = manifest.input.orientation == "upright"
    pillow = "Image, ImageOps" if upright else "Image"
    imports = (
        "import numpy as np",
        *call.imports,
        f"from PIL import {pillow}",
        "",
        *sorted(f"import {name}" for name in ("decoder", *card.imports)),
    )
    lines = (
        f'facts = decoder.read_manifest("{path.name}.json")',
        f"image = {OPEN.format(TURNED if upright else STORED)}",
        *card.before,
        *asked,
        *(card.decoded if decodes and card.decoded else card.after),
    )
    return _code(imports, lines)


def _code(imports: Sequence[str], lines: Sequence[str]) -> str:
    return "\n".join([*imports, "", *lines])
