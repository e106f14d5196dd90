"""Files of timm, MMPose, MMSegmentation and MMDetection: names, and what they answer.

The tensors follow from their names there, prefixes included.
"""

import json
import lzma
from pathlib import Path

import keras
import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.checkpoints.names import official
from hrnet_tf.checkpoints.weights import load_official
from hrnet_tf.common.errors import InputError
from hrnet_tf.conversion.facts import infer
from hrnet_tf.conversion.pretrained import load_checkpoint, open_checkpoint
from hrnet_tf.tasks import networks
from hrnet_tf.tasks.base.manifest import ImageInput
from support.official import FIXTURES, images, read_arrays, tensor

NAMES = json.loads(
    lzma.decompress((FIXTURES / "checkpoint_names" / "names.json.xz").read_bytes())
)
# Program and case: the network, its width, and how many outputs of which kind it has.
KINDS = {
    "timm_hrnet_w18": ("HRNetClassifier", 18, 1000),
    "timm_hrnet_w18_small_v2": ("HRNetClassifier", "18_small_v2", 1000),
    "timm_hrnet_w18_features": (None, 18, 0),
    "mmpose1_td_hm_hrnet_w32": ("HRNetV1", 32, 17),
    "mmpose1_ae_hrnet_w32": ("HRNetV1", 32, 34),
    "mmpose1_face_hrnetv2_w18_98": ("HRNetLandmarks", 18, 98),
    "mmpose0_higherhrnet_w32": ("HigherHRNet", 32, 17),
    "mmseg_fcn_hr18": ("HRNetV2", 18, 19),
    "mmseg_ocrnet_hr18": ("HRNetV2", 18, 19),
    "mmdet3_hrnetv2p_w18_neck": ("HRNetV2p", 18, 0),
}


def named(case):
    return {name: tensor(name, shape) for name, shape in NAMES[case]["tensors"]}


@pytest.fixture
def saved(tmp_path):
    def save(tensors):
        path = tmp_path / "checkpoint.npz"
        np.savez(path, **tensors)
        return path

    return save


def check(case, outputs):
    """Compare with what the program answered; of large maps every second pixel."""
    expected = read_arrays("checkpoint_names", case)
    assert len(outputs) == sum(name.endswith("_shape") for name in expected)
    for place, output in enumerate(map(np.asarray, outputs)):
        output = output.transpose(0, 3, 1, 2) if output.ndim == 4 else output
        whole, given = output.astype(np.float64), expected[f"output_{place}"]
        assert whole.shape == tuple(expected[f"output_{place}_shape"])
        sums = whole.sum(), np.square(whole).sum()
        stated = [float(expected[f"output_{place}_{n}"]) for n in ("sum", "square_sum")]
        np.testing.assert_allclose(sums[1], stated[1], rtol=1e-4)
        assert abs(sums[0] - stated[0]) < 1e-4 * np.abs(whole).sum()
        if whole.shape != given.shape:
            whole = whole[:, :, ::2, ::2]
        assert np.abs(whole - given).max() < 1e-4 * np.abs(given).max()


def answers(model, case):
    output = model(images("input", NAMES[case]["input_shape"]), training=False)
    if isinstance(output, dict):
        return list(output.values())
    return output if isinstance(output, list) else [output]


def test_every_recorded_case_is_here():
    assert set(KINDS) == set(NAMES)


@pytest.mark.parametrize("case", KINDS)
def test_what_a_file_holds_is_read_off_its_names(case):
    facts = infer(official(named(case), case), case)
    found = facts.network and facts.network.name
    assert (found, facts.width, facts.outputs) == KINDS[case]


@pytest.mark.parametrize("case", ["timm_hrnet_w18", "timm_hrnet_w18_small_v2"])
def test_classifiers_have_the_official_names(case, saved):
    given = named(case)
    assert set(official(given, case)) == {n for n in given if "num_batches" not in n}


# What they answer; of each kind of head one, the others are full-size too.


@pytest.mark.parametrize(
    "case",
    [
        "mmpose1_td_hm_hrnet_w32",
        pytest.param("timm_hrnet_w18", marks=pytest.mark.slow),
        pytest.param("timm_hrnet_w18_small_v2", marks=pytest.mark.slow),
        pytest.param("mmpose0_higherhrnet_w32", marks=pytest.mark.slow),
        pytest.param("mmpose1_face_hrnetv2_w18_98", marks=pytest.mark.slow),
        pytest.param("mmseg_fcn_hr18", marks=pytest.mark.slow),
        pytest.param("mmseg_ocrnet_hr18", marks=pytest.mark.slow),
        pytest.param("mmdet3_hrnetv2p_w18_neck", marks=pytest.mark.slow),
    ],
)
def test_a_file_answers_as_in_its_program(case, saved):
    model = load_checkpoint(saved(named(case)), input_shape=(None, None, 3))
    found = answers(model, case)
    check(case, found)


def test_heatmaps_and_tags_are_told_from_heatmaps(saved, caplog):
    case = "mmpose1_ae_hrnet_w32"
    path = saved(named(case))
    loaded = open_checkpoint(path, network="HigherHRNet")
    assert loaded.arguments["keypoints"] == loaded.facts.outputs == 17
    (both,) = answers(loaded.model, case)
    assert both.shape[-1] == 34
    check(case, [both[..., :17], both[..., 17:]])
    assert "may be of the kind" not in caplog.text
    assert infer(official(named(case), case), "some.pth").outputs == 34
    assert "some.pth may be of the kind HigherHRNet with 17 keypoints" in caplog.text


def test_another_network_than_the_one_asked_for_is_refused():
    tensors = official(named("mmpose1_td_hm_hrnet_w32"), "pose.pth")
    with pytest.raises(InputError, match="has 17 outputs, which is no multiple of 2"):
        infer(tensors, "pose.pth", "HigherHRNet")
    with pytest.raises(InputError, match=r"is no HRNetV2: it has no cls_head\.weight"):
        infer(tensors, "pose.pth", "HRNetV2")
    with pytest.raises(InputError, match=r"`network` must be one of .*, got 'X'"):
        infer(tensors, "pose.pth", "X")
    assert infer(tensors, "pose.pth", "HRNetV1").outputs == 17


def test_features_are_those_of_the_program():
    case = "timm_hrnet_w18_features"
    classifier = hrnet_tf.HRNetClassifier(
        18, include_top=False, input_shape=(64, 64, 3)
    )
    new = ("downsamp_modules", "final_layer")
    load_official(classifier, official(named(case), case), new=new)
    names = ["bn1.relu", *(f"incre_modules.{level}.0.relu" for level in range(4))]
    outputs = [classifier.get_layer(name).output for name in names]
    check(case, answers(keras.Model(classifier.input, outputs), case))


def test_heatmaps_and_tags_are_loaded_as_weights_too(saved):
    """OpenMMLab's bottom-up HRNet calls its last layer as a network for pose does."""
    ours = hrnet_tf.HigherHRNet(keypoints=5, resolutions=1, **TINY)
    tensors = as_checkpoint(ours)
    for leaf in ("weight", "bias"):
        tensors[f"head.final_layer.{leaf}"] = tensors.pop(f"final_layers.0.{leaf}")
    path = saved({n if "head" in n else f"backbone.{n}": t for n, t in tensors.items()})
    again = hrnet_tf.HigherHRNet(keypoints=5, resolutions=1, weights=path, **TINY)
    for one, other in zip(ours.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match=r"does not fit: .*final_layers\.0\."):
        hrnet_tf.HigherHRNet(keypoints=5, weights=path, **TINY)


def test_heatmaps_of_one_resolution_are_not_exported():
    kind, given = networks()["HigherHRNet"], ImageInput(512, 512)
    arguments = {"keypoints": 17, "resolutions": 1}
    with pytest.raises(InputError, match=r"ae\.keras has heatmaps of one resolution"):
        kind.manifest("t", given, arguments, None, Path("ae.keras"))


# Without a head


TINY = {"width": 4, "modules": (1, 1, 1), "blocks": 1}


def as_checkpoint(model):
    """A tiny network's tensors in PyTorch's layout."""
    from hrnet_tf.checkpoints.weights import official_names

    return {
        name: np.asarray(variable).transpose(3, 2, 0, 1)
        if len(variable.shape) == 4
        else np.asarray(variable)
        for name, variable in official_names(model)
    }


@pytest.mark.parametrize("all_resolutions", [False, True])
def test_a_body_alone_is_given_back_where_no_head_is_asked_for(
    all_resolutions, saved, caplog
):
    body = hrnet_tf.HRNetV1(
        include_top=False,
        pyramid_outputs=all_resolutions,
        input_shape=(64, 32, 3),
        **TINY,
    )
    given = {f"backbone.{n}": t for n, t in as_checkpoint(body).items()}
    path = saved(given)
    with pytest.raises(InputError, match="take the body itself: include_top=False"):
        load_checkpoint(path)
    ours = load_checkpoint(path, include_top=False, input_shape=(64, 32, 3))
    assert "does not tell how low resolutions are brought" in caplog.text
    x = np.random.default_rng(0).normal(size=(1, 64, 32, 3)).astype(np.float32)
    expected, found = body(x), ours(x)
    if all_resolutions:
        assert list(found) == ["P2", "P3", "P4", "P5"]
        expected, found = list(expected.values()), list(found.values())
    for one, other in zip([*expected], [*found], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_head_of_a_whole_network_is_left_out_where_none_is_asked_for(saved):
    whole = hrnet_tf.HRNetV1(keypoints=5, input_shape=(64, 32, 3), **TINY)
    loaded = open_checkpoint(
        saved(as_checkpoint(whole)), include_top=False, input_shape=(64, 32, 3)
    )
    assert loaded.model.output_shape == (None, 16, 8, 4)
    assert loaded.left_out == ("final_layer.bias", "final_layer.weight")
