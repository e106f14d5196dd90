"""The papers' tables: their rows, what is counted beside them, what is measured."""

import json
import re
import signal
import subprocess
from dataclasses import replace

import pytest

from hrnet_tf import cli
from hrnet_tf.common.components import find
from hrnet_tf.common.config import Component
from hrnet_tf.common.errors import InputError
from hrnet_tf.images.files import read_image
from hrnet_tf.networks.counting import Counts
from hrnet_tf.paper_tables import counted, measured, process
from hrnet_tf.paper_tables.counted import Counted, count_rows, lines
from hrnet_tf.paper_tables.measured import measure, measure_lines
from hrnet_tf.paper_tables.rows import Load, Measured, Row, Table, numbers, read_table
from hrnet_tf.paper_tables.show import shown
from support.networks import shallow_networks

TABLES = {number: read_table(number) for number in numbers()}
# What a note says is counted otherwise, or cannot be counted so.
OTHERWISE = {"1": {"baseline"}, "2": {"psp", "w40", "ocr"}, "4": {"tool"}}
OTHERWISE |= {"5": {"tool"}, "7": {"resnet"}}
TINY = {"width": 4, "modules": [1, 1, 1], "blocks": 1, "stem": [[8, 2], [8, 2]]}
SIZE = (64, 64)
LOAD = Load(2, SIZE)


def tiny(name="tiny", constructor="HRNetV1", **more):
    arguments = more.pop("arguments", {})
    network = Component(f"hrnet_tf.{constructor}", {**TINY, **arguments})
    return Row(name, network, SIZE, ("50.0",), **more)


def table(*rows, **more):
    how = Measured("keypoints", LOAD, Load(1, SIZE))
    return Table("Title", "somewhere", ("AP",), list(rows), "All else.", how, **more)


def test_the_tables_of_the_papers_are_there():
    assert numbers() == ["1", "2", "4", "5", "6", "7"]
    for number, found in TABLES.items():
        assert found.title.startswith(f"Table {number}: ")
        assert found.left_out.endswith(".")
        for row in found.rows:
            assert callable(find(row.network, row.name))
            assert all(re.fullmatch(r"-|\d+(\.\d+)?", text) for text in row.scores)


def test_numbers_have_the_decimals_that_are_printed():
    (row,) = TABLES["7"].choose(["w44"])
    assert row.multiply_adds == "3.90"
    (row,) = TABLES["6"].choose(["HRNetV2-W48"])
    assert row.scores[1:4] == ("0.692", "13.9", "0.150")


def test_a_network_is_as_large_as_its_paper_says():
    (row,) = TABLES["1"].choose(["w32"])
    (found,) = count_rows([row])
    assert (found.parameters, found.multiply_adds) == ("28.5", "16.0")
    assert not found.differs


@pytest.mark.slow
@pytest.mark.parametrize("number", TABLES)
def test_networks_are_as_large_as_their_papers_say(number):
    for found in count_rows(TABLES[number].rows):
        known = set(found.row.notes) & OTHERWISE.get(number, set())
        assert found.differs == bool(known), (found.row.name, found.cells(""))


def test_what_differs_is_told():
    row = tiny(parameters="28.45", multiply_adds="7.1", multiply_adds_unit="G")
    same = Counted(row, Counts(28_449_999, 7_140_000_000, 10, 40, scales=12))
    assert (same.parameters, same.multiply_adds, same.differs) == (
        "28.45",
        "7.1",
        False,
    )
    by_outputs = replace(row, transposed_by_outputs=True, without_batch_norm=True)
    more = Counted(by_outputs, Counts(28_449_999, 7_140_000_000, 10, 10_000_010))
    assert (more.multiply_adds, more.differs) == ("7.2", True)
    less = Counted(by_outputs, Counts(28_449_999, 7_140_000_000, scales=10_000))
    assert (less.parameters, less.differs) == ("28.44", True)


def test_a_table_has_a_line_a_row_and_builds_a_network_once(monkeypatch):
    built = []

    def build(row, size):
        built.append(row.name)
        return own(row, size)

    own = counted.build
    monkeypatch.setattr(counted, "build", build)
    rows = (tiny("one"), tiny("again", notes=("data",)))
    found = [line for line, _ in lines(table(*rows, notes={"data": "more data"}), rows)]
    assert built == ["one"]
    assert found[0] == "Title"
    assert re.match(r"one +64x64 +0\.3 M +- +0\.1 Gi +- +50\.0$", found[2])
    assert re.match(r"again .* 50\.0 +a$", found[3])
    assert found[-3:-1] == ["a: more data", "Source: somewhere"]
    assert found[-1].endswith("network here: All else.")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([replace(tiny(), scores=())], "must have 1 scores, has 0"),
        ([tiny(notes=("data",))], "names data, which is no unit and no note"),
        ([tiny(parameters_unit="k")], "names k, which is no unit"),
        ([tiny(), tiny()], "each name once"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows, said):
    with pytest.raises(InputError, match=said):
        table(*rows)


def test_rows_are_chosen_by_parts_of_their_names():
    chosen = TABLES["1"].choose(["W48"])
    assert [row.name for row in chosen] == ["HRNetV1-W48", "HRNetV1-W48, more data"]
    with pytest.raises(InputError, match="no row W33; did you mean HRNetV1-W32"):
        TABLES["1"].choose(["W33"])


KINDS = {
    "keypoints": tiny(),
    "pixels": tiny(constructor="HRNetV2", arguments={"classes": 19}),
    "classes": tiny(constructor="HRNetClassifier", arguments={"features": 8}),
    "masks": tiny(
        constructor="HRNetDetector",
        arguments={"masks": True, "features": 4, "hidden": 8},
    ),
}


@pytest.mark.parametrize("targets", KINDS)
def test_networks_learn_from_what_is_made_up(targets, monkeypatch, eagerly):
    monkeypatch.setattr(process, "ENOUGH", 1)
    monkeypatch.setattr(process, "WARMING", 0)
    network = KINDS[targets].network
    asked = {
        "network": network.class_path,
        "arguments": network.arguments,
        "size": SIZE,
        "images": 2,
        "targets": targets,
    }
    with shallow_networks():
        found = process.measure(asked)
    assert found["calls"] == 1
    assert 0 < found["seconds"] < 60
    assert 1e8 < found["bytes"] < 1e11
    assert found["device"] == ""


def test_an_answer_is_measured_in_a_process_of_its_own():
    taken = measure(tiny(), LOAD, None)
    assert 0 < taken.seconds < 60
    assert 0.1 < taken.gigabytes < 10
    assert taken.cells()[0] == "2 of 64x64"


def test_images_that_a_network_does_not_take_are_told(monkeypatch):
    asked = {"network": "hrnet_tf.HRNetV1", "arguments": TINY, "size": (60, 32)}
    asked |= {"images": 1, "targets": None}
    with pytest.raises(SystemExit, match="multiples of 32, got 60x32"):
        process.main(json.dumps(asked))
    ended(monkeypatch, 1, stderr="some\nimage sides must be multiples of 32\n")
    with pytest.raises(InputError, match="tiny could not be measured: image sides"):
        measure(tiny(), LOAD, None)


def ended(monkeypatch, code, stdout="", stderr=""):
    done = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(measured.subprocess, "run", lambda *_, **__: done)


def test_what_memory_does_not_hold_is_no_number(monkeypatch):
    ended(monkeypatch, -signal.SIGKILL)
    how = table(tiny())
    text, row, answered = list(measure_lines(how, how.rows))[1]
    assert row.name == "tiny"
    assert answered.seconds is None
    assert text.count("no memory") == 2
    with (
        pytest.raises(InputError, match="nothing to draw"),
        shallow_networks(),
    ):
        list(shown(how, how.rows, measure=True, picture="table.png"))


def test_what_is_measured_is_printed_and_drawn(monkeypatch, tmp_path):
    answer = {"seconds": 0.25, "calls": 3, "bytes": 2_000_000_000, "device": ""}
    ended(monkeypatch, 0, stdout=f"a library says\n{json.dumps(answer)}\n")
    better = replace(tiny("another", compared=True), scores=("60.0",), group="more")
    rows = (tiny("one"), better)
    file = tmp_path / "table.png"
    settings = {"measure": True, "size": (96, 64), "images": 4, "picture": file}
    with shallow_networks():
        found = list(shown(table(*rows), rows, **settings))
    assert re.search(r"one +4 of 96x64 +0\.25 +2\.00 +1 of 96x64 +0\.25", found[-4])
    assert "process's, Python and TensorFlow included" in found[-2]
    assert found[-1] == f"written to {file}"
    pixels = read_image(file)
    assert pixels.shape == (550, 900, 3)
    for color in ((0x3B, 0x5F, 0xC0), (0xD9, 0x5F, 0x02)):
        assert (pixels == color).all(axis=-1).sum() > 20


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--size", "64", "64"], "give --measure with them"),
        (["--picture", "table.jpg"], r"must be a \.png file, got table\.jpg"),
        (["--rows", "W33"], "has no row W33"),
    ],
)
def test_mistakes_end_in_a_sentence(more, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["table", "1", *more])
    assert stopped.value.code == 2
    assert re.search(said, capsys.readouterr().err)
