"""Ask TensorFlow Serving about images: by REST, or with --grpc by gRPC.

    python client.py keypoints photo.jpg --box 20 30 80 160 --box 110 25 90 170
    python client.py keypoints a.jpg b.jpg --boxes boxes.json --grpc
    python client.py people a.jpg b.jpg
    python client.py landmarks photo.jpg --box 20 30 80 80
    python client.py faces a.jpg b.jpg
    python client.py detect a.jpg b.jpg --out answers
    python client.py classify a.jpg b.jpg
    python client.py segment a.jpg --out answers
    python client.py regress a.jpg --out answers

REST needs nothing but Python; gRPC needs `pip install tensorflow-serving-api`.
"""

import argparse
import base64
import http.client
import json
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PORTS = {"rest": 8501, "grpc": 8500}

# x, y, width, height in pixels of the image as viewers show it, turned by its EXIF tag.
Box = Sequence[float]


class ServingError(Exception):
    """A server that cannot be reached, or refuses; the text is one sentence."""


def request_inputs(
    images: Sequence[bytes], boxes: Sequence[Sequence[Box]] | None = None
) -> dict[str, Any]:
    """A signature's inputs by name, one entry an image.

    Args:
        images: contents of JPEG or PNG files.
        boxes: a list of boxes for each image; None: the signature takes none.

    Returns:
        `image_bytes`, and for boxes `boxes`, padded with zeros to the same number for
        each image and at least one, and `people`, how many of an image's are real.
    """
    inputs: dict[str, Any] = {"image_bytes": list(images)}
    if boxes is not None:
        most = max([1, *map(len, boxes)])
        nobody = [0.0] * 4
        inputs["boxes"] = [
            [*map(list, own), *[nobody] * (most - len(own))] for own in boxes
        ]
        inputs["people"] = [len(own) for own in boxes]
    return inputs


def ask_rest(
    server: str,
    model: str,
    signature: str,
    inputs: dict[str, Any],
    version: int | None = None,
    timeout: float = 60.0,
) -> dict[str, Any]:
    """Ask by REST.

    Args:
        server: host and port.
        model: its name in `models.config`.
        signature: its name.
        inputs: see `request_inputs`.
        version: of the model; None: the highest.
        timeout: in seconds.

    Returns:
        The answers by their names, as nested lists.

    Raises:
        ServingError: if the server cannot be reached, or refuses.
    """
    encoded = [
        {"b64": base64.b64encode(content).decode()} for content in inputs["image_bytes"]
    ]
    body = {"signature_name": signature, "inputs": {**inputs, "image_bytes": encoded}}
    part = "" if version is None else f"/versions/{version}"
    request = urllib.request.Request(
        f"http://{server}/v1/models/{model}{part}:predict",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode(errors="replace")
        raise ServingError(f"HTTP {error.code}: {_reason(said)}") from None
    except urllib.error.URLError as error:
        raise ServingError(f"{server} cannot be reached: {error.reason}.") from None
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise ServingError(f"{server} did not answer as expected: {error!r}.") from None


def ask_grpc(
    server: str,
    model: str,
    signature: str,
    inputs: dict[str, Any],
    version: int | None = None,
    timeout: float = 60.0,
) -> dict[str, Any]:
    """Ask by gRPC; arguments, answers and errors are those of `ask_rest`."""
    with open_channel(server) as channel:
        return GrpcClient(channel).ask(model, signature, inputs, version, timeout)


def open_channel(server: str) -> Any:
    """A gRPC channel that takes messages of any size; images exceed the default."""
    import grpc

    unlimited = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    ]
    return grpc.insecure_channel(server, unlimited)


class GrpcClient:
    """Asks many times over one channel; what serves many users does it like this."""

    def __init__(self, channel: Any):
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def ask(
        self,
        model: str,
        signature: str,
        inputs: dict[str, Any],
        version: int | None = None,
        timeout: float = 60.0,
    ) -> dict[str, Any]:
        """Ask once; arguments, answers and errors are those of `ask_rest`."""
        import grpc
        import numpy as np
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        kinds = {"image_bytes": tf.string, "boxes": tf.float32, "people": tf.int32}
        for name, value in inputs.items():
            tensor = tf.make_tensor_proto(value, kinds[name])
            request.inputs[name].CopyFrom(tensor)
        try:
            response = self.stub.Predict(request, timeout)
        except grpc.RpcError as error:
            raise ServingError(f"{error.code().name}: {error.details()}") from None
        answers = {}
        for name, tensor in response.outputs.items():
            values = tf.make_ndarray(tensor)
            if values.dtype == object:  # NumPy alone would take the names for ASCII
                text = [value.decode() for value in values.ravel()]
                values = np.array(text, object).reshape(values.shape)
            answers[name] = values.tolist()
        return answers


def describe_people(answer: dict[str, Any], count: int) -> str:
    """One image's people, a line each: x, y and score of every keypoint."""
    return _describe_points(answer, "keypoints", "person")


def describe_everyone(answer: dict[str, Any], count: int) -> str:
    """One image's people, a line each: score, and x, y and score of every keypoint.

    Those of bottom-up pose, or those in a detector's boxes; see `DETECTED`.
    """
    if DETECTED in answer:
        return describe_people(answer, count)
    lines = []
    pairs = zip(answer["keypoints"], answer["scores"], strict=True)
    for number, (points, total) in enumerate(pairs):
        shown = (f"{x:.1f},{y:.1f} ({score:.2f})" for x, y, score in points)
        lines.append(f"person {number} ({total:.2f}): {'  '.join(shown)}")
    return "\n".join(lines) or "nobody"


def describe_faces(answer: dict[str, Any], count: int) -> str:
    """One image's faces, a line each: x, y and score of every landmark."""
    return _describe_points(answer, "landmarks", "face")


def _describe_points(answer: dict[str, Any], key: str, what: str) -> str:
    lines = []
    pairs = zip(answer[key], answer["scores"], strict=True)
    for number, (points, scores) in enumerate(pairs):
        shown = (
            f"{x:.1f},{y:.1f} ({score:.2f})"
            for (x, y), score in zip(points, scores, strict=True)
        )
        sure = f" ({answer[DETECTED][number]:.2f})" if DETECTED in answer else ""
        lines.append(f"{what} {number}{sure}: {'  '.join(shown)}")
    return "\n".join(lines) or "nobody"


def describe_objects(answer: dict[str, Any], count: int) -> str:
    """One image's objects, a line each: class, score and box."""
    rows = zip(*(answer[x] for x in ("names", "scores", "boxes")), strict=True)
    lines = []
    for name, score, box in rows:
        place = ", ".join(f"{number:.1f}" for number in box)
        lines.append(f"{name} ({score:.2f}): {place}")
    return "\n".join(lines) or "nothing"


def describe_class(answer: dict[str, Any], count: int) -> str:
    """One image's class."""
    return f"{answer['label']} ({max(answer['probabilities']):.3f})"


def describe_labels(answer: dict[str, Any], count: int) -> str:
    """What share of one image each class has."""
    height, width = answer["size"]
    found = Counter(label for row in answer["labels"] for label in row)
    shares = (f"{x}: {n / (height * width):.3f}" for x, n in sorted(found.items()))
    return f"{width}x{height} pixels, shares of classes {', '.join(shares)}"


def describe_segments(answer: dict[str, Any], count: int) -> str:
    """How many pixels each segment of one image has, by class and number."""
    height, width = answer["size"]
    found = Counter(value for row in answer["segments"] for value in row)
    areas = (
        "void" if value == VOID else f"{value // 1000}/{value % 1000}: {area}"
        for value, area in sorted(found.items())
    )
    return f"{width}x{height} pixels, segments {', '.join(areas)}"


def describe_values(answer: dict[str, Any], count: int) -> str:
    """The range of each channel of one image."""
    height, width = answer["size"]
    channels = zip(*(pixel for row in answer["values"] for pixel in row), strict=True)
    ranges = (f"{min(channel):g} to {max(channel):g}" for channel in channels)
    return f"{width}x{height} pixels, {'; '.join(ranges)}"


# How many there are of an image, where the server finds them: in the answers of models
# that look at a detector's boxes, and in those of detectors and of bottom-up pose.
FOUND = ("people", "counts")
DETECTED = "box_scores"  # what only models have that look at a detector's boxes
VOID = 255000  # of panoptic segments: pixels of which nothing is known
IN_BOXES = ("keypoints", "landmarks")  # signatures, and what they answer
DESCRIBE: dict[str, Callable[[dict[str, Any], int], str]] = {
    "keypoints": describe_people,
    "people": describe_everyone,
    "landmarks": describe_faces,
    "faces": describe_faces,
    "detect": describe_objects,
    "classify": describe_class,
    "segment": describe_labels,
    "panoptic": describe_segments,
    "regress": describe_values,
}


def without_padding(answers: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    """One image's part of a batch's answers, without what was padded.

    Args:
        answers: by name.
        index: of the image.
        count: its people; 0 where there are no boxes, or the answer says how many.
    """
    own = {name: values[index] for name, values in answers.items()}
    told = [own.pop(name) for name in FOUND if name in own]
    if "size" in own:
        height, width = own["size"]
        for name in own.keys() - {"size"}:
            own[name] = [row[:width] for row in own[name][:height]]
    if told or own.keys() & set(IN_BOXES):
        count = told[0] if told else count
        own = {name: values[:count] for name, values in own.items()}
    return own


def read_boxes(arguments: argparse.Namespace) -> list[list[Box]] | None:
    """Boxes of each image, from the command line or a file."""
    if arguments.signature not in IN_BOXES:
        return None
    if arguments.boxes is None:
        return [arguments.box for _ in arguments.images]
    known = json.loads(Path(arguments.boxes).read_text())
    return [known.get(Path(image).name, []) for image in arguments.images]


def run(arguments: argparse.Namespace) -> None:
    """Ask, and print what comes back."""
    images = [Path(image).read_bytes() for image in arguments.images]
    boxes = read_boxes(arguments)
    inputs = request_inputs(images, boxes)
    protocol = "grpc" if arguments.grpc else "rest"
    server = arguments.server or f"localhost:{PORTS[protocol]}"
    ask = ask_grpc if arguments.grpc else ask_rest
    answers = ask(
        server,
        arguments.model,
        arguments.signature,
        inputs,
        arguments.version,
        arguments.timeout,
    )
    for index, image in enumerate(arguments.images):
        count = len(boxes[index]) if boxes else 0
        own = without_padding(answers, index, count)
        print(f"{image}: {DESCRIBE[arguments.signature](own, count)}")
        if arguments.out:
            target = Path(arguments.out) / f"{Path(image).stem}.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(own))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    form = argparse.RawDescriptionHelpFormatter
    main = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    main.add_argument("signature", choices=list(DESCRIBE), help="what to ask for")
    main.add_argument("images", nargs="+", metavar="IMAGE", help="JPEG or PNG")
    main.add_argument(
        "--box",
        nargs=4,
        type=float,
        action="append",
        default=[],
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="a person or a face in every image, in pixels",
    )
    main.add_argument(
        "--boxes", help='a file: {"photo.jpg": [[x, y, width, height], ...], ...}'
    )
    main.add_argument("--grpc", action="store_true", help="gRPC instead of REST")
    main.add_argument("--server", help="default: localhost:8501, gRPC localhost:8500")
    main.add_argument("--model", default="hrnet", help="default: hrnet")
    main.add_argument("--version", type=int, help="default: the highest")
    main.add_argument("--timeout", type=float, default=60.0, help="seconds")
    main.add_argument("--out", help="folder for whole answers, JSON, a file an image")
    return main


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; what goes wrong ends in one sentence and status 1."""
    arguments = parser().parse_args(argv)
    try:
        run(arguments)
    except (ServingError, OSError, ValueError, ImportError) as error:
        print(f"client.py: {error}", file=sys.stderr)
        sys.exit(1)


def _reason(said: str) -> str:
    """The sentence in an error's body."""
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return said[:500]


if __name__ == "__main__":
    main()
