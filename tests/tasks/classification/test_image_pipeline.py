import logging

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hrnet_tf import InputError
from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.tasks.classification.augment import ImageAugmentation
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.pipeline import (
    ImageReader,
    decode,
    training_images,
    validation_images,
)
from hrnet_tf.tasks.classification.shards import write_shards
from hrnet_tf.tasks.classification.views import CentralView, RandomView, random_windows
from support.batches import assert_same

SIZE = (32, 24)
BATCH = 4
STEPS = 3
PLAIN = ImageAugmentation()
SHAPES = [(48, 64), (64, 48), (40, 90), (33, 33), (100, 20), (70, 110)]


def picture(height, width, color):
    """A smooth image, so that JPEG keeps it, bright at the top left."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    ramp = np.stack([255 - 200 * x, 255 - 200 * y, np.full_like(x, color)], axis=-1)
    return ramp.astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes, told by blue, in `train` and `val`."""
    for part in ("train", "val"):
        for name, color in (("ant", 40), ("bee", 200)):
            (tmp_path / part / name).mkdir(parents=True)
            for i, shape in enumerate(SHAPES[: 6 if part == "train" else 3]):
                path = tmp_path / part / name / f"{i}.jpg"
                cv2.imwrite(str(path), picture(*shape, color)[..., ::-1])
    return tmp_path


@pytest.fixture(params=["files", "shards"])
def parts(request, folder, tmp_path):
    """Training and validation images in files and in shards."""
    if request.param == "files":
        return open_images(folder)
    write_shards(folder, tmp_path / "shards", shards=2, workers=1)
    return open_images(tmp_path / "shards")


def training(images, epochs=range(2), seed=0, settings=PLAIN, reader=None):
    reader = reader or ImageReader(images)
    data = training_images(reader, SIZE, settings, epochs, STEPS, BATCH, seed)
    return list(data.as_numpy_iterator())


def test_batches_are_bytes_labels_and_weights(parts):
    batches = training(parts[0])
    assert len(batches) == 2 * STEPS
    for images, labels, weights in batches:
        assert (images.shape, images.dtype) == ((BATCH, *SIZE, 3), np.uint8)
        assert (labels.shape, labels.dtype) == ((BATCH,), np.int32)
        np.testing.assert_array_equal(weights, np.ones(BATCH, np.float32))
        # Blue says what is to be seen.
        np.testing.assert_array_equal(images[..., 2].mean(axis=(1, 2)) > 100, labels)


def test_shapes_are_known_to_the_graph(parts):
    reader = ImageReader(parts[0])
    data = training_images(reader, SIZE, PLAIN, range(1), STEPS, BATCH)
    assert [spec.shape.as_list() for spec in data.element_spec] == [
        [BATCH, *SIZE, 3],
        [BATCH],
        [BATCH],
    ]


def test_an_epoch_shows_every_image_once(folder):
    images, _ = open_images(folder)
    _, labels, _ = zip(*training(images, range(1)), strict=True)
    assert np.bincount(np.concatenate(labels)).tolist() == [6, 6]


def test_the_same_seed_gives_the_same_batches(parts):
    assert_same(training(parts[0], seed=3), training(parts[0], seed=3))


def test_another_seed_gives_other_batches(parts):
    first, other = training(parts[0], seed=3), training(parts[0], seed=4)
    assert not np.array_equal(first[0][0], other[0][0])


def test_resuming_goes_on_with_the_same_batches(parts):
    whole = training(parts[0], range(4))
    assert_same(training(parts[0], range(2, 4)), whole[2 * STEPS :])


def test_epochs_differ(parts):
    batches = training(parts[0])
    assert not np.array_equal(batches[0][0], batches[STEPS][0])


def test_tensorflow_reads_what_python_reads(parts):
    reader = ImageReader(parts[0])
    by_python = training(parts[0], reader=reader)
    assert reader._sizes.all()
    assert_same(training(parts[0], reader=reader), by_python)


def test_known_images_are_not_decoded_in_python_again(folder, monkeypatch):
    images, _ = open_images(folder)
    reader = ImageReader(images)
    expected = training(images, reader=reader)
    monkeypatch.setattr(ImageReader, "read", None)
    assert_same(training(images, reader=reader), expected)


def test_known_images_are_read_the_same_in_validation(parts):
    reader = ImageReader(parts[1])
    data = validation_images(reader, SIZE, BATCH)
    first, second = list(data.as_numpy_iterator()), list(data.as_numpy_iterator())
    assert_same(second, first)


@pytest.mark.skipif(not KERAS_3, reason="layers of Keras 3")
def test_mixed_batches_have_shares_of_classes(folder):
    settings = ImageAugmentation(mixup=0.4, brightness=0.2)
    images, _ = open_images(folder)
    batches = training(images, settings=settings)
    for _, shares, _ in batches:
        assert (shares.shape, shares.dtype) == ((BATCH, 2), np.float32)
    assert_same(training(images, range(1, 2), settings=settings), batches[STEPS:])


def test_colors_are_the_same_when_resumed(folder):
    settings = ImageAugmentation(brightness=0.3, hue=0.1)
    images, _ = open_images(folder)
    batches = training(images, settings=settings)
    assert_same(training(images, range(1, 2), settings=settings), batches[STEPS:])
    assert not np.array_equal(batches[0][0], training(images)[0][0])


def test_validation_comes_in_order_and_completely(parts):
    data = validation_images(ImageReader(parts[1]), SIZE, BATCH)
    images, labels, weights = zip(*data.as_numpy_iterator(), strict=True)
    assert [len(part) for part in images] == [4, 2]
    expected = [row[3] for row in parts[1].in_order().as_numpy_iterator()]
    assert np.concatenate(labels).tolist() == expected
    assert np.concatenate(weights).tolist() == [1] * 6
    blue = np.concatenate(images)[..., 2].mean(axis=(1, 2))
    np.testing.assert_array_equal(blue > 100, expected)


def pillow_view(image, size, short):
    """torchvision's Resize and CenterCrop, in Pillow."""
    height, width = image.shape[:2]
    if height < width:
        whole = short, int(short * width / height)
    else:
        whole = int(short * height / width), short
    resized = Image.fromarray(image).resize(whole[::-1], Image.Resampling.BILINEAR)
    top, left = (round((a - b) / 2.0) for a, b in zip(whole, size, strict=True))
    return np.asarray(resized)[top : top + size[0], left : left + size[1]]


@pytest.mark.parametrize("shape", [(375, 500), (500, 333), (60, 41), (224, 224)])
def test_the_middle_is_that_of_torchvision(shape, rng):
    noise = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    view = CentralView((56, 56))
    found = view.cut(noise, view.plan(np.array([shape]), 0, 0)[1][0])
    expected = pillow_view(noise, (56, 56), 64)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_strip_needs_no_more_memory_than_its_middle():
    strip = np.full((2, 60000, 3), 7, np.uint8)
    view = CentralView((256, 256))
    found = view.cut(strip, np.zeros(5, np.int32))
    np.testing.assert_array_equal(found, np.full((256, 256, 3), 7))


def test_a_random_crop_shows_its_window():
    image = picture(80, 60, 100)
    view = RandomView((40, 40), ImageAugmentation(flip_probability=1.0), seed=5)
    (window,), (what,) = view.plan(np.array([[80, 60]]), 0, 0)
    top, left, height, width = window
    part = image[top : top + height, left : left + width]
    top, left = top + what[0], left + what[1]
    inner = image[top : top + what[2], left : left + what[3]]
    expected = cv2.resize(inner, (40, 40), interpolation=cv2.INTER_LINEAR)[:, ::-1]
    np.testing.assert_array_equal(view.cut(part, what), expected)


def test_much_smaller_pictures_are_averages(rng):
    noise = rng.integers(0, 256, (160, 160, 3)).astype(np.uint8)
    settings = ImageAugmentation(scale=(1.0, 1.0), ratio=(1.0, 1.0))
    view = RandomView((16, 16), settings)
    (_,), (what,) = view.plan(np.array([[160, 160]]), 0, 0)
    expected = noise.reshape(16, 10, 16, 10, 3).mean(axis=(1, 3))
    expected = expected[:, ::-1] if what[4] else expected
    assert np.abs(view.cut(noise, what) - expected).max() <= 1


def test_windows_have_the_areas_and_shapes_asked_for():
    settings = ImageAugmentation(scale=(0.2, 0.6))
    sizes = np.tile([400, 500], (2000, 1))
    windows = random_windows(sizes, settings, np.random.default_rng(0))
    top, left, height, width = windows.T
    share = height * width / (400 * 500)
    assert 0.195 < share.min() < 0.21
    assert 0.59 < share.max() < 0.605
    assert share.mean() == pytest.approx(0.4, abs=0.01)
    ratio = width / height
    assert 0.74 < ratio.min() < ratio.max() < 1.35
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.01)
    assert min(top.min(), left.min()) == 0
    assert ((top + height <= 400) & (left + width <= 500)).all()
    assert (top + height).max() == 400
    assert (left + width).max() == 500


@pytest.mark.parametrize(
    ("size", "window"),
    [
        ((30, 300), (0, 130, 30, 40)),  # at most 4 : 3
        ((300, 30), (130, 0, 40, 30)),  # at least 3 : 4
        ((1, 1), (0, 0, 1, 1)),
    ],
)
def test_where_no_window_fits_the_middle_is_taken(size, window):
    settings = ImageAugmentation(scale=(1.0, 1.0))
    windows = random_windows(np.array([size]), settings, np.random.default_rng(0))
    assert windows.tolist() == [list(window)]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_images_are_told_by_their_content(suffix, folder):
    image = picture(50, 60, 40)
    _, encoded = cv2.imencode(suffix, image[..., ::-1])
    assert np.abs(decode(encoded.tobytes()).astype(int) - image).max() < 12
    path = folder / "val" / "ant" / "0.jpg"
    path.write_bytes(encoded.tobytes())
    _, validation = open_images(folder)
    images, _, weights = next(
        validation_images(ImageReader(validation), SIZE, BATCH).as_numpy_iterator()
    )
    assert weights[0] == 1
    assert abs(int(images[0, 16, 12, 2]) - 40) < 12


def test_the_first_picture_of_a_gif_counts(tmp_path):
    path = tmp_path / "two.gif"
    first, second = (Image.new("RGB", (6, 4), color) for color in ("red", "blue"))
    first.save(path, save_all=True, append_images=[second])
    np.testing.assert_array_equal(
        decode(path.read_bytes()), np.full((4, 6, 3), (255, 0, 0))
    )


@pytest.fixture(params=["no image", "cut off", "empty", "gone"])
def broken(request, folder):
    """One training image is broken: `(folder, name)`."""
    path = folder / "train" / "ant" / "2.jpg"
    images, _ = open_images(folder)
    content = path.read_bytes()
    if request.param == "gone":
        path.unlink()
    else:
        wrong = {"no image": b"text", "cut off": content[:-300], "empty": b""}
        path.write_bytes(wrong[request.param])
    return images, str(path)


def test_a_broken_image_stops_with_its_name(broken):
    images, name = broken
    reader = ImageReader(images)
    with pytest.raises(InputError) as caught, reader.errors_explained():
        training(images, reader=reader)
    assert name in str(caught.value)
    assert str(caught.value).endswith(" (data.on_error=skip goes on without it).")


def test_a_broken_image_is_black_weighs_nothing_and_is_counted_once(broken, caplog):
    images, name = broken
    reader = ImageReader(images, "skip")
    batches = training(images, reader=reader)
    pictures, _, weights = map(np.concatenate, zip(*batches, strict=True))
    assert (weights == 0).sum() == 2  # one an epoch
    assert not pictures[weights == 0].any()
    assert pictures[weights == 1].any(axis=(1, 2, 3)).all()
    assert len(reader.broken.found) == 1
    assert caplog.text.count("skipped") == 1
    assert name in caplog.text


def test_a_broken_image_does_not_change_the_others(folder, caplog):
    caplog.set_level(logging.ERROR)
    images, _ = open_images(folder)
    expected = training(images)
    (folder / "train" / "ant" / "2.jpg").write_bytes(b"text")
    found = training(images, reader=ImageReader(images, "skip"))
    for batch, other in zip(found, expected, strict=True):
        good = batch[2] == 1
        np.testing.assert_array_equal(batch[0][good], other[0][good])


def test_broken_validation_images_weigh_nothing(folder, caplog):
    (folder / "val" / "bee" / "0.jpg").write_bytes(b"text")
    _, images = open_images(folder)
    data = validation_images(ImageReader(images, "skip"), SIZE, BATCH)
    weights = np.concatenate([batch[2] for batch in data.as_numpy_iterator()])
    assert weights.tolist() == [1, 1, 1, 0, 1, 1]
    assert "bee/0.jpg" in caplog.text


def test_a_broken_image_in_a_shard_is_named(folder, tmp_path):
    (folder / "train" / "ant" / "2.jpg").write_bytes(b"text")
    write_shards(folder, tmp_path / "shards", shards=2, workers=1)
    images, _ = open_images(tmp_path / "shards")
    reader = ImageReader(images)
    with (
        pytest.raises(InputError, match=r"^train/ant/2\.jpg: the image cannot"),
        reader.errors_explained(),
    ):
        training(images, reader=reader)


def test_a_damaged_shard_is_an_error_that_says_what_to_do(folder, tmp_path):
    write_shards(folder, tmp_path / "shards", shards=2, workers=1)
    path = next((tmp_path / "shards").glob("train-*"))
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(data)
    images, _ = open_images(tmp_path / "shards")
    reader = ImageReader(images)
    with (
        pytest.raises(InputError, match=r"shard .* is damaged .*`hrnet-tf shard`"),
        reader.errors_explained(),
    ):
        training(images, reader=reader)


def test_errors_of_other_origin_pass_unchanged(folder):
    images, _ = open_images(folder)
    with (
        pytest.raises(tf.errors.InvalidArgumentError),
        ImageReader(images).errors_explained(),
    ):
        tf.reshape(tf.ones(3), (2, 2))
