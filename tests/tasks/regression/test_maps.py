"""Maps of numbers, in each format, and the crops that are cut out of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hrnet_tf import InputError
from hrnet_tf.tasks.dense.augment import Cut, random_cut
from hrnet_tf.tasks.dense.config import DenseAugmentation
from hrnet_tf.tasks.dense.pipeline import training_pairs
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.config import MapSection
from hrnet_tf.tasks.regression.maps import open_maps, read_map
from hrnet_tf.tasks.regression.pipeline import MapReader, cut_map
from hrnet_tf.tasks.regression.survey import survey_maps
from support.batches import put_pair
from support.sides import picture

NAN = float("nan")
SIZE = (40, 56)
SHAPES = [(60, 90), (90, 60), (33, 200), (48, 48)]
PLAIN = DenseAugmentation(scale=(1.0, 1.0), flip_probability=0.0)
THREE = ("a", "b", "c")
VALUES = np.array([[0, 500, 1000], [7000, 1, 65535]], np.uint16)


def section_of(**given):
    return MapSection(root="x", **given)


def same(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected, np.float32), rtol=1e-6)


# Files


def test_grey_png_of_16_bits_is_read_in_its_unit(tmp_path):
    path = tmp_path / "depth.png"
    cv2.imwrite(str(path), VALUES)
    found = read_map(path, section_of(unit_size=0.001, missing=0))
    same(found[..., 0], [[NAN, 0.5, 1], [7, 0.001, 65.535]])


def test_nothing_is_missing_unless_asked_for(tmp_path):
    path = tmp_path / "depth.png"
    cv2.imwrite(str(path), VALUES.astype(np.uint8))
    same(read_map(path, section_of())[..., 0], VALUES.astype(np.uint8))
    found = read_map(path, section_of(missing=1))
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_channels_of_a_png_are_red_green_and_blue(dtype, tmp_path):
    path = tmp_path / "normals.png"
    colors = (np.arange(18).reshape(2, 3, 3) * 14).astype(dtype)
    cv2.imwrite(str(path), colors[..., ::-1])
    same(read_map(path, section_of(channels=THREE)), colors)
    if dtype == np.uint8:
        np.testing.assert_array_equal(np.asarray(Image.open(path)), colors)


def test_a_png_that_names_a_clear_value_keeps_its_channels(tmp_path):
    path = tmp_path / "depth.png"
    image = Image.fromarray(VALUES.astype(np.uint8))
    image.save(path, transparency=1)
    same(read_map(path, section_of())[..., 0], VALUES.astype(np.uint8))


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".TIF"])
def test_tiff_of_float32_keeps_its_numbers(suffix, tmp_path, rng):
    path = tmp_path / f"height{suffix}"
    values = rng.normal(size=(4, 5)).astype(np.float32)
    values[1, 2] = np.nan
    path.write_bytes(cv2.imencode(".tif", values)[1].tobytes())
    same(read_map(path, section_of())[..., 0], values)
    if suffix == ".tif":
        np.testing.assert_array_equal(np.asarray(Image.open(path)), values)


def test_channels_of_a_tiff_are_in_their_order(tmp_path, rng):
    path = tmp_path / "normals.tif"
    values = rng.normal(size=(4, 5, 3)).astype(np.float32)
    exact = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
    cv2.imwrite(str(path), np.ascontiguousarray(values[..., ::-1]), exact)
    same(read_map(path, section_of(channels=THREE)), values)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i4", "u1", "?"])
def test_arrays_may_have_any_numbers(dtype, tmp_path):
    values = np.array([[1, 0, 1]]).astype(dtype)
    np.save(tmp_path / "x.npy", values)
    same(read_map(tmp_path / "x.npy", section_of(unit_size=3))[..., 0], [[3, 0, 3]])


def test_arrays_may_have_two_channels_each_missing_by_itself(tmp_path):
    values = np.array([[[1.5, -9.0], [-9.0, NAN]]])
    np.save(tmp_path / "flow.npy", values)
    found = read_map(
        tmp_path / "flow.npy", section_of(channels=("x", "y"), missing=-9, unit_size=2)
    )
    same(found, [[[3, NAN], [NAN, NAN]]])


def rewrite(path, array):
    if path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        cv2.imwrite(str(path), array)


BROKEN = {
    "text": ("a.png", b"text", "broken, empty or no PNG file"),
    "cut off": ("a.png", cv2.imencode(".png", VALUES)[1].tobytes()[:40], "is cut off"),
    "no TIFF": ("a.tif", b"", "is broken, empty or no TIFF file"),
    "no array": ("a.npy", b"text", "cannot be read"),
    "an empty file": ("a.npy", b"", "cannot be read"),
    "objects": ("a.npy", np.array([{}]), "cannot be read"),
    "words": ("a.npy", np.array([["a"]]), "one array of numbers"),
    "complex": ("a.npy", np.array([[1j]]), "one array of numbers"),
    "colours": (
        "a.png",
        np.zeros((2, 3, 3), np.uint8),
        r"the shape \(2, 3, 3\); it must be \(height, width, 1\), .* names depth",
    ),
    "opacity": ("a.png", np.zeros((2, 3, 4), np.uint8), "neither palette nor opacity"),
    "a row": ("a.npy", np.zeros(3), r"shape \(3,\)"),
    "nothing": ("a.npy", np.zeros((0, 3)), r"shape \(0, 3, 1\)"),
    "endless": (
        "a.npy",
        np.array([[1, 2, 3], [4, 5, -np.inf]]),
        "holds -inf in row 1, column 2; where nothing is known it must hold NaN",
    ),
    "too large": ("a.npy", np.array([[1e300]]), r"holds 1e\+300 in row 0, column 0"),
}


@pytest.mark.parametrize(("name", "content", "text"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_map_is_refused(name, content, text, tmp_path):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        rewrite(path, content)
    with pytest.raises(InputError, match=f"^the target {path} .*{text}"):
        read_map(path, section_of())


def test_infinity_may_stand_for_nothing_known(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, np.inf]]))
    section = section_of(missing=float("inf"))
    same(read_map(tmp_path / "a.npy", section)[..., 0], [[1, NAN]])


def test_a_palette_is_refused(tmp_path):
    Image.fromarray(VALUES.astype(np.uint8)).convert("P").save(tmp_path / "a.png")
    with pytest.raises(InputError, match="neither palette nor opacity"):
        read_map(tmp_path / "a.png", section_of())


# Folders


def depth_of(image):
    """Numbers that follow from an image: bright is near; dark is not known."""
    green = image[..., 1].astype(np.uint16)
    return np.where(green < 80, 0, 20 * green).astype(np.uint16)


@pytest.fixture
def section(tmp_path):
    root = tmp_path / "data"
    for part, shapes in (("train", SHAPES), ("val", SHAPES[:2])):
        for i, shape in enumerate(shapes):
            image, _ = picture(*shape)
            put_pair(root, part, f"{i}", image, depth=depth_of(image))
    return MapSection(root=str(root), targets="depth", unit_size=0.001, missing=0)


def test_a_folder_with_both_parts(section):
    training, validation = open_maps(section)
    assert training.names.tolist() == ["0", "1", "2", "3"]
    assert (len(validation), validation.channels.names) == (2, ("depth",))
    assert validation.targets[1].endswith("depth/val/1.png")


def test_of_a_folder_without_parts_a_share_is_held_out(tmp_path):
    for i in range(10):
        black = np.zeros((4, 5, 3), np.uint8)
        put_pair(tmp_path, "", f"{i}", black, depth=VALUES)
    (tmp_path / "depth" / "3.png").unlink()
    np.save(tmp_path / "depth" / "3.npy", VALUES)
    training, validation = open_maps(MapSection(root=str(tmp_path), targets="depth"))
    assert (len(training), len(validation)) == (8, 2)
    targets = sorted([*training.targets, *validation.targets])
    assert targets[3].endswith("3.npy")


def test_folders_that_are_not_there_are_named(tmp_path):
    section = MapSection(root=str(tmp_path / "no"), targets="depth")
    with pytest.raises(InputError, match=r"no folder .*no; `data\.root` .* in depth"):
        open_maps(section)
    section = replace(section, root=str(tmp_path))
    with pytest.raises(InputError, match="the folders images/train and images/val or"):
        open_maps(section)


def test_an_image_without_a_map_is_broken(section, tmp_path):
    (tmp_path / "data/depth/train/1.png").unlink()
    with pytest.raises(
        InputError, match=r"1\.png: has no target .*depth/train/1\.png or \.npy or"
    ):
        open_maps(section)
    training, _ = open_maps(replace(section, on_error="skip"))
    assert training.names.tolist() == ["0", "2", "3"]


# Crops


def crop_whole(values, size, cut, factor=1.0, sign=1.0):
    """The plain order: resize all of it, pad, crop, mirror."""
    nearest = [
        np.floor((np.arange(whole) + 0.5) * source / whole).astype(int)
        for whole, source in zip(cut.resized, values.shape, strict=False)
    ]
    values = values[np.ix_(*nearest)] * factor
    bottom, right = (max(0, size[i] - cut.resized[i]) for i in (0, 1))
    values = np.pad(values, ((0, bottom), (0, right), (0, 0)), constant_values=NAN)
    values = values[cut.top : cut.top + size[0], cut.left : cut.left + size[1]]
    return values[:, ::-1] * sign if cut.flip else values


@pytest.mark.parametrize("seed", range(4))
def test_a_crop_is_that_of_the_whole_map(seed):
    rng = np.random.default_rng(seed)
    source = tuple(rng.integers(40, 160, 2).tolist())
    values = rng.normal(size=(*source, 3)).astype(np.float32)
    values[rng.random(source) < 0.2] = NAN
    channels = ChannelSet(("x", "y", "z"), ("x",), ("x", "y"), ("z",))
    scale = DenseAugmentation(scale=(0.51, 2.0))
    for _ in range(10):
        size = tuple(rng.integers(20, 130, 2).tolist())
        cut = random_cut(source, size, section_of(augmentation=scale), rng.random(4))
        found = np.full((*size, 3), NAN, np.float32)
        cut_map(values, cut, channels, found)
        factor = max(cut.resized) / max(source)
        factors = np.array([factor, factor, 1 / factor])
        expected = crop_whole(values, size, cut, factors, np.array([-1, 1, 1]))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert np.isfinite(found).any()


def test_what_does_not_follow_the_image_stays_as_it_is():
    values = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    out = np.full((4, 6, 1), NAN, np.float32)
    cut_map(values, Cut((4, 6), 0, 0, True), ChannelSet(("depth",)), out)
    expected = values.repeat(2, axis=0).repeat(2, axis=1)[:, ::-1]
    np.testing.assert_array_equal(out, expected)


# Batches


def training(section, reader=None):
    reader = reader or MapReader(open_maps(section)[0], section)
    data = training_pairs(reader, SIZE, section, range(1), 4, 3)
    with reader.broken.explained():
        return list(data.as_numpy_iterator())


def test_batches_fit_each_other(section):
    for images, values in training(replace(section, augmentation=PLAIN)):
        assert (images.shape, images.dtype) == ((3, *SIZE, 3), np.uint8)
        assert (values.shape, values.dtype) == ((3, *SIZE, 1), np.float32)
        expected = 0.001 * depth_of(images)
        expected[expected == 0] = NAN
        np.testing.assert_allclose(values[..., 0], expected, rtol=1e-6)


def test_shapes_are_known_to_the_graph(section):
    reader = MapReader(open_maps(section)[0], section)
    data = training_pairs(reader, SIZE, section, range(1), 4, 3)
    assert data.element_spec[1] == tf.TensorSpec((3, *SIZE, 1), tf.float32)


@pytest.fixture(params=["size", "value", "file"])
def broken(request, section, tmp_path):
    """A training sample that is broken: `(images, its image, what is wrong)`."""
    images, _ = open_maps(section)
    path = tmp_path / "data/depth/train/2.png"
    if request.param == "size":
        cv2.imwrite(str(path), np.zeros((33, 199), np.uint16))
        wrong = f"the image has 200x33 pixels .*, its target {path} has 199x33"
    elif request.param == "value":
        path.unlink()
        path = path.with_suffix(".npy")
        np.save(path, np.full((33, 200), np.inf))
        images.targets[2] = str(path)
        wrong = f"the target {path} holds inf in row 0, column 0"
    else:
        path.write_bytes(b"text")
        wrong = f"the target {path} is broken"
    return images, images.images[2], wrong


def test_a_broken_sample_stops_with_its_name(broken, section):
    images, name, wrong = broken
    expected = rf"^{name}: {wrong}.* \(data\.on_error=skip goes on without it\)\.$"
    with pytest.raises(InputError, match=expected):
        training(section, MapReader(images, section))


def test_a_broken_sample_may_be_skipped(broken, section):
    images, name, _ = broken
    section = replace(section, on_error="skip", augmentation=PLAIN)
    reader = MapReader(images, section)
    assert reader.read(2) is None
    pictures, values = map(np.concatenate, zip(*training(section, reader), strict=True))
    empty = np.isnan(values).all(axis=(1, 2, 3))
    assert empty.sum() == 3  # of three rounds
    assert not pictures[empty].any()
    survey = survey_maps(reader)
    assert (survey.samples, len(survey.broken)) == (4, 1)
    assert survey.broken[0].startswith(name)


def test_a_cache_changes_nothing_and_follows_the_unit(section, tmp_path):
    cached = replace(section, cache=str(tmp_path / "cache"))
    for _ in range(2):
        for batch, other in zip(training(cached), training(section), strict=True):
            for part, its in zip(batch, other, strict=True):
                np.testing.assert_array_equal(part, its)
    _, before = MapReader(open_maps(cached)[0], cached).read(0)
    metres = replace(cached, unit_size=1.0)
    _, after = MapReader(open_maps(metres)[0], metres).read(0)
    np.testing.assert_allclose(after, 1000 * before, rtol=1e-6)


def test_a_survey_counts_what_is_known(section):
    images, _ = open_maps(section)
    survey = survey_maps(MapReader(images, section))
    depths = [cv2.imread(path, cv2.IMREAD_UNCHANGED) for path in images.targets]
    assert survey.counts == {"depth": sum(int((d > 0).sum()) for d in depths)}
    low = min(d[d > 0].min() for d in depths) / 1000
    high = max(d.max() for d in depths) / 1000
    assert survey.notes == (f"depth: {low:g} to {high:g}",)
    assert survey.notes[0] in survey.table()
    assert survey.facts()["notes"] == list(survey.notes)
