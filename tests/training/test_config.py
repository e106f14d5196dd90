from dataclasses import replace
from pathlib import Path

import pytest

from hrnet_tf import InputError, read_config
from hrnet_tf.common.config import Component
from hrnet_tf.common.typed_yaml import differences, write_config
from hrnet_tf.tasks.pose.config import PoseConfig
from hrnet_tf.training.configs import folder_key

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
DATA = """
data:
  train: {annotations: a.json, images: a}
  validation: {annotations: b.json, images: b}
"""


@pytest.fixture
def write(tmp_path):
    """Write a configuration: the data sections and more lines."""

    def make(text="", data=DATA, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(data + text)
        return path

    return make


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_loads(path):
    parts = ["data.root=somewhere"]
    if path.parent.name in ("pose", "bottom_up", "landmarks", "detection"):
        parts = [
            f"data.{part}.{key}=somewhere"
            for part in ("train", "validation")
            for key in ("annotations", "images")
        ]
    config = read_config(path, parts)
    assert config.task == path.parent.name
    # What the user is told to change if images have been moved is there.
    moved = read_config(path, [*parts, f"{folder_key(config)}=elsewhere"])
    assert moved.data != config.data


def test_a_file_fills_in_the_defaults(write):
    config = read_config(write("train: {epochs: 3}"))
    assert (config.train.epochs, config.train.batch_size) == (3, 128)
    assert config.model.size == (256, 192)


def test_the_files_own_task_may_be_said_again(write):
    assert read_config(write(), ["task='pose'"]).task == "pose"


def test_the_output_folder_is_named_after_the_file(write):
    assert read_config(write()).output == "saved_models/mine"


def test_a_given_output_folder_stays(write):
    assert read_config(write("output: here")).output == "here"


def test_numbers_may_be_written_with_an_exponent(write):
    config = read_config(write("train: {learning_rate: 1e-3}"))
    assert config.train.learning_rate == 0.001


def test_lists_and_components_are_typed(write):
    config = read_config(
        write(
            """
model: {modules: [1, 2, 3], stem: [[8, 2], [16, 1]], width: 18_small_v1}
train:
  drop_at: []
  loss: {class_path: keras.losses.Huber, arguments: {delta: 0.5}}
"""
        )
    )
    assert config.model.modules == (1, 2, 3)
    assert [tuple(pair) for pair in config.model.stem] == [(8, 2), (16, 1)]
    assert config.model.width == "18_small_v1"
    assert config.train.drop_at == ()
    assert config.train.loss == Component("keras.losses.Huber", {"delta": 0.5})


def test_a_reference_is_followed(write):
    config = read_config(write("seed: 7\ntrain: {epochs: '${seed}'}"))
    assert config.train.epochs == 7


OVERRIDES = {
    "train.epochs=5": lambda config: config.train.epochs == 5,
    "train.learning_rate=1e-4": lambda config: config.train.learning_rate == 0.0001,
    "model.modules=[1,1,2]": lambda config: config.model.modules == (1, 1, 2),
    "train.drop_at=[]": lambda config: config.train.drop_at == (),
    "output=a=b": lambda config: config.output == "a=b",
    "train.xla=true": lambda config: config.train.xla is True,
    "train.clip_norm=null": lambda config: config.train.clip_norm is None,
    "train.loss.class_path=a.B": lambda config: config.train.loss == Component("a.B"),
    "train.optimizer.arguments.momentum=0.9": lambda config: (
        config.train.optimizer.arguments == {"epsilon": 1e-8, "momentum": 0.9}
    ),
}


@pytest.mark.parametrize(("override", "holds"), OVERRIDES.items(), ids=OVERRIDES)
def test_an_override_wins_over_the_file(override, holds, write):
    path = write("train: {epochs: 3, clip_norm: 2}")
    assert not holds(read_config(path))
    assert holds(read_config(path, [override]))


def test_the_last_override_wins(write):
    assert read_config(write(), ["seed=1", "seed=2"]).seed == 2


UNKNOWN_KEYS = {
    "train: {epoch: 3}": ("train.epoch", "train.epochs"),
    "epochs: 3": ("epochs", "train.epochs"),
    "trian: {epochs: 3}": ("trian", "train"),
    "train: {optimizer: {clas_path: a.B}}": (
        "train.optimizer.clas_path",
        "train.optimizer.class_path",
    ),
    "train: {drop_at: {0: 5}}": ("train.drop_at.0", "train.drop_at"),
}


@pytest.mark.parametrize(("text", "keys"), UNKNOWN_KEYS.items(), ids=UNKNOWN_KEYS)
def test_an_unknown_key_is_named_with_the_nearest_one(text, keys, write):
    path, (wrong, nearest) = write(text), keys
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert str(caught.value) == (
        f"{path}: unknown key `{wrong}`; did you mean `{nearest}`?"
    )


WRONG_TYPES = {
    "train: {epochs: many}": "`train.epochs` must be an integer, got 'many'",
    "train: {epochs: 1.5}": "`train.epochs` must be an integer, got 1.5",
    "train: {epochs: true}": "`train.epochs` must be an integer, got True",
    "train: {epochs: }": "`train.epochs` must be an integer, got None",
    "train: {learning_rate: fast}": "`train.learning_rate` must be a number, got",
    "train: {xla: maybe}": "`train.xla` must be true or false or null, got 'maybe'",
    "train: {drop_at: 5}": r"`train.drop_at` must be a list \(each an integer\), got 5",
    "train: {drop_at: [a]}": "`train.drop_at` must be a list .*each an integer",
    "train: {optimizer: Adam}": (
        "`train.optimizer` must be a section with class_path, arguments, got 'Adam'"
    ),
    "train: [1]": "`train` must be a section with epochs, .*, got",
    "model: {size: [1, 2, 3]}": "`model.size` must be a list of length 2 .*1, 2, 3",
    "model: {stem: [[8, 2], [8]]}": r"`model.stem` must hold pairs .* got \[8\]",
    "model: {stem: [[a, b], [c, d]]}": "`model.stem` must hold pairs .* got .*'a', 'b'",
    "model: {width: [1]}": "`model.width` must be an integer or text, got",
    "model: {upsampling: cubic}": (
        "`model.upsampling` must be one of nearest, bilinear, bilinear_align_corners"
    ),
    "model: {normalization: {class_path: [1]}}": (
        "`model.normalization.class_path` must be text, got"
    ),
    "data.sigma: 3": "`data.sigma` must be nested: `sigma` goes in the section `data`",
    "output: '${nowhere}'": "`output`: Interpolation key 'nowhere' not found",
    "train: {epochs: '${output}'}": "`train.epochs`: .*could not be converted",
    "task: [pose]": r"`task` must be one of pose, .*, got \['pose'\]",
    "task: '${nowhere}'": r"`task` must be one of pose, .*, got '\${nowhere}'",
    "task: cooking": "`task` must be one of pose, .*, got 'cooking'",
}


@pytest.mark.parametrize(("text", "message"), WRONG_TYPES.items(), ids=WRONG_TYPES)
def test_a_value_of_another_type_is_named_with_its_file(text, message, write):
    path = write(text)
    with pytest.raises(InputError, match=f"^{path}: {message}"):
        read_config(path)


WRONG_VALUES = {
    "model.size=[0,192]": "`model.size` must be positive, got 0, 192",
    "model.bn_momentum=1.5": "`model.bn_momentum` must lie between 0 and 1, got 1.5",
    "train.epochs=-1": "`train.epochs` must be positive, got -1",
    "train.batch_size=0": "`train.batch_size` must be positive",
    "train.steps_per_epoch=0": "`train.steps_per_epoch` must be positive",
    "train.learning_rate=.nan": "`train.learning_rate` must be positive, got nan",
    "train.learning_rate=.inf": "`train.learning_rate` must be positive, got inf",
    "train.operation_threads=0": "`train.operation_threads` must be positive",
    "train.drop_factor=0": "`train.drop_factor` must be positive",
    "train.clip_norm=-1": "`train.clip_norm` must be positive",
    "train.hardest_keypoints=-1": "`train.hardest_keypoints` must not be negative",
    "train.validate_every=0": "`train.validate_every` must be positive",
    "train.ema=2": "`train.ema` must lie between 0 and 1, got 2",
    "train.drop_at=[9,3]": r"`train.drop_at` must rise, got \[9, 3\]",
    "train.drop_at=[3,3]": r"`train.drop_at` must rise, got \[3, 3\]",
    "data.padding=0": "`data.padding` must be positive",
    "data.sigma=-2": "`data.sigma` must be positive",
    "data.augmentation.scale=1": (
        "`data.augmentation.scale` must be at least 0 and less than 1, got 1"
    ),
    "data.augmentation.rotation=-5": "augmentation.rotation` must not be negative",
    "data.augmentation.half_body_keypoints=-1": "half_body_keypoints` must not be",
    "evaluate.batch_size=0": "`evaluate.batch_size` must be positive",
} | {
    f"data.augmentation.{key}=1.1": f"augmentation.{key}` must lie between 0 and 1"
    for key in (
        "rotation_probability",
        "flip_probability",
        "half_body_probability",
        "brightness",
        "contrast",
    )
}


@pytest.mark.parametrize(("override", "text"), WRONG_VALUES.items(), ids=WRONG_VALUES)
def test_a_value_out_of_range_is_named(override, text, write):
    with pytest.raises(InputError, match=text):
        read_config(write(), [override])


WRONG_OVERRIDES = {
    "train.epochs": "'train.epochs' is no setting; write key=value",
    "=3": "'=3' is no setting; write key=value",
    "train.epoch=3": "override train.epoch=3: .*did you mean `train.epochs`",
    "train.epochs=x": "override train.epochs=x: `train.epochs` must be an integer",
    "train.epochs=": "override train.epochs=: `train.epochs` must be an integer",
    "train.epochs.first=3": "`train.epochs` must be an integer, got {'first': 3}",
    "train=3": "override train=3: `train` must be a section",
    "model.modules=[1,1": "override 'model.modules=.*' cannot be read",
    "model.modules=1": "`model.modules` must be a list .*or null, got 1",
    "model.size.0=64": "unknown key `model.size.0`; did you mean `model.size`",
    "model.size[0]=64": "unknown key `model.size.0`; did you mean `model.size`",
    "train.epochs=${nowhere}": "`train.epochs`: Interpolation key 'nowhere' not found",
    "task=poze": (
        "override task=poze: `task` must be one of pose, .*, landmarks, .*, got 'poze'"
    ),
    "task=landmarks": (
        "override task=landmarks: .* is a configuration of the task pose; one of "
        "landmarks has other keys, see `hrnet-tf configs`"
    ),
    "output=${": r"override 'output=\${' cannot be read",
}


@pytest.mark.parametrize(
    ("override", "text"), WRONG_OVERRIDES.items(), ids=WRONG_OVERRIDES
)
def test_a_wrong_override_is_quoted(override, text, write):
    with pytest.raises(InputError, match=text):
        read_config(write(), [override])


def test_what_must_be_set_is_listed(write):
    path = write("seed: 1", data="")
    with pytest.raises(InputError) as caught:
        read_config(path, ["data.train.images=a"])
    assert str(caught.value) == (
        f"{path}: `data.train.annotations`, `data.validation.annotations`, "
        "`data.validation.images` must be set, in the file or as "
        "data.train.annotations=VALUE."
    )


def test_a_component_needs_its_class_path(write):
    path = write("train: {loss: {arguments: {delta: 1}}}")
    with pytest.raises(
        InputError, match=f"{path}: `train.loss.class_path` must be set"
    ):
        read_config(path)


def test_a_missing_file_is_named_with_the_nearest_one(write):
    path = write()
    with pytest.raises(InputError, match=f"no file .*mina.yaml; did you mean {path}"):
        read_config(path.with_name("mina.yaml"))


def test_a_missing_file_in_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*nowhere/mine.yaml\.$"):
        read_config(tmp_path / "nowhere" / "mine.yaml")


NO_YAML = {
    "an open bracket": b"model: [1",
    "a tab": b"\tseed: 3",
    "another encoding": b"\xff\xfe\x00s",
    "binary": b"\x00\x01\x02",
    "a key twice": b"seed: 1\nseed: 2",
    "a list as a key": b"? [a, b]\n: 3",
    "a number": b"5",
    "an open reference": b"output: ${",
}


@pytest.mark.parametrize("content", NO_YAML.values(), ids=NO_YAML)
def test_a_file_that_is_no_yaml_is_named(content, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path} is no valid YAML: .+"):
        read_config(path)


def test_a_list_is_no_configuration(write):
    path = write("- a\n- b\n", data="")
    with pytest.raises(InputError, match=f"{path} must hold `key: value` lines"):
        read_config(path)


def test_a_written_configuration_reads_back_the_same(write, tmp_path):
    config = read_config(
        write("model: {stem: [[8, 2], [8, 2]]}\ntrain: {loss: {class_path: a.B}}")
    )
    write_config(config, tmp_path / "copy.yaml")
    assert read_config(tmp_path / "copy.yaml") == config


def test_differences_name_keys_and_both_values():
    old = PoseConfig()
    train = replace(old.train, epochs=3, drop_at=(1, 2))
    new = replace(old, seed=5, train=train)
    assert differences(old, new) == [
        "seed: 0 -> 5",
        "train.drop_at: [170, 200] -> [1, 2]",
        "train.epochs: 210 -> 3",
    ]


def test_equal_configurations_do_not_differ(write):
    assert differences(read_config(write()), read_config(write())) == []


def test_another_class_does_not_inherit_arguments(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "task: classification\ndata: {root: here}\n"
        "train: {optimizer: {class_path: keras.optimizers.Adam}}\n"
    )
    assert read_config(path).train.optimizer.arguments == {}
    more = ["train.optimizer.class_path=keras.optimizers.SGD"]
    more.append("train.optimizer.arguments.momentum=0.9")
    assert read_config(path, more).train.optimizer.arguments == {"momentum": 0.9}
    same = ["train.optimizer.arguments.momentum=0.8"]
    path.write_text("task: classification\ndata: {root: here}\n")
    arguments = read_config(path, same).train.optimizer.arguments
    assert arguments == {
        "momentum": 0.8,
        "nesterov": True,
        "coupled_weight_decay": 0.0001,
    }


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("train.learning_rate=-1", "train.learning_rate"),
        ("data.augmentation.scale=2", "data.augmentation.scale"),
        ("model.size=[0,32]", "model.size"),
        ("model={size: [0, 32]}", "model.size"),
        ("train.drop_at=[3,2]", "train.drop_at"),
    ],
)
def test_a_value_from_the_command_line_is_not_blamed_on_the_file(
    experiment, override, key
):
    with pytest.raises(InputError, match=r"^override ") as caught:
        read_config(experiment, ["train.epochs=3", override])
    assert str(caught.value).startswith(f"override {override}: `{key}`")


def test_a_value_of_the_file_is_not_blamed_on_the_command_line(experiment, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(experiment.read_text().replace("0.01", "-0.01"))
    with pytest.raises(InputError) as caught:
        read_config(broken, ["train.epochs=3"])
    assert str(caught.value).startswith(f"{broken}: `train.learning_rate`")
