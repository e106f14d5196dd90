"""Four real images with fourteen people: every box and every outline is right."""

import pytest

from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.train import train
from support.samples import SAMPLES

pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="needs the images in ../shared/samples"
)


@pytest.mark.slow
def test_people_are_learnt_by_heart(tmp_path):
    parts = [
        f"data.{part}.{key}={value}"
        for part in ("train", "validation")
        for key, value in (
            ("annotations", SAMPLES / "test_coco.json"),
            ("images", SAMPLES),
        )
    ]
    settings = [f"output={tmp_path / 'run'}", "model.masks=true", *parts]
    run = train(read_config("configs/detection/first_try.yaml", settings))

    evaluation, _ = evaluate_run(run.folder, progress=False)

    assert evaluation.images == 4
    assert evaluation.boxes.per_class()[0][-1] == 14
    assert evaluation.statistics["AP50"] >= 0.95
    assert evaluation.statistics["mask_AP50"] >= 0.90
