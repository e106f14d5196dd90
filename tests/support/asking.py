"""Many threads that ask a server at once, half of them for what it must refuse."""

import base64
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import grpc
import numpy as np

from support.served import (
    BOXED,
    BOXES,
    FILES,
    FOUND,
    SIGNATURES,
    ask_anything,
    megabytes,
    png,
    post,
)

THREADS = 8
PROTOCOLS = ("rest", "grpc")
REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)

CROP = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
WIDE = png(np.zeros((4, 20000, 3), np.uint8))
NOISE = FILES[0][:40] + np.random.default_rng(0).bytes(400)
BOX = [[BOXES[0][0]]]


def strings(*values):
    return np.array(values, object)


def boxed(files=(FILES[0],), boxes=BOX, people=(1,)):
    given = {"image_bytes": strings(*files), "boxes": np.array(boxes, np.float32)}
    return {**given, "people": np.array(people, np.int32)}


def images(*files):
    return {"image_bytes": strings(*files)}


def good_requests():
    """Inputs by model and signature, that are answered."""
    two = boxed(FILES, [[*BOXES[0], (0, 0, 0, 0)], BOXES[1]], (1, 2))
    asked = {(task, name): images(*FILES) for task, name in SIGNATURES.items()}
    asked |= {(task, SIGNATURES[task]): two for task in BOXED}
    asked["classification", "serving_default"] = {"image": CROP}
    return asked


def malformed_requests():
    """Requests that must be refused, by kind and name: model, signature and inputs."""
    words = strings(b"x", b"x", b"x", b"x").reshape(1, 1, 4)
    pose = {
        "bytes": {
            "no image": boxed([FILES[0], b"no image"], BOX * 2, (1, 1)),
            "cut off": boxed([FILES[0][:-200]]),
            "empty": boxed([b""]),
            "noise": boxed([NOISE]),
        },
        "ranks": {
            "a table of images": {**boxed(), "image_bytes": strings([FILES[0]])},
            "an image, not a list": {
                **boxed(),
                "image_bytes": strings(FILES[0]).reshape(()),
            },
            "boxes of nobody": boxed(boxes=BOX[0]),
            "boxes in boxes": boxed(boxes=[BOX]),
            "a table of numbers": boxed(people=[[1]]),
        },
        "types": {
            "boxes in words": {**boxed(), "boxes": words},
            "images in numbers": {**boxed(), "image_bytes": np.float32([1.5])},
            "half a person": {**boxed(), "people": np.float32([1.5])},
        },
        "sizes": {
            "too wide": boxed([WIDE]),
            "more images than boxes": boxed(FILES, BOX, (1, 1)),
            "more people than boxes": boxed(people=[2]),
            "boxes of three numbers": boxed(boxes=[[BOX[0][0][:3]]]),
            "no area": boxed(boxes=[[(5, 5, 0, 9)]]),
            "no numbers": boxed(boxes=[[(5, 5, np.nan, 9)]]),
        },
    }
    found = {
        (kind, name): ("pose", "keypoints", inputs)
        for kind, cases in pose.items()
        for name, inputs in cases.items()
    }
    for task, name in SIGNATURES.items():
        given = boxed if task in BOXED else lambda files: images(*files)
        found["sizes", f"wide, {task}"] = task, name, given([WIDE])
        found["bytes", f"noise, {task}"] = task, name, given([NOISE])
    many = images(*FILES[:1] * 33)
    found["sizes", "many images"] = "detection", "detect", many
    found["sizes", "many people"] = FOUND, "people", many
    crops = {
        ("ranks", "a crop, not a list"): CROP[0],
        ("sizes", "another size"): CROP[:, 1:],
        ("sizes", "four channels"): np.repeat(CROP[..., :1], 4, axis=-1),
        ("types", "crops in words"): np.full((1, 32, 32, 3), b"x", object),
    }
    for key, crop in crops.items():
        found[key] = "classification", "serving_default", {"image": crop}
    return found


def as_json(value):
    """What a client would write: nested lists, and bytes in base 64."""
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value


def ask(server, protocol, model, signature, inputs):
    """The answers by name, or the sentence of a refusal.

    Raises:
        Exception: if the server neither answers nor refuses.
    """
    if protocol == "grpc":
        try:
            return ask_anything(server, model, signature, inputs)
        except grpc.RpcError as error:
            if error.code() not in REFUSED:
                raise
            return str(error.details())
    given = {name: as_json(value) for name, value in inputs.items()}
    body = {"signature_name": signature, "inputs": given}
    status, content = post(server, model, body)
    if status in (400, 404):
        return str(content["error"])
    assert status == 200, content
    outputs = content["outputs"]
    alone = not isinstance(outputs, dict)
    return {"": outputs} if alone else outputs


def are_equal(found, expected):
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


@dataclass
class Asked:
    """What became of requests.

    Attributes:
        answered: good requests, by model and signature.
        refused: malformed ones, by kind.
        wrong: what should not have been, each a sentence.
        memory: of the server, seconds and megabytes.
        settled: megabytes after the first minutes.
    """

    answered: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    settled: float = 0.0

    @property
    def growth(self):
        return self.memory[-1][1] - self.settled

    def report(self):
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.refused.items()))
        return (
            f"{self.memory[-1][0]:.0f} s: {self.answered.total()} answered, "
            f"{self.refused.total()} refused ({kinds}), {len(self.wrong)} wrong, "
            f"{self.memory[-1][1]:.0f} MB"
        )


def ask_for(seconds, server, settle, tell=lambda line: None, every=60.0):
    """Ask by threads, each a good request and a malformed one in turn.

    Args:
        seconds: how long.
        server: facts of it; see `served.serving`.
        settle: seconds after which memory shall have its level.
        tell: takes a line from time to time.
        every: so many seconds.

    Returns:
        What became of it, an `Asked`.
    """
    good, bad = good_requests(), malformed_requests()
    expected = {
        (protocol, key): ask(server, protocol, *key, inputs)
        for protocol in PROTOCOLS
        for key, inputs in good.items()
    }
    found, lock, begun = Asked(), threading.Lock(), time.monotonic()
    assert not [key for key, answer in expected.items() if isinstance(answer, str)]

    def work(number):
        protocol = PROTOCOLS[number % 2]
        # Each begins elsewhere, so that all kinds meet.
        ours = itertools.islice(itertools.cycle(good), number, None)
        theirs = itertools.islice(itertools.cycle(bad), 3 * number, None)
        while time.monotonic() - begun < seconds and len(found.wrong) < 20:
            key, case = next(ours), next(theirs)
            try:
                answer = ask(server, protocol, *key, good[key])
                same = isinstance(answer, dict) and are_equal(
                    answer, expected[protocol, key]
                )
                refusal = ask(server, protocol, *bad[case])
            except Exception as error:
                with lock:
                    found.wrong.append(f"{protocol} {key} {case}: {error!r}")
                continue
            with lock:
                found.answered[key] += 1
                found.refused[case[0]] += 1
                if not same:
                    found.wrong.append(f"{protocol} {key}: another answer")
                if not isinstance(refusal, str) or not refusal:
                    found.wrong.append(f"{protocol} {case}: not refused")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    told = begun
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(1.0, seconds / 10))
        now = time.monotonic()
        found.memory.append((now - begun, megabytes(server.pid)))
        if now - begun <= settle:
            found.settled = found.memory[-1][1]
        if now - told >= every:
            told = now
            tell(found.report())
    tell(found.report())
    return found
