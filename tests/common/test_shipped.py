"""The configurations that travel with the package."""

from pathlib import Path

import pytest

from hrnet_tf import cli
from hrnet_tf.common import shipped
from hrnet_tf.common.errors import InputError
from hrnet_tf.training.configs import read_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_configuration_is_listed_with_what_it_is_for(elsewhere, capsys):
    cli.main(["configs"])
    lines = capsys.readouterr().out.splitlines()
    configs = shipped.shipped_configs()
    assert [config.path for config in configs] == sorted(CONFIGS)
    for config, line in zip(configs, lines, strict=False):
        name, _, purpose = line.partition(" ")
        assert name == config.name
        assert len(purpose.strip()) > 20
        assert f"task: {config.task}\n" in config.path.read_text()


@pytest.mark.parametrize(
    "name", ["pose/demo", "configs/pose/demo.yaml", "pose/demo.yaml"]
)
def test_a_shipped_name_is_found_from_anywhere(name, elsewhere):
    config = read_config(name, ["train.epochs=10"])
    assert (config.task, config.train.epochs) == ("pose", 10)


def test_a_file_of_ones_own_comes_before_a_shipped_one(elsewhere):
    own = Path("configs/pose/demo.yaml")
    own.parent.mkdir(parents=True)
    own.write_text("task: pose\ntrain:\n  epochs: 7\n  drop_at: []\n")
    assert shipped.find_config(own) == own


def test_a_configuration_is_copied_but_over_nothing(elsewhere, capsys):
    cli.main(["configs", "pose/first_try"])
    copy = elsewhere / "first_try.yaml"
    shipped_one = shipped.find_config("pose/first_try")
    assert copy.read_bytes() == shipped_one.read_bytes()
    copy.write_text("mine")
    with pytest.raises(InputError, match=r"first_try\.yaml is there already"):
        shipped.copy_config("pose/first_try", ".")
    assert copy.read_text() == "mine"
    cli.main(["configs", "configs/pose/first_try.yaml", "--out", "other"])
    assert Path("other/first_try.yaml").is_file()


def test_an_unknown_name_is_answered_with_the_nearest(elsewhere):
    with pytest.raises(InputError, match="did you mean pose/first_try"):
        shipped.copy_config("pose/first_tri", ".")
    with pytest.raises(InputError, match=r"no file pose/first_tri"):
        read_config("pose/first_tri")


def test_a_package_without_its_configurations_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "FOLDERS", (tmp_path / "configs",))
    with pytest.raises(InputError, match="not installed whole"):
        shipped.shipped_configs()
