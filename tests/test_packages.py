"""The wheel and the source package: what is in them, and that they work elsewhere."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from hrnet_tf import cli
from hrnet_tf.common import extras
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.names import PACKAGES, require_packages

ROOT = Path(__file__).parents[1]
DATA = (
    "configs/*/*.yaml",
    "hrnet_tf/paper_tables/*.yaml",
    "hrnet_tf/tasks/*/*_sets/*.yaml",
)
NOT_COPIED = (".*", "build", "dist", "saved_models", "*.egg-info", "__pycache__")
BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


def build(kind, source, out):
    """What `python -m build` has setuptools do; without a network."""
    command = [sys.executable, "-c", BUILD.format(kind), str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """The source package, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("packages")
    source, sdist, wheel = folder / "source", folder / "sdist", folder / "wheel"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    sdist.mkdir()
    wheel.mkdir()
    archive = build("sdist", source, sdist)
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    return unpacked, build("wheel", unpacked, wheel)


@pytest.fixture(scope="session")
def installed(packages, tmp_path_factory):
    """A folder of what the wheel installs."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(packages[1]) as file:
        file.extractall(folder)
    return folder


def in_repository(pattern):
    return {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}


def test_the_source_package_is_whole(packages):
    source, _ = packages
    files = {"requirements.txt", "LICENSE", "Makefile", "deploy/tf_serving/client.py"}
    files |= {"mkdocs.yml", "CITATION.cff"}
    documents = (
        f"docs/**/*.{kind}"
        for kind in ("md", "py", "css", "yaml", "jpg", "png", "ipynb")
    )
    for pattern in (*DATA, "hrnet_tf/**/*.py", "tests/*.py", *documents):
        files |= in_repository(pattern)
    missing = sorted(name for name in files if not (source / name).is_file())
    assert not missing


def test_the_wheel_has_every_module_and_file_of_data(installed):
    wanted = in_repository("hrnet_tf/**/*.py")
    for pattern in DATA:
        wanted |= {
            f"hrnet_tf/{name.removeprefix('hrnet_tf/')}"
            for name in in_repository(pattern)
            if not Path(name).is_dir()
        }
    missing = sorted(name for name in wanted if not (installed / name).is_file())
    assert not missing
    names = {path.parts[len(installed.parts)] for path in installed.glob("*")}
    assert {name.partition("-")[0] for name in names} == {"hrnet_tf"}  # nothing else


def test_the_wheel_says_what_it_is(installed):
    (facts,) = installed.glob("*.dist-info/METADATA")
    found = Parser().parsestr(facts.read_text(encoding="utf-8"))
    assert set(found["Requires-Python"].split(",")) == {">=3.10", "<3.14"}
    assert {"all", "export", "serving", "addons", "dev"} <= set(
        found.get_all("Provides-Extra")
    )
    assert found.get_payload().lstrip().startswith("# hrnet_tf")
    plain = [name for name in found.get_all("Requires-Dist") if "extra ==" not in name]
    assert not [name for name in plain if name.startswith(("onnxruntime", "ai-"))]
    for package in ("tensorflow", "keras", "pycocotools", "opencv-python", "tf2onnx"):
        assert any(name.startswith(package) for name in plain)
    assert list(installed.glob("*.dist-info/**/LICENSE"))


FIRST_STEPS = """
import sys
from pathlib import Path

import tensorflow as tf

import hrnet_tf
from hrnet_tf import demo
from hrnet_tf.training.configs import read_config
from hrnet_tf.drawn.figures import draw_data_set
from hrnet_tf.tasks.pose.demo import DEMO
from hrnet_tf.training.train import train

tf.config.run_functions_eagerly(True)  # a few steps need no graph
assert Path(hrnet_tf.__file__).is_relative_to(sys.argv[1]), hrnet_tf.__file__
data = Path("saved_models/demo/data")
draw_data_set(data, train=4, validation=4)
short = ["train.epochs=1", "train.steps_per_epoch=1", "train.drop_at=[]"]
small = ["model.size=[32,32]", "model.modules=[1,1,1]", "train.batch_size=2"]
small += ["model.width=4"]
run = train(read_config(demo.CONFIG, [*DEMO.settings(data), *short, *small]))
print(run.folder)
"""


def elsewhere(installed, folder, *command):
    """Run Python in a folder with what the wheel installs; what it prints."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_wheel_works_from_an_empty_folder(installed, tmp_path):
    listed = elsewhere(installed, tmp_path, "-m", "hrnet_tf", "configs")
    configs = sorted((ROOT / "configs").glob("*/*.yaml"))
    names = [line.split()[0] for line in listed.splitlines()][: len(configs)]
    assert names == [f"{path.parent.name}/{path.stem}" for path in configs]
    elsewhere(installed, tmp_path, "-m", "hrnet_tf", "configs", "pose/first_try")
    copy = (tmp_path / "first_try.yaml").read_bytes()
    assert copy == (ROOT / "configs/pose/first_try.yaml").read_bytes()


def test_the_demo_begins_from_an_empty_folder(installed, tmp_path):
    said = elsewhere(installed, tmp_path, "-c", FIRST_STEPS, str(installed))
    assert said.splitlines()[-1] == "saved_models/demo/run"
    assert (tmp_path / "saved_models/demo/run/checkpoints/best.keras").is_file()


# Extras.


@pytest.fixture
def nothing_extra(monkeypatch):
    """As if no package of an extra were installed."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)


def test_every_format_says_what_it_needs():
    assert PACKAGES.keys() == FORMATS.keys()
    of_exports = {
        name
        for name, extra in extras.EXTRAS.items()
        if extra in ("export", "openvino", "serving")
    }
    assert {name for row in PACKAGES.values() for name in row} == of_exports
    require_packages(FORMATS)  # all of it is there for the tests


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["export", "run", "--format", "onnx"], r"hrnet-tf[export]"),
        (["export", "run", "--format", "savedmodel"], r"hrnet-tf[serving]"),
        (["export", "run"], r"hrnet-tf[serving,export]"),
        (["demo"], r"hrnet-tf[serving,export]"),
        (["convert", __file__, "--out", "a.keras", "--export", "all"], "[serving,"),
    ],
)
def test_a_missing_extra_is_named_before_anything_is_done(
    command, said, nothing_extra, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        cli.main(command)
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert "pip install" in lines[0]
    assert not list(tmp_path.iterdir())


def test_what_runs_a_file_is_named(nothing_extra):
    with pytest.raises(InputError, match=r"Running a\.onnx needs onnxruntime.*export"):
        extras.require_runtime("a.onnx")
    with pytest.raises(InputError, match=r"Running a\.xml needs openvino, which is"):
        extras.require_runtime("a.xml")
    extras.require_runtime("saved_models/demo/run/1")


def test_a_failed_import_says_what_to_install():
    missing = ModuleNotFoundError("No module named 'onnx'", name="onnx.helper")
    assert "pip install 'hrnet-tf[export]'" in extras.explain(missing)
    other = ModuleNotFoundError("No module named 'torch'", name="torch")
    assert extras.explain(other) == "No module named 'torch'"
