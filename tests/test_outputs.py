"""What commands write, at every moment: a kill or a full disk leaves nothing half."""

import itertools
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import InputError
from hrnet_tf.checkpoints.weights import official_names
from hrnet_tf.common import messages
from hrnet_tf.common.files import SCRATCH
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.video import VideoFile
from hrnet_tf.networks import backbone
from hrnet_tf.training.run import Run
from support.asked import asking_here
from support.disks import full_disk
from support.moments import contents, moments
from support.networks import rescaled, shallow_networks, with_statistics
from support.outputs import (
    SMALL,
    WHOLE,
    checked,
    command,
    converted,
    copied,
    drawn,
    exported,
    judged,
    predicted,
    predicted_many,
    sharded,
    video,
)
from support.spots import spot_image

AT_MOST = 3  # moments, and sizes of disks, but for --slow


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Commands do not look at networks, any will do; exports are asked here."""
    with shallow_networks(), pytest.MonkeyPatch.context() as patched:
        asking_here(patched)
        yield


@pytest.fixture(autouse=True)
def no_log(monkeypatch):
    """Libraries write nowhere: moments are those of the command."""

    def refuse(**_):
        raise OSError

    monkeypatch.setattr(messages, "tempfile", SimpleNamespace(mkstemp=refuse))
    monkeypatch.setattr(messages.Messages, "move", lambda self, folder: None)


# The commands


@pytest.fixture(scope="module")
def run(shallow_run, tmp_path_factory):
    """A run that has been exported and judged with other weights than it has."""
    folder = tmp_path_factory.mktemp("outputs") / "run"
    shutil.copytree(shallow_run, folder)
    command("evaluate", folder, "evaluate.flip=false")()
    for path in (folder / "evaluations").iterdir():
        path.write_bytes(path.read_bytes() + b"\n")  # not what another one writes
    hrnet_tf.export_run(folder, ["savedmodel", "tflite"])
    run = Run.open(folder)
    rescaled(run.model(), 1.5).save(run.best)
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Images, a video, folders of classes and a checkpoint, all small."""
    root, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)
    video = None
    for number in range(6):
        image = spot_image((60, 80), rng.integers(10, 50, (3, 2)), radius=4)
        write_image(root / "images" / f"{number}.png", image)
        for part, name in itertools.product(("train", "val"), "ab"):
            write_image(root / "classes" / part / name / f"{number}.png", image)
        video = video or VideoFile(root / "video.mp4", 5)
        video.write(image)
    video.release()
    with pytest.MonkeyPatch.context() as patched:
        for name, part in WHOLE.items():
            patched.setattr(backbone, name, part)
        network = with_statistics(hrnet_tf.HRNetV1(4, 5, **SMALL))
    tensors = {
        name: value.numpy().transpose(3, 2, 0, 1) if value.ndim == 4 else value.numpy()
        for name, value in official_names(network)
    }
    np.savez(root / "tiny.npz", **tensors)
    return root


COMMANDS = (
    *("export", "export a SavedModel", "evaluate", "predict", "predict a video"),
    *("shard", "data check", "draw", "convert", "predict-many", "configs"),
)


@pytest.fixture
def make(run, sources, experiment, monkeypatch):
    """`make(name, where)`: a command, and the folder that it shall write to."""

    def make(name, where):
        makes = {
            "export": lambda: exported("tflite", "export/model.tflite", run, where),
            "export a SavedModel": lambda: exported("savedmodel", "1", run, where),
            "evaluate": lambda: judged(run, where),
            "predict": lambda: predicted(sources / "images", run, where),
            "predict a video": lambda: video(sources / "video.mp4", run, where),
            "shard": lambda: sharded(sources / "classes", where),
            "data check": lambda: checked(experiment, where),
            "draw": lambda: drawn(where),
            "convert": lambda: converted(sources / "tiny.npz", where),
            "predict-many": lambda: predicted_many(
                sources / "images", where, monkeypatch
            ),
            "configs": lambda: copied(where),
        }
        return makes[name]()

    return make


@pytest.fixture(scope="module")
def known():
    """What came of commands that nothing has disturbed, by their names."""
    return {}


@pytest.fixture
def do(make, known, tmp_path):
    """`do(name)`: a command, done once, with its folder before each change."""

    def do(name):
        if name not in known:
            case = make(name, tmp_path / "undisturbed")
            before = contents(case.folder)
            with moments(case.folder, snapshots=tmp_path / "moments") as seen:
                case.act()
            known[name] = case, seen, before, contents(case.folder)
        return known[name]

    return do


SLOW = ("export a SavedModel", "convert")
commands = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in COMMANDS
    ],
)


@commands
def test_a_kill_at_any_moment_leaves_nothing_that_is_taken_for_good(name, do):
    case, seen, before, after = do(name)
    assert seen.in_place == []
    for path in after.keys() - before.keys():
        file = case.folder / path
        assert {file, *file.parents} & set(seen.put), f"{path} was written in its place"
    states = sorted(seen.snapshots.iterdir())
    assert len(states) > 1
    told = set()
    for state in states:
        if (key := tuple(sorted(contents(state).items()))) not in told:
            told.add(key)
            case.look(state, before, after)


@commands
def test_a_disk_that_is_full_at_any_moment_costs_nothing_of_before(
    name, do, make, tmp_path, capsys, request
):
    _, seen, before, after = do(name)
    slow = request.config.getoption("--slow")
    for number in some(range(len(seen.made)), slow):
        case = make(name, tmp_path / str(number))
        with moments(case.folder, number) as full:
            fails(case, capsys, full)
        left_behind(case, before, after)
    sizes = {len(x) for path, x in after.items() if x != before.get(path)}
    for size in some(sorted(sizes), slow):
        case = make(name, tmp_path / f"of {size} bytes")
        with full_disk(size - 1):
            fails(case, capsys)
        left_behind(case, before, after)


def some(every, slow):
    """A few of many, the first and the last among them."""
    every = list(every)
    if slow or len(every) <= AT_MOST:
        return every
    return [every[int(i)] for i in np.linspace(0, len(every) - 1, AT_MOST)]


def fails(case, capsys, full=None):
    """A command ends in a sentence, unless the moment did not come in this process."""
    try:
        case.act()
    except (SystemExit, OSError, InputError) as stopped:
        said, status = str(stopped), getattr(stopped, "code", None)
    else:
        assert full is not None
        assert len(full.made) <= full.fail_at
        return
    if status is not None:  # else it is of what is no command here
        assert status == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("hrnet-tf: ")
    assert any(x in said for x in ("space left", "too large", "disk may be full"))
    assert SCRATCH not in said


def left_behind(case, before, after):
    left = contents(case.folder)
    assert before.keys() <= left.keys() <= before.keys() | after.keys()
    assert not list(case.folder.rglob(f"{SCRATCH}*"))
    case.look(case.folder, before, after)
