"""Commands, and what later ones make of what they have written at any moment."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import pandas as pd
import pytest

import hrnet_tf
from hrnet_tf import InputError, cli
from hrnet_tf.bulk import worker
from hrnet_tf.bulk.job import Job
from hrnet_tf.bulk.sources import find_pieces
from hrnet_tf.common.model_cards import is_replaceable
from hrnet_tf.common.reading import Reading
from hrnet_tf.conversion.convert import check_converted
from hrnet_tf.drawn.action_folders import write_class_folders
from hrnet_tf.drawn.figures import draw_data_set
from hrnet_tf.export.artefacts import exports_of
from hrnet_tf.export.integrity import Changes, beside, changes
from hrnet_tf.networks import backbone
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.shards import verify_shards
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.viewer import PoseViewer
from hrnet_tf.tasks.segmentation.config import MaskSection
from hrnet_tf.tasks.segmentation.masks import open_masks
from hrnet_tf.training.run import Run
from support.moments import contents
from support.spots import spot_manifest, spot_network

SMALL = {"modules": (1, 1, 1), "blocks": 1}


# What shallow networks lack.
WHOLE = {
    name: getattr(backbone, name) for name in ("first_stage", "branches", "exchange")
}


@dataclass
class Case:
    """A command.

    Attributes:
        folder: that it writes to.
        act: the command.
        look: what later commands make of the folder at any moment, given its contents
            before the command and behind it.
    """

    folder: Path
    act: Callable
    look: Callable


def command(*words):
    return lambda: cli.main([str(word) for word in words])


def taken(look):
    """Whether a later command takes what is there; else a sentence says why not."""
    try:
        look()
    except InputError as error:
        said = str(error)
    else:
        return True
    assert "\n" not in said
    return False


def of_one_time(there, before, after, names):
    """Files are all those of before, or none is."""
    differ = [name for name in names if before.get(name) != after.get(name)]
    assert differ
    assert len({there.get(name) == before.get(name) for name in differ}) == 1


def exported(name, place, run, where):
    """Over an export of before."""
    shutil.copytree(run, where)

    def look(folder, before, after):
        path, there = folder / place, contents(folder)
        own = [x for x in after if x == place or x.startswith(f"{place}/")]
        if taken(lambda: hrnet_tf.load(path)):
            of_one_time(there, before, after, own)
        facts = beside(path, ".json")
        assert is_replaceable(path.with_name("README.md"))  # whole, or not there
        if facts.is_file():  # what `verify` and `benchmark` go by
            assert changes(path, facts) == Changes()
            of_one_time(there, before, after, [*own, f"{place}.json", f"{place}.npz"])
        assert (name in exports_of(Run.open(folder))) == facts.is_file()

    return Case(where, command("export", where, "--format", name), look)


def judged(run, where):
    """Over an evaluation of before."""
    shutil.copytree(run, where)

    def look(folder, before, after):
        there = contents(folder)
        names = [name for name in after if name.startswith("evaluations/")]
        (facts,) = (x for x in names if f"{x[:-5]}.txt" in names)
        if facts in there:
            of_one_time(there, before, after, names)

    return Case(where, command("evaluate", where, "evaluate.flip=false"), look)


def predicted(source, run, where):
    def look(folder, before, after):
        there = contents(folder)
        assert there.items() <= after.items()
        if "keypoints.json" in there:
            assert there.keys() == after.keys()

    return Case(where, command("predict", source, "--model", run, "--out", where), look)


def sharded(classes, where):
    again = command("shard", classes, where, "--workers", "1", "--shards", "2")

    def look(folder, before, after):
        if taken(lambda: open_images(folder)):
            assert verify_shards(folder, workers=1) == 4
        command("shard", classes, folder, "--workers", "1", "--shards", "2")()
        assert contents(folder) == after

    return Case(where, again, look)


def checked(experiment, where):
    def look(folder, before, after):
        there = contents(folder)
        assert there.items() <= after.items()
        assert "survey.json" not in there or "samples.jpg" in there

    return Case(where, command("data", "check", experiment, "--out", where), look)


def drawn(where):
    def draw(folder):
        draw_data_set(folder, train=4, validation=3)
        write_class_folders(folder, folder / "classes")

    def look(folder, before, after):
        counts = []

        def masks():
            counts.extend(map(len, open_masks(MaskSection(root=str(folder)))))

        if taken(masks):  # without the second part a share is held out
            assert counts in ([4, 3], [3, 1])
        if (folder / "classes").exists():
            assert len(list((folder / "classes").rglob("*.jpg"))) == 7
        draw(folder)
        assert contents(folder) == after

    return Case(where, lambda: draw(where), look)


def converted(checkpoint, where):
    def look(folder, before, after):
        if taken(lambda: check_converted(folder / "tiny.keras")):
            assert contents(folder).keys() == after.keys()

    def act():
        with pytest.MonkeyPatch.context() as patched:
            for name, part in WHOLE.items():
                patched.setattr(backbone, name, part)
            command("convert", checkpoint, "--out", where / "tiny.keras")()

    return Case(where, act, look)


def predicted_many(images, where, monkeypatch):
    """Two parts, done in this process."""
    pieces = find_pieces(str(images), 4)
    viewer = PoseViewer(PosePredictor.from_model(spot_network(), spot_manifest()))
    monkeypatch.setattr(worker, "open_viewer", lambda job: (viewer, Reading()))
    # Behind a death images are tried in another process, which takes seconds to begin.
    tried = SimpleNamespace(check=worker.no_check)
    monkeypatch.setattr(worker, "Trial", lambda reading: nullcontext(tried))

    def act(folder):
        job = Job(*[""] * 4, (), False, 9, "", "", 6, str(folder))
        job.begin(worker.Folder(job.out))
        does = worker.PartWorker(job)
        for number, piece in enumerate(pieces):
            said = does.do(piece.name(number), piece)["lacks"]
            if said:
                raise InputError(said)

    def look(folder, before, after):
        there = contents(folder)
        for name in (x for x in there if x.endswith(".parquet")):
            assert there[name] == after[name]
            pd.read_parquet(folder / name)
        act(folder)
        assert contents(folder).keys() == after.keys()

    return Case(where, lambda: act(where), look)


def video(source, run, where):
    """Its file is whole; what it holds, `predict` checks."""

    def look(folder, before, after):
        there = contents(folder)
        if "video.mp4" in there:
            capture = cv2.VideoCapture(str(folder / "video.mp4"))
            assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 6
        assert "keypoints.json" not in there or "video.mp4" in there

    return Case(where, command("predict", source, "--model", run, "--out", where), look)


def copied(where):
    def look(folder, before, after):
        assert contents(folder).items() <= after.items()

    return Case(where, command("configs", "pose/demo", "--out", where), look)
