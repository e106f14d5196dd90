"""Photos of turned cameras in signatures: they are what `read_image` gives."""

import random
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.reading import Reading
from hrnet_tf.export.signatures import serving_function, signature_of
from hrnet_tf.images import orientation as orientation_module
from hrnet_tf.images.files import decode
from hrnet_tf.images.header import read_header
from hrnet_tf.images.in_graph import checked_files, decode_rgb
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from hrnet_tf.tasks.base.serving import CROPPED
from hrnet_tf.tasks.detection.predictor import DetectionPredictor
from support.served import BOXED, BOXES, FOUND, IMAGES, SIGNATURES, ask_anything
from support.stored import TURNS, encoded, stored_of

LIMITS = CROPPED
IMAGE = IMAGES[0]  # 140x120


def in_graph(orientation="upright"):
    """Files to their pixels and sizes, as signatures read them."""

    def read(image_bytes):
        files = checked_files(image_bytes, LIMITS, orientation)
        pixels = [decode_rgb(files.contents[0], files.turns[0])]
        return pixels[0], files.sizes[0], files.turns[0]

    spec = tf.TensorSpec((1,), tf.string)
    graph = tf.function(read, input_signature=[spec], autograph=False)
    return lambda content: [x.numpy() for x in graph(tf.constant([content]))]


@pytest.fixture(scope="module")
def upright():
    return in_graph()


@pytest.fixture(scope="module")
def stored():
    return in_graph("stored")


# Files of any tag


def tiff(turn, order="<", offset=8, before=(), kind=3, version=42):
    """EXIF data of one directory; entries before the tag are whole, as bytes."""
    mark = b"II" if order == "<" else b"MM"
    entries = [*before, struct.pack(f"{order}HHIHH", 0x112, kind, 1, turn, 0)]
    head = mark + struct.pack(f"{order}HI", version, offset) + bytes(offset - 8)
    count = struct.pack(f"{order}H", len(entries))
    return head + count + b"".join(entries) + bytes(4)


def segment(data, marker=0xE1):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def chunk(data, kind=b"eXIf"):
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


JPEG, PNG = encoded(IMAGE, ".jpg"), encoded(IMAGE, ".png")
EXIF = b"Exif\0\0"
XMP = segment(b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/> Exif\0\0")
NO_TAG = b"II*\0\x08\0\0\0\0\0"
BROKEN = struct.pack("<HHII", 0x111, 4, 500, 90000)  # numbers beyond the data
TEXT = struct.pack("<HHII", 0x10F, 2, 500, 90000)


def jpeg(*segments):
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def png(*chunks, at=33):
    return PNG[:at] + b"".join(chunks) + PNG[at:]


TAGGED = {
    "none": JPEG,
    "little": jpeg(segment(EXIF + tiff(6))),
    "big": jpeg(segment(EXIF + tiff(6, ">"))),
    "after XMP": jpeg(XMP, segment(EXIF + tiff(6))),
    "XMP alone": jpeg(XMP),
    "two, 1 first": jpeg(segment(EXIF + tiff(1)), segment(EXIF + tiff(6))),
    "two, 6 first": jpeg(segment(EXIF + tiff(6)), segment(EXIF + tiff(1))),
    "two, the first without": jpeg(segment(EXIF + NO_TAG), segment(EXIF + tiff(6))),
    "another segment": jpeg(segment(EXIF + tiff(6), 0xE2)),
    "filled up": jpeg(b"\xff" * 150, segment(EXIF + tiff(6))),
    "garbage before": jpeg(segment(b"x") + bytes(900), segment(EXIF + tiff(6))),
    "far": jpeg(segment(EXIF + tiff(6, offset=20))),
    "beyond": jpeg(segment(EXIF + b"II*\0\xff\xff\xff\xff" + tiff(6)[8:])),
    "in itself": jpeg(segment(EXIF + b"II*\0\0\0\0\0" + tiff(6)[8:])),
    "long": jpeg(segment(EXIF + tiff(6, kind=4))),
    "text as kind": jpeg(segment(EXIF + tiff(6, kind=2))),
    "no such turn": jpeg(segment(EXIF + tiff(9))),
    "after broken numbers": jpeg(segment(EXIF + tiff(6, before=[BROKEN]))),
    "after broken text": jpeg(segment(EXIF + tiff(6, before=[TEXT]))),
    "cut off": jpeg(segment(EXIF + tiff(6)[:19])),
    "empty": jpeg(segment(EXIF)),
    "before the pixels": JPEG.replace(
        b"\xff\xda", segment(EXIF + tiff(8)) + b"\xff\xda", 1
    ),
    "PNG": png(chunk(tiff(6))),
    "PNG, big": png(chunk(tiff(5, ">"))),
    "PNG, after the pixels": png(chunk(tiff(6)), at=-12),
    "PNG, with a name": png(chunk(EXIF + tiff(7))),
    "PNG, two": png(chunk(tiff(1)), chunk(tiff(6))),
    "PNG, empty": png(chunk(b"")),
    "PNG, another chunk": png(chunk(b"x\0eXIf", b"tEXt")),
}


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("turn", TURNS)
def test_pixels_are_those_of_read_image(turn, suffix, upright, stored, tmp_path):
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(encoded(stored_of(IMAGE, turn), suffix, turn, subsampling=2))
    shown = hrnet_tf.read_image(path)
    pixels, size, _ = upright(path.read_bytes())
    assert shown.shape == IMAGE.shape
    np.testing.assert_array_equal(pixels, shown)  # the same decoder: no level differs
    np.testing.assert_array_equal(size, (120, 140))
    pixels, size, _ = stored(path.read_bytes())
    np.testing.assert_array_equal(pixels, hrnet_tf.read_image(path, "stored"))
    assert tuple(size) == pixels.shape[:2]


@pytest.mark.parametrize("name", TAGGED)
def test_tags_are_read_by_the_rule_of_files(name, upright):
    content = TAGGED[name]
    pixels, _, turn = upright(content)
    assert turn == read_header(content).turn
    np.testing.assert_array_equal(pixels, decode(content))


def test_damaged_tags_are_read_by_the_rule_of_files():
    """Bytes of headers are changed, put in and left out."""

    def read(content, is_jpeg):
        return orientation_module.orientation_of(content, is_jpeg)

    specs = [tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.bool)]
    graph = tf.function(read, input_signature=specs, autograph=False)
    chance, tried, turned = random.Random(0), 0, 0
    files = list(TAGGED.values())
    while tried < 1500:
        content = bytearray(chance.choice(files))
        first = 3 if content.startswith(b"\xff") else 33
        for _ in range(chance.choice((1, 1, 2, 4))):
            value = chance.choice((0, 1, 3, 4, 8, 0x12, 0xFF, chance.randrange(256)))
            content[chance.randrange(first, 110)] = value
        if chance.random() < 0.2:
            start = chance.randrange(first, 110)
            del content[start : start + chance.randrange(1, 9)]
        if chance.random() < 0.2:
            start = chance.randrange(first, 110)
            content[start:start] = chance.randbytes(chance.randrange(1, 140))
        try:
            expected = read_header(bytes(content)).turn
        except hrnet_tf.InputError:
            continue
        is_jpeg = content.startswith(b"\xff")
        found, whole = graph(tf.constant(bytes(content)), tf.constant(is_jpeg))
        assert (found.numpy(), whole.numpy()) == (expected, True), bytes(content[:200])
        tried, turned = tried + 1, turned + (expected > 1)
    assert turned > 100


def test_files_of_too_many_parts_are_refused(monkeypatch):
    monkeypatch.setattr(orientation_module, "MOST_PARTS", 20)
    read = in_graph()
    few = [segment(b"", 0xE5)] * 10
    assert read(jpeg(*few, segment(EXIF + tiff(6))))[2] == 6
    for content in (
        jpeg(*few * 3, segment(EXIF + tiff(6))),
        png(*[chunk(b"", b"tEXt")] * 30, chunk(tiff(6))),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Image 0 .* parts"):
            read(content)


# Signatures


def turned_files():
    """The first image as a camera writes it, held in eight ways."""
    return [encoded(stored_of(IMAGE, turn), ".jpg", turn) for turn in TURNS]


@pytest.mark.parametrize("task", SIGNATURES)
def test_a_server_answers_of_photos_as_viewers_show_them(task, server, networks):
    model, manifest = networks[task]
    files = turned_files()
    inputs = {"image_bytes": np.array(files, object)}
    if task in BOXED:
        inputs["boxes"] = np.array([BOXES[0]] * len(files), np.float32)
        inputs["people"] = np.ones(len(files), np.int32)
    answer = ask_anything(server, task, SIGNATURES[task], inputs)
    predictor = parts_of(manifest).predictor.from_model(model, manifest)
    if task == FOUND:
        detector = DetectionPredictor.from_model(*networks["detection"])
        predictor = BehindDetector(predictor, detector, "person")
    given = (BOXES[0],) if task in BOXED else ()
    for number, content in enumerate(files):
        expected = predictor.predict(decode(content), *given)
        own = {name: values[number] for name, values in answer.items()}
        if "counts" in own:
            check = check_objects if "labels" in own else check_people
            check(own, expected)
            continue
        for name in ("keypoints", "scores", "probabilities", "confidence", "values"):
            if name in own:
                found, right = own[name], getattr(expected, name)
                limit = 0.02 if name == "scores" else 2e-3
                np.testing.assert_allclose(found, right, atol=limit)
        if "size" in answer:
            assert answer["size"][number].tolist() == [120, 140]


def check_objects(own, objects):
    """A detector's, which are compared number by number."""
    assert own["counts"] == len(objects)
    np.testing.assert_allclose(own["boxes"][: len(objects)], objects.boxes, atol=1e-3)


def check_people(own, people):
    """Where two places are equally high, the way to resize decides which is found."""
    assert own["counts"] >= 1
    points, score = own["keypoints"][0], own["scores"][0]
    np.testing.assert_allclose(points[:, :2], people.keypoints[0], atol=0.6)
    np.testing.assert_allclose(points[:, 2], people.scores[0], atol=0.02)
    np.testing.assert_allclose(score, people.person_scores[0], atol=0.02)


def test_a_run_of_stored_images_is_served_stored_ones(networks):
    model, manifest = networks["segmentation"]
    given = replace(manifest.input, orientation="stored")
    manifest = replace(manifest, input=given)
    serve = serving_function(lambda images: model(images, training=False), manifest)
    graph = tf.function(serve, input_signature=signature_of(manifest).inputs)
    content = turned_files()[5]
    answer = graph(tf.constant([content]))
    assert answer["size"].numpy().tolist() == [[140, 120]]
    predictor = parts_of(manifest).predictor.from_model(model, manifest)
    expected = predictor.predict(decode(content, Reading("stored")))
    assert (answer["labels"].numpy()[0] == expected.labels).mean() > 0.999
