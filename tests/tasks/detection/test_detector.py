"""The detector as a Keras model: what it takes, gives, keeps, and is loaded from."""

from pathlib import Path

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.checkpoints.names import official
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.facts import infer
from hrnet_tf.conversion.pretrained import load_checkpoint, open_checkpoint
from hrnet_tf.tasks.base.checkpoint import Given
from hrnet_tf.tasks.detection.checkpoint import NETWORK
from hrnet_tf.tasks.detection.detector import Detector
from hrnet_tf.tasks.detection.heads import BoxHead, MaskHead, ProposalHead
from hrnet_tf.tasks.detection.translation import translate
from support.networks import shallow_networks
from support.official import read_case
from support.served import TINY

ANY = (None, None, 3)
CLASSES = 3


def build(**arguments):
    """A detector without blocks, which is quick to build."""
    with shallow_networks():
        return hrnet_tf.HRNetDetector(classes=CLASSES, **{**TINY, **arguments})


@pytest.fixture(scope="module")
def detector():
    """A whole one with masks, whose heads are not afraid to answer."""
    keras.utils.set_random_seed(0)
    model = hrnet_tf.HRNetDetector(classes=CLASSES, masks=True, **TINY)
    for layer in model.parts.heads.boxes[0].logits, model.parts.heads.boxes[0].deltas:
        layer.set_weights([30 * layer.get_weights()[0], layer.get_weights()[1]])
    return model


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.standard_normal((1, 64, 96, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def found(detector, images):
    return {name: np.asarray(x) for name, x in detector(images).items()}


def same(found, expected):
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-4, err_msg=name)


def test_it_finds_boxes_with_scores_labels_and_masks(found):
    assert {name: (x.shape, x.dtype.name) for name, x in found.items()} == {
        "boxes": ((1, 100, 4), "float32"),
        "scores": ((1, 100), "float32"),
        "labels": ((1, 100), "int32"),
        "counts": ((1,), "int32"),
        "masks": ((1, 100, 28, 28), "float32"),
    }
    for image, count in enumerate(found["counts"]):
        assert 0 < count <= 100
        names = ("boxes", "scores", "labels", "masks")
        boxes, scores, labels, masks = (found[name][image, :count] for name in names)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] <= (96, 64)).all()
        assert (np.diff(scores) <= 0).all()
        assert scores.min() > 0.05
        assert set(labels) <= set(range(CLASSES))
        assert 0 <= masks.min() < masks.max() <= 1
        for name in ("boxes", "scores", "masks"):
            assert not found[name][image, count:].any()


def test_nothing_is_found_beyond_what_is_image(detector, images, found):
    sizes = np.array([[64, 96], [40, 50]], np.int32)
    answer = detector({"image": images.repeat(2, axis=0), "sizes": sizes})
    boxes = np.asarray(answer["boxes"])
    np.testing.assert_allclose(boxes[0], found["boxes"][0], atol=1e-3)
    assert (boxes[1, :, 2:] <= (50, 40)).all()
    assert boxes[1].any()


def test_a_saved_one_is_the_same(detector, images, found, tmp_path):
    detector.save(tmp_path / "detector.keras")
    again = keras.models.load_model(tmp_path / "detector.keras")
    assert type(again) is Detector
    same(found, again(images))
    assert again.parts.heads.boxes[0].logits is again.get_layer(
        "roi_head.bbox_head.fc_cls"
    )
    tensors = dict(np.load(as_file(detector, tmp_path)))
    assert tensors.keys() == {name for name, _ in official_names(again)}


def test_it_stands_in_other_models(detector, images, found):
    image = keras.Input((64, 96, 3))
    model = keras.Model(image, detector(image)["boxes"])
    np.testing.assert_allclose(model(images), found["boxes"], atol=1e-4)


def test_without_heads_it_is_the_pyramid_or_the_body(images):
    pyramid = build(include_top=False)
    assert list(pyramid(images)) == ["P2", "P3", "P4", "P5", "P6"]
    assert pyramid(images)["P6"].shape == (1, 1, 1, 256)
    assert list(build(pyramid_outputs=True)(images)) == ["P2", "P3", "P4", "P5"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`classes` must be at least 1, got 0"):
        hrnet_tf.HRNetDetector(classes=0)
    with pytest.raises(ValueError, match=r"strides of `stem` must make 4"):
        build(stem=((8, 2), (8, 1)))
    with pytest.raises(ValueError, match="image sides must be multiples of 32"):
        build(input_shape=(64, 100, 3))


# Parameters, of the table in the reference


BODIES = {18: 9_562_260, 32: 29_305_536, 40: 45_521_216}
PYRAMIDS = {18: 3_019_776, 32: 3_073_536, 40: 3_104_256}
DETECTORS = {
    (False, False): {18: 27_482_676, 32: 47_279_712, 40: 63_526_112},
    (False, True): {18: 30_125_956, 32: 49_922_992, 40: 66_169_392},
    (True, False): {18: 55_124_386, 32: 74_921_422, 40: 91_167_822},
    (True, True): {18: 63_054_226, 32: 82_851_262, 40: 99_097_662},
}


def weights_of(*heads):
    """Parameters of built heads."""
    layers = [
        layer
        for head in heads
        for part in vars(head).values()
        for layer in (part if isinstance(part, tuple) else (part,))
    ]
    return sum(int(np.prod(w.shape)) for layer in layers for w in layer.weights)


def test_detectors_have_the_published_number_of_parameters():
    level, seven, fourteen = (keras.Input((n, n, 256)) for n in (None, 7, 14))
    proposals, masks = ProposalHead.new(None), MaskHead.new("m", 80, None)
    each, alike = (BoxHead.new(f"b{own}", 80, own, None) for own in (True, False))
    for head, x in (
        (proposals, level),
        (masks, fourteen),
        (each, seven),
        (alike, seven),
    ):
        head(x)
    for (cascade, with_masks), counts in DETECTORS.items():
        stages = 3 if cascade else 1
        heads = weights_of(proposals) + stages * weights_of(alike if cascade else each)
        heads += stages * weights_of(masks) * with_masks
        for width, count in counts.items():
            assert BODIES[width] + PYRAMIDS[width] + heads == count


@pytest.mark.slow
@pytest.mark.parametrize("width", BODIES)
def test_pyramids_have_the_published_number_of_parameters(width):
    pyramid = hrnet_tf.HRNetV2p(width)
    count = sum(int(np.prod(w.shape)) for w in pyramid.trainable_weights)
    assert count == BODIES[width] + PYRAMIDS[width]


def test_heads_and_pyramid_start_as_published(detector):
    fresh = build(masks=True)
    kernels = {n: np.asarray(v) for n, v in official_names(fresh) if "weight" in n}
    for name, deviation in {
        "rpn_head.rpn_conv": 0.01,
        "rpn_head.rpn_reg": 0.01,
        "roi_head.bbox_head.fc_cls": 0.01,
        "roi_head.bbox_head.fc_reg": 0.001,
        "roi_head.bbox_head.shared_fcs.0": np.sqrt(2 / (12544 + 1024)),
        "roi_head.mask_head.convs.3.conv": np.sqrt(2 / (9 * 256)),
        "roi_head.mask_head.upsample": np.sqrt(2 / (4 * 256)),
        "neck.fpn_conv.4": np.sqrt(1 / (9 * 256)),
    }.items():
        assert kernels[f"{name}.weight"].std() == pytest.approx(deviation, rel=0.1)
    assert np.abs(kernels["neck.fpn_conv.4.weight"]).max() < np.sqrt(3 / (9 * 256))


# Checkpoints


def torch_layout(name, value):
    """A variable as PyTorch keeps it."""
    if name == "roi_head.bbox_head.shared_fcs.0.weight":
        value = value.reshape(7, 7, -1, value.shape[1]).transpose(3, 2, 0, 1)
        return value.reshape(len(value), -1)
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T


def tensors_of(model):
    return {n: torch_layout(n, np.asarray(v)) for n, v in official_names(model)}


def as_file(model, folder, change=lambda tensors: tensors):
    np.savez(folder / "detector.npz", **change(tensors_of(model)))
    return folder / "detector.npz"


def named(case, change=lambda name: name):
    """Tensors of a recorded detector, without their numbers."""
    return {
        change(name): np.broadcast_to(np.float32(0), shape)
        for name, shape in read_case("detection", case)["tensors"]
    }


def facts_of(tensors, **more):
    found = infer(translate(official(tensors, "x.pth"), "x.pth"), "x.pth", **more)
    return found.network.name, found.width, found.outputs, dict(found.head.arguments)


@pytest.mark.parametrize(
    ("case", "cascade", "masks"),
    [
        ("faster_rcnn_w18", False, False),
        ("mask_rcnn_w18", False, True),
        ("cascade_rcnn_w18", True, False),
    ],
)
def test_what_a_file_holds_is_read_off_its_names(case, cascade, masks, caplog):
    kind = {"cascade": cascade, "masks": masks}
    assert facts_of(named(case)) == ("HRNetDetector", 18, 80, kind)
    if cascade:  # with three mask heads
        more = named("mask_rcnn_w18")
        more = {n.replace("mask_head", "mask_head.0"): t for n, t in more.items()}
        both = {**named(case), **{n: t for n, t in more.items() if "mask" in n}}
        kind = {"cascade": True, "masks": True}
        assert facts_of(both) == ("HRNetDetector", 18, 80, kind)
    without = {"leave_out": ["rpn_head", "roi_head"]}
    assert facts_of(named(case), **without)[0] == "HRNetV2p"
    assert not caplog.text


def first(tensors):
    """As the first program has them: its names, and the background before the rest."""
    found = {}
    for name, tensor in tensors.items():
        if "fc_cls" in name:
            tensor = np.roll(tensor, 1, axis=0)
        elif "fc_reg" in name:
            tensor = np.concatenate([tensor[:4] + 9, tensor])
        elif "conv_logits" in name:
            tensor = np.concatenate([tensor[:1] + 9, tensor])
        found[name.removeprefix("roi_head.")] = tensor
    return found


@pytest.mark.parametrize("change", [dict, first])
def test_a_checkpoint_is_loaded_whole(
    change, detector, images, found, tmp_path, caplog
):
    loaded = open_checkpoint(as_file(detector, tmp_path, change), stem=TINY["stem"])
    same(found, loaded.model(images))
    assert (loaded.arguments["classes"], loaded.left_out) == (CLASSES, ())
    assert ("expect a small change of AP" in caplog.text) == (change is first)


@pytest.mark.parametrize("cascade", [False, True])
def test_a_file_tells_how_wide_pyramid_and_heads_are(cascade):
    tensors = tensors_of(build(cascade=cascade, features=12, hidden=20))
    given = Given(Path("narrow.pth"), tuple(tensors), tensors, None)
    assert NETWORK.more(given) == {"features": 12, "hidden": 20}


def test_weights_are_those_of_a_checkpoint_of_either_program(tmp_path):
    theirs = build()
    ours = build(weights=as_file(theirs, tmp_path, first))
    for one, other in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_classes_leave_out_what_depends_on_them(detector, tmp_path):
    path = as_file(detector, tmp_path)
    loaded = open_checkpoint(path, outputs=5, stem=TINY["stem"])
    layers = ("bbox_head.fc_cls", "bbox_head.fc_reg", "mask_head.conv_logits")
    assert loaded.left_out == tuple(
        f"roi_head.{name}.{leaf}" for name in layers for leaf in ("bias", "weight")
    )
    assert loaded.model.parts.heads.boxes[0].logits.units == 6


def test_the_pyramid_alone_is_loaded_from_a_detector(detector, images, tmp_path):
    path = as_file(detector, tmp_path)
    pyramid = load_checkpoint(
        path, leave_out=["rpn_head", "roi_head"], stem=TINY["stem"]
    )
    expected = detector.parts.pyramid(images)
    same(pyramid(images), expected)


def test_it_takes_the_body_of_another_network(tmp_path):
    detector = build()
    with shallow_networks():
        other = hrnet_tf.HRNetClassifier(head_planes=(2, 2, 2, 2), **TINY)
    tensors = {n: np.asarray(v) for n, v in official_names(other)}
    np.savez(
        tmp_path / "other.npz", **{n: torch_layout(n, t) for n, t in tensors.items()}
    )
    before = detector.get_layer("rpn_head.rpn_conv").get_weights()[0]
    hrnet_tf.load_body(detector, tmp_path / "other.npz")
    kernel = detector.get_layer("transition3.3.0.0").get_weights()[0]
    np.testing.assert_array_equal(kernel, tensors["transition3.3.0.0.weight"])
    after = detector.get_layer("rpn_head.rpn_conv").get_weights()[0]
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bbox_head.conv_centerness.weight", "an FCOS detector"),
        ("bbox_head.fcos_cls.weight", "an FCOS detector"),
        ("roi_head.semantic_head.conv_embedding.conv.weight", "an HTC detector"),
        ("mask_head.1.conv_res.conv.weight", "an HTC detector"),
    ],
)
def test_other_detectors_are_refused(name, kind):
    tensors = {"neck.reduction_conv.0.weight": 0, name: 0}
    told = rf"other\.pth holds {kind} \(it has {name}\).* leave_out=\['{name[:4]}"
    with pytest.raises(InputError, match=told):
        translate(tensors, "other.pth")
