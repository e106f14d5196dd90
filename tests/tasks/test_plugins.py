"""Tasks that installed packages bring: found by the command, imported when needed."""

import sys

import pytest

import hrnet_tf
from hrnet_tf import arguments, cli, tasks
from hrnet_tf.training.configs import read_config
from support import toy_task

MODULE = """
from dataclasses import replace

from support import toy_task

import hrnet_tf


def brighten(arguments):
    \"\"\"Say how bright an image is to be.\"\"\"
    print("brightened by", arguments.by)


OPTION = hrnet_tf.Option("--faint", "tell brightness", {"action": "store_true"})
COMMAND = hrnet_tf.Command("brighten", brighten, lambda p: p.add_argument("by"), "")
TASK = replace(toy_task.TASK, options=(OPTION,), commands=(COMMAND,))
OTHER = replace(TASK, name="darkness")
WORD = "a word"
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """`install("brightness = module:TASK", ...)`: a package with these entry points."""

    def make(*lines, module=MODULE):
        facts = tmp_path / "bright-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: bright\nVersion: 1.0\n"
        )
        text = "\n".join(["[hrnet_tf.tasks]", *lines])
        (facts / "entry_points.txt").write_text(text + "\n")
        (tmp_path / "bright_plugin.py").write_text(module)
        monkeypatch.syspath_prepend(str(tmp_path))

    before = dict(tasks.TASKS)
    yield make
    sys.modules.pop("bright_plugin", None)
    tasks.TASKS.clear()
    tasks.TASKS.update(before)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "bright.yaml"
    path.write_text("task: brightness\ndata: {root: nowhere}\n")
    return path


def fails(capsys, *words):
    """The one sentence that a user's mistake ends in."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(word) for word in words])
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_the_task_of_a_package_is_found_by_its_name(install, config):
    with pytest.raises(hrnet_tf.InputError, match="must be one of pose, "):
        read_config(config)
    install("brightness = bright_plugin:TASK")
    assert isinstance(read_config(config), toy_task.BrightnessConfig)
    tasks.check_known_elsewhere("brightness")


def test_it_is_imported_only_where_it_may_be_asked_for(install):
    install("brightness = bright_plugin:TASK")
    arguments.parse(["configs"])
    arguments.parse(["train", "pose/demo"])
    read_config("pose/demo")
    with pytest.raises(SystemExit):
        arguments.parse(["--help"])
    assert "bright_plugin" not in sys.modules
    assert arguments.parse(["predict", "photo.jpg", "--faint"]).faint
    assert "bright_plugin" in sys.modules


def test_its_commands_are_there(install, capsys):
    assert "brighten" in fails(capsys, "brighten", "2")
    install("brightness = bright_plugin:TASK")
    cli.main(["brighten", "2"])
    assert capsys.readouterr().out == "brightened by 2\n"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere:TASK", "cannot be loaded, ModuleNotFoundError: No module named 'now"),
        ("bright_plugin:TASKS", "cannot be loaded, AttributeError: "),
        ("bright_plugin:WORD", "must be an hrnet_tf.Task, got str; mend that package"),
        (
            "bright_plugin:OTHER",
            "calls itself darkness; its entry point must be called",
        ),
    ],
)
def test_a_broken_one_ends_in_a_sentence_that_names_it(
    place, said, install, config, capsys, caplog
):
    install(f"brightness = {place}")
    message = fails(capsys, "data", "check", config)
    start = "hrnet-tf: The task brightness of the package bright "
    assert message.startswith(start)
    assert said in message
    # What does not ask for it goes on.
    tasks.load_plugins()
    assert "brightness" not in tasks.TASKS
    assert f"{place} is not taken: The task brightness of the package" in caplog.text


def test_the_package_s_own_tasks_stay(install, caplog):
    lines = "darkness = bright_plugin:OTHER", "pose = bright_plugin:POSE"
    install(*lines, module=MODULE + "POSE = replace(TASK, name='pose')\n")
    before = tasks.TASKS["pose"]
    tasks.load_plugins()
    assert tasks.TASKS["pose"] is before
    assert "darkness" in tasks.TASKS
    assert "bright_plugin:POSE is not taken: " in caplog.text


def test_public_names_are_there_before_they_are_imported(monkeypatch):
    """As in the command, where a task of a package is imported first."""
    monkeypatch.delitem(vars(hrnet_tf), "Task")
    assert hrnet_tf.Task is tasks.Task
    for name in ("__wrapped__", "own_tusk", "Tusk"):
        assert not hasattr(hrnet_tf, name)
