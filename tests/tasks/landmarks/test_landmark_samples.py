"""The published sets on real images, as the official data classes give them."""

from dataclasses import replace

import numpy as np
import pytest

from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.tasks.landmarks.augment import Draws, plain, target_cells
from hrnet_tf.tasks.landmarks.codec import LandmarkCodec
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.data import LandmarkFaces
from hrnet_tf.tasks.landmarks.geometry import FaceGeometry
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.metrics import face_errors, normalisers
from hrnet_tf.tasks.landmarks.pipeline import Cutter, FaceReader
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.official import read_arrays
from support.samples import SAMPLES

ROOT = SAMPLES.parent
pytestmark = pytest.mark.skipif(
    not ROOT.is_dir(), reason="needs the images in ../shared/samples"
)
CASES = ("wflw_2", "wflw_40", "300w_197", "cofw_1766", "aflw_3")


def section_of(name):
    boxes = "points" if name == "cofw" else "annotated"
    folder = ROOT / name
    return FacesSection(str(folder / f"test_{name}.json"), str(folder), boxes)


@pytest.mark.parametrize("mode", ["test", "train"])
@pytest.mark.parametrize("case", CASES)
def test_samples_are_those_of_the_official_program(case, mode):
    name, number = case.split("_")
    recorded = read_arrays("landmarks", "real_samples")
    own = {
        key.partition("/")[2]: value
        for key, value in recorded.items()
        if key.startswith(f"{case}_{mode}/")
    }
    landmarks = LandmarkSet.read(name)
    part = LandmarkFaces(section_of(name), landmarks)
    sources = [source.split()[1] for source in part.faces.sources]
    row = np.array([sources.index(number)])
    geometry = FaceGeometry()
    cutter = Cutter(geometry, stretched_twice=name != "cofw")
    reader = FaceReader(part.faces, cutter, 1.25)
    draws = plain(1)
    if mode == "train":
        draws = Draws(np.array([1.13]), np.array([18.0]), np.array([True]))
    crops, views, good = reader.look(row, draws)
    assert good.all()
    np.testing.assert_array_equal(views.centers[0], own["center"])
    assert views.scales[0] == pytest.approx(own["scale_with_1.25"], rel=1e-12)
    targets = target_cells(part.faces.points[row], views, landmarks.mirror, geometry)
    np.testing.assert_array_equal(targets[0, :, :2] + 1, own["heatmap_points_1_based"])
    codec = LandmarkCodec(1.0 if name == "300w" else 1.5)
    maps = codec.encode(targets, (64, 64))[0].numpy()
    sums = maps.sum(axis=(0, 1, 2))
    np.testing.assert_allclose(sums, own["targets_sum"], rtol=1e-5)
    if own["targets"].size:
        drawn = own["targets"].transpose(1, 2, 0)
        np.testing.assert_allclose(maps[0], drawn, atol=1e-6)
    # JPEG decoders differ by a grey level or two, 1/58 each; stretching makes it more.
    image = preprocess_input(crops).numpy()[0]
    apart = np.abs(image[::8, ::8] - own["image_every_8th"].transpose(1, 2, 0))
    assert apart.mean() < 0.02
    mean, spread = own["image_channel_mean"], own["image_channel_std"]
    np.testing.assert_allclose(image.mean(axis=(0, 1)), mean, atol=0.02)
    np.testing.assert_allclose(image.std(axis=(0, 1)), spread, atol=0.02)
    # The official program forgets the rotation here.
    views.rotations[:] = 0
    found = geometry.to_image(codec.decode(maps)[0].numpy(), views)
    np.testing.assert_array_equal(found[0], own["decoded_points"])
    points = np.concatenate([own["points"], np.ones((len(landmarks), 1))], axis=1)[None]
    divisors = normalisers(points, landmarks, part.faces.sides[row])
    error = face_errors(found, points, divisors)
    assert error[0] == pytest.approx(own["decoded_nme"], rel=1e-5)


@pytest.mark.parametrize("name", ["wflw", "300w"])
def test_the_official_boxes_are_those_around_the_points(name):
    section, landmarks = section_of(name), LandmarkSet.read(name)
    given = LandmarkFaces(section, landmarks).faces
    around = LandmarkFaces(replace(section, boxes="points"), landmarks).faces
    np.testing.assert_array_equal(around.centers, given.centers)
    np.testing.assert_allclose(around.scales, given.scales, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wflw", "300w", "cofw", "aflw"])
def test_faces_are_learnt_by_heart(name, tmp_path):
    section = section_of(name)
    settings = [
        f"data.{part}.{key}={getattr(section, key)}"
        for part in ("train", "validation")
        for key in ("annotations", "images", "boxes")
    ]
    folder = f"output={tmp_path / 'run'}"
    config = read_config(
        "landmarks/first_try", [folder, f"data.landmarks={name}", *settings]
    )
    evaluation, _ = evaluate_run(train(config).folder, progress=False)
    assert evaluation.statistics["NME"] < 0.02
