from dataclasses import replace

import keras
import pytest

from hrnet_tf.networks.backbone import SMALL_VARIANTS, Body, body, hrnet
from hrnet_tf.networks.layers import Conventions

TINY_BODY = body(4, modules=(1, 1, 1), blocks=1, stem=((8, 2), (8, 2)))


def test_the_published_body_is_that_of_the_paper():
    assert body(48) == Body(
        48, modules=(1, 4, 3), blocks=4, bottlenecks=(4, 64), stem=((64, 2), (64, 2))
    )


def test_a_branch_is_twice_as_wide_as_the_one_above_it():
    assert body(32).widths(4) == (32, 64, 128, 256)


@pytest.mark.parametrize(
    ("stem", "stride", "largest"),
    [(((64, 2), (64, 2)), 4, 32), (((8, 2), (8, 1)), 2, 16), (((8, 1), (8, 1)), 1, 8)],
)
def test_strides_follow_from_the_stem(stem, stride, largest):
    spec = body(32, stem=stem)
    assert (spec.stride, spec.largest_stride) == (stride, largest)


def test_a_small_variant_is_changed_only_where_the_caller_says():
    spec = body("18_small_v2", blocks=3)
    assert spec == Body(18, modules=(1, 3, 2), blocks=3, bottlenecks=(2, 64))
    assert SMALL_VARIANTS["18_small_v2"].blocks == 2


def test_lists_from_a_configuration_make_the_same_body():
    given = body(8, modules=[1, 2, 1], stem=[[16, 2], [16, 2]])
    assert given == body(8, modules=(1, 2, 1), stem=((16, 2), (16, 2)))


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"18_small_v2, .*_bottleneck, got 'huge'"):
        body("huge")


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"blocks": 0},
        {"modules": (1, 0, 1)},
        {"stem": ((0, 2), (8, 2))},
        {"stem": ((8, 2), (8, -1))},
    ],
)
def test_a_number_that_is_not_positive_is_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        body(**{"width": 8, **wrong})


@pytest.mark.parametrize(
    "wrong", [{"modules": (1, 4)}, {"modules": ()}, {"stem": ((8, 2),)}, {"stem": ()}]
)
def test_a_missing_number_is_refused(wrong):
    with pytest.raises(ValueError, match=r"three numbers .* two pairs"):
        body(8, **wrong)


def test_maps_lie_at_four_strides_each_twice_as_wide():
    maps = hrnet(keras.Input((64, 96, 3)), TINY_BODY, Conventions())
    assert [tuple(x.shape) for x in maps] == [
        (None, 16, 24, 4),
        (None, 8, 12, 8),
        (None, 4, 6, 16),
        (None, 2, 3, 32),
    ]


def test_maps_of_images_of_any_size_have_known_channels():
    maps = hrnet(keras.Input((None, None, 3)), TINY_BODY, Conventions())
    assert [x.shape[-1] for x in maps] == [4, 8, 16, 32]


def test_the_high_resolution_alone_has_no_way_back_down():
    image = keras.Input((64, 96, 3))
    maps = hrnet(image, TINY_BODY, Conventions(), high_resolution_only=True)
    names = {layer.name for layer in keras.Model(image, maps).layers}
    assert [tuple(x.shape) for x in maps] == [(None, 16, 24, 4)]
    assert "stage4.0.fuse_layers.0.3.0" in names
    assert not any(name.startswith("stage4.0.fuse_layers.1") for name in names)


def test_a_wider_stem_and_stage_one_do_not_change_the_maps():
    spec = Body(4, (1, 1, 1), 1, bottlenecks=(2, 16), stem=((32, 2), (16, 2)))
    maps = hrnet(keras.Input((64, 64, 3)), spec, Conventions())
    assert [x.shape[-1] for x in maps] == [4, 8, 16, 32]


def test_branches_of_bottlenecks_are_as_wide_as_others():
    spec = replace(TINY_BODY, deep_blocks=True)
    image = keras.Input((64, 64, 3))
    maps = hrnet(image, spec, Conventions())
    assert [x.shape[-1] for x in maps] == [4, 8, 16, 32]
    model = keras.Model(image, maps)
    block = "stage4.0.branches.2.0"
    assert model.get_layer(f"{block}.conv1").output.shape[-1] == 4
    assert model.get_layer(f"{block}.conv3").output.shape[-1] == 16
    assert f"{block}.downsample.0" not in {layer.name for layer in model.layers}
    assert body("44_bottleneck") == Body(44, deep_blocks=True)
