"""The package's own shape: which folder imports which, and how long files are."""

import ast
import re
from pathlib import Path

import pytest

import hrnet_tf
from support.lanes import ONE_LANE

PACKAGE = Path(hrnet_tf.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up; a folder imports those of lower ranks only.
RANKS = [
    {"common"},
    {"images", "checkpoints"},
    {"networks", "data"},
    {"tasks/base"},
    {"tasks/keypoints", "tasks/dense"},
    {f"tasks/{name}" for name in ("pose", "classification", "segmentation")}
    | {f"tasks/{name}" for name in ("regression", "bottom_up", "landmarks")}
    | {"tasks/detection", "tasks/panoptic", "drawn"},
    {"tasks"},
    {"training", "conversion"},
    {"export"},
    {"bulk", "paper_tables"},
    {""},
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}


def folder_of(parts):
    """The ranked folder of a module; its name as parts, without `hrnet_tf`."""
    for length in (2, 1):
        if "/".join(parts[:length]) in RANK and len(parts) > length - 1:
            return "/".join(parts[:length])
    return ""


def package_imports():
    known = {module_name(path) for path in MODULES}
    for path in MODULES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in known else node.module for name in whole]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                if name.startswith("hrnet_tf."):
                    target = folder_of(name.split(".")[1:])
                    yield "/".join(parts), folder_of(parts), target


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_point_down():
    wrong = [
        f"{module}: {source} -> {target}"
        for module, source, target in package_imports()
        if source != target and RANK[target] >= RANK[source]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_folder_has_a_rank():
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in MODULES}
    inner = {"networks/heads", "export/processes"}
    assert {"" if name == "." else name for name in folders} - inner == RANK.keys()


# What imports the parts of tasks to offer them by one name, and what is copied beside
# exports, where nothing else of the package is.
LISTS = {"public.py", "losses.py", "export/decoder.py"}
ABOVE_THE_TABLE = [
    path
    for path in MODULES
    if RANK[folder_of(path.relative_to(PACKAGE).parts)] > RANK["tasks"]
    and path.relative_to(PACKAGE).as_posix() not in LISTS
]
# Of classes and functions that one task has.
OWN = re.compile(
    r"^(Pose|Segment|Classif|ImageClassif|Regress|Landmark|Detect|Panoptic)"
)


@pytest.mark.parametrize("path", ABOVE_THE_TABLE, ids=module_name)
def test_no_task_is_named_above_the_table(path):
    tasks = {name.name for name in (PACKAGE / "tasks").iterdir() if name.is_dir()}
    shared = {"base", "keypoints", "dense", "__pycache__"}
    named = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            start = node.module.split(".")[:3]
            if start[:2] == ["hrnet_tf", "tasks"] and start[2:] not in ([], ["base"]):
                named.append(node.module)
        elif isinstance(node, ast.Constant) and node.value in tasks - shared:
            named.append(node.value)
        elif isinstance(node, ast.Name) and OWN.match(node.id):
            named.append(node.id)
    assert not named


def test_a_task_is_one_folder_and_one_row():
    """Nothing but the table, the lists of public names and the folder knows a task."""
    allowed = {"tasks/__init__.py", *LISTS}
    folders = [path.parent.name for path in PACKAGE.glob("tasks/*/network.py")]
    for task in {*folders, "regression"} - {"dense"}:
        told = f"hrnet_tf.tasks.{task}"
        knows = {
            path.relative_to(PACKAGE).as_posix()
            for path in MODULES
            if told in path.read_text()
        }
        assert {p for p in knows if not p.startswith(f"tasks/{task}/")} <= allowed


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_files_have_one_subject(path):
    assert len(path.read_text().splitlines()) <= 400


def test_public_names_are_listed_once():
    assert sorted(set(hrnet_tf.__all__)) == sorted(hrnet_tf.__all__)
    assert all(hasattr(hrnet_tf, name) for name in hrnet_tf.__all__)


def test_tests_of_one_lane_are_there():
    tests = {path.stem for path in Path(__file__).parent.rglob("test_*.py")}
    assert tests >= ONE_LANE
