import json
from collections import Counter

import numpy as np

from hrnet_tf.drawn.crowds import draw_crowd_data_set


def test_images_show_up_to_five_figures_and_some_cover_others(tmp_path):
    draw_crowd_data_set(tmp_path, train=24, validation=1)
    path = tmp_path / "annotations" / "person_keypoints_train.json"
    people = [
        item
        for item in json.loads(path.read_text())["annotations"]
        if "keypoints" in item
    ]
    counts = Counter(item["image_id"] for item in people)
    assert set(counts) == set(range(1, 25))
    assert 4 <= max(counts.values()) <= 5
    seen = np.array([item["keypoints"] for item in people]).reshape(-1, 3)[:, 2]
    assert (seen == 1).mean() > 0.02  # keypoints that others cover
