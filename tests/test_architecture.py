"""The package's own shape: who imports whom, and how long files are."""

import ast
from pathlib import Path

import pytest
from lanes import ONE_LANE

import hrnet_tf

PACKAGE = Path(hrnet_tf.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

RANKS = [
    {"files"},
    {
        "backend",
        "errors",
        "version",
        "opencv",
        "compat",
        "decoder",
        "latency",
        "process_memory",
        "replicas",
        "upsampling",
        "folders",
        "messages",
        "progress",
    },
    {"arrays", "batch_norm", "extras", "failures", "finite", "png", "text_files"},
    {
        "boxes",
        "typed_yaml",
        "video_files",
        "layers",
        "optimizers",
        "runtimes",
        "hashing",
        "image_header",
        "history",
        "lettering",
        "free_names",
        "run_lock",
        "name_sets",
        "shipped",
        "targets",
    },
    {"channels", "labels", "classes", "backbone", "image_files"},
    {"config"},
    {"results", "components", "preprocess", "codecs", "checkpoints", "published"},
    {"losses", "heads", "metrics", "manifest", "weights", "fold", "recipe", "sheets"}
    | {"image_sources"},
    {"legends"},
    {"visualize", "plots"},
    {"tasks", "data", "predictors"},
    {"viewers"},
    {
        "integrity",
        "serving",
        "decoding",
        "media",
        "pretrained",
        "evaluators",
        "fine_tuning",
    },
    {"experiments"},
    {"run"},
    {"evaluate", "export", "measure", "loading", "convert", "callbacks", "check_data"},
    {"train", "export_converted", "benchmark"},
    {"demo"},
    {"public", "commands"},
    {"arguments"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}


def package_imports():
    for path in MODULES:
        source = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if source in ("__init__", "__main__"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
                if node.module == "hrnet_tf":
                    names = [f"hrnet_tf.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                if name.startswith("hrnet_tf."):
                    yield path.name, source, name.split(".")[1]


def test_imports_point_down():
    wrong = [
        f"{path}: {source} -> {target}"
        for path, source, target in package_imports()
        if source != target and RANK[target] >= RANK[source]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_has_a_rank():
    names = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert names - {"__init__", "__main__"} == RANK.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_files_have_one_subject(path):
    assert len(path.read_text().splitlines()) <= 400


def test_public_names_are_listed_once():
    assert sorted(set(hrnet_tf.__all__)) == sorted(hrnet_tf.__all__)
    assert all(hasattr(hrnet_tf, name) for name in hrnet_tf.__all__)


def test_tests_of_one_lane_are_there():
    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert tests >= ONE_LANE
