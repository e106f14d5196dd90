"""What a command writes to the terminal, and what it keeps for itself."""

import os
import signal
import subprocess
import sys

import pytest

from hrnet_tf import cli
from hrnet_tf.arguments import parser
from hrnet_tf.common.messages import LOG

# Stands in for TensorFlow: C++ writes to the file descriptor, Python warns and logs.
TALK = """
import logging, os, signal, sys, warnings
sys.argv[0] = "hrnet-tf"
from hrnet_tf import cli, commands
from hrnet_tf.common import messages

def talk(arguments):
    os.write(2, b"E0000 failed call to cuInit\\n")
    warnings.warn("old name")
    logging.getLogger("tensorflow").warning("old kernel")
    logging.getLogger("hrnet_tf.training.train").info("at epoch 0")
    if arguments.config:
        messages.keep_in(arguments.config)
    os.write(2, b"W0000 late\\n")
    sys.__stderr__.write("written past us\\n")
    print("done", arguments.settings)
    END

commands.train_command.__code__ = talk.__code__
commands.os, commands.warnings, commands.logging = os, warnings, logging
commands.messages, commands.signal = messages, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored behind `&`
cli.main(["train", *sys.argv[1:]])
"""


def talk(end, *arguments, **settings):
    return subprocess.run(
        [sys.executable, "-c", TALK.replace("END", end), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **settings},
        timeout=60,
    )


def test_lines_of_libraries_go_to_the_log_of_the_run(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / LOG).write_text("of before\n")
    said = talk("pass", str(tmp_path), TMPDIR=str(tmp_path))
    assert (said.returncode, said.stdout) == (0, "done []\n")
    assert said.stderr == "at epoch 0\n"
    log = (tmp_path / LOG).read_text()
    assert log.startswith("of before\n-- ")
    for line in ("cuInit", "old name", "old kernel", "at epoch 0", "late", "past us"):
        assert line in log
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_without_a_run_nothing_is_left(tmp_path):
    said = talk("pass", "", TMPDIR=str(tmp_path))
    assert said.stderr == "at epoch 0\n"
    assert not list(tmp_path.iterdir())


def test_a_fault_names_the_log(tmp_path):
    said = talk("raise RuntimeError('odd')", "", TMPDIR=str(tmp_path))
    (log,) = tmp_path.glob("*.log")
    assert f"what libraries said is in {log}" in said.stderr
    assert "RuntimeError: odd" in said.stderr
    assert "cuInit" in log.read_text()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes to watch")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_death_without_a_word_names_the_log(tmp_path, number):
    said = talk(f"os.kill(os.getpid(), {int(number)})", "", TMPDIR=str(tmp_path))
    (log,) = tmp_path.glob("*.log")
    assert said.returncode == -number
    assert said.stderr == f"at epoch 0\nhrnet-tf: killed; its log is {log}\n"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_an_interruption_ends_in_one_line(tmp_path, number, status):
    said = talk(f"os.kill(os.getpid(), {int(number)})", "", TMPDIR=str(tmp_path))
    assert said.returncode == status
    assert said.stderr.splitlines() == [
        "at epoch 0",
        "",
        "interrupted; the same command goes on where it stopped",
    ]
    assert not list(tmp_path.iterdir())


def test_a_second_interruption_leaves_no_trace(tmp_path):
    again = "import atexit; atexit.register(os.kill, os.getpid(), 2)"
    said = talk(f"{again}; raise KeyboardInterrupt", "", TMPDIR=str(tmp_path))
    assert said.returncode == -signal.SIGINT
    assert said.stderr.splitlines()[1:] == [
        "",
        "interrupted; the same command goes on where it stopped",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate run", "nothing was written; the same command begins anew"),
        ("predict photo.jpg", "finished pictures are kept; the list of what was found"),
        ("export run", "formats that were finished are kept"),
        ("benchmark run", "nothing was written"),
        ("convert a.pth --out a.keras", "files that were finished are kept"),
        ("shard images out", "the same command goes on where it stopped"),
        ("data check c.yaml", "nothing was written"),
        ("demo", "the same command goes on where it stopped"),
    ],
)
def test_what_becomes_of_an_interrupted_command_is_true_for_it(
    line, said, monkeypatch, capsys
):
    found = parser().parse_args(line.split())
    monkeypatch.setattr(found, "function", interrupt)
    monkeypatch.setattr(cli, "parse", lambda words: found)
    with pytest.raises(SystemExit) as stopped:
        cli.main(line.split())
    assert stopped.value.code == 130
    assert capsys.readouterr().err.startswith(f"\ninterrupted; {said}")


def interrupt(arguments):
    raise KeyboardInterrupt
