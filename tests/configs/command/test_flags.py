"""Flags are the schema; experiments load by name or path."""

import dataclasses

import pytest
from absl import flags as absl_flags

from configs.command import flags
from configs.command.errors import ConfigError
from configs.demo import config as demo
from configs.schema import Experiment, video_swin
from configs.schema.model import ARCHITECTURE
from configs.schema.serialization import to_json


@pytest.fixture
def parse():
    """Parses a command line into flag values of its own."""

    def parse(*arguments):
        values = absl_flags.FlagValues()
        flags.define(values)
        values(["program", *arguments])
        return values

    return parse


@pytest.mark.parametrize("name", flags.experiments())
def test_every_experiment_loads(name, parse):
    assert isinstance(flags.load(name, parse()), Experiment)


def test_every_file_above_the_wings_is_an_experiment(repository):
    names = {path.stem for path in (repository / "configs").glob("*.py")}
    assert names - {"__init__"} == set(flags.experiments())


def architecture(*arguments, parse):
    model = flags.load(arguments[0], parse(*arguments[1:])).model
    return tuple(getattr(model, name) for name in ARCHITECTURE)


def test_own_videos_leaves_the_architecture_to_a_handle(parse):
    tiny = tuple(video_swin("tiny").architecture.values())
    assert architecture("own_videos", parse=parse) == tiny
    handle = "--model.handle=HANDLE"
    assert architecture("own_videos", handle, parse=parse) == (None,) * 5
    kept = architecture("own_videos", handle, "--model.depths=1,2,3,4", parse=parse)
    assert kept == (None, (1, 2, 3, 4), None, None, None)


def test_an_experiment_named_by_its_size_does_so_by_one_flag(parse):
    base = tuple(video_swin("base").architecture.values())
    choice, handle = "--model.architecture_from=handle", "--model.handle=HANDLE"
    assert architecture("ucf101_swin_base", handle, parse=parse) == base
    assert architecture("ucf101_swin_base", choice, parse=parse) == base
    both = architecture("ucf101_swin_base", handle, choice, parse=parse)
    assert both == (None,) * 5


def test_help_says_the_bounds_and_what_may_change(parse):
    values = parse()
    text = values["data.batch_size"].help
    assert "Must be at least 1." in text and "may be continued" not in text
    text = values["data.max_bad_fraction"].help
    assert "Must be in [0, 1)." in text and "A run may be continued with" in text


def test_every_field_has_a_flag(parse):
    values = parse()
    config = flags.load("demo", values)
    for section in dataclasses.fields(Experiment):
        value = getattr(config, section.name)
        names = (
            [f"{section.name}.{field.name}" for field in dataclasses.fields(value)]
            if dataclasses.is_dataclass(value)
            else [section.name]
        )
        assert all(name in values for name in names)


def test_flags_replace_fields_of_every_type(parse):
    config = flags.load(
        "demo",
        parse(
            "--epochs=7",
            "--data.root=videos",
            "--data.flip=true",
            "--data.crop_area=0.5,1",
            "--model.depths=2,2,2",
            "--model.num_heads=2,4,8",
            "--optimizer.learning_rate=1e-4",
            "--optimizer.clip_norm=2.5",
            "--runtime.precision=mixed_bfloat16",
            "--views.crops=3",
        ),
    )
    assert (config.epochs, config.data.root, config.data.flip) == (7, "videos", True)
    assert config.data.crop_area == (0.5, 1.0)
    assert config.model.depths == (2, 2, 2)
    assert config.optimizer.learning_rate == 1e-4
    assert config.optimizer.clip_norm == 2.5
    assert config.runtime.precision == "mixed_bfloat16"
    assert config.views.crops == 3


def test_a_warmup_is_shortened_in_one_line_unless_it_was_set(tmp_path, parse, caplog):
    path = tmp_path / "mine.py"
    path.write_text(
        "from configs.schema import Experiment, Model\n"
        "def config():\n"
        "    return Experiment(model=Model(handle='x'))\n"
    )
    values = parse()
    with caplog.at_level("INFO", "absl"):
        assert flags.load(str(path), values).optimizer.warmup_epochs == 2.5
        assert not caplog.records
        values["epochs"].parse("1")
        assert flags.load(str(path), values).optimizer.warmup_epochs == 0.1
    assert [record.getMessage() for record in caplog.records] == [
        "optimizer.warmup_epochs is 0.1: the run is not longer than the usual 2.5."
    ]


def test_none_replaces_an_optional_field(parse):
    config = flags.load("demo", parse("--optimizer.clip_norm=none"))
    assert config.optimizer.clip_norm is None


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--data.batch_size=many", "data.batch_size.*must be an integer.*'many'"),
        ("--data.batchsize=8", "data.batchsize.*[Dd]id you mean.*data.batch_size"),
        ("--views.crops=2", "views.crops.*must be one of 1, 3.*'2'"),
        ("--runtime.precision=fp16", "precision.*must be one of float32.*'fp16'"),
        ("--data.flip=maybe", "data.flip.*must be true or false.*'maybe'"),
        (
            "--model.window_size=8,7",
            r"model.window_size.*integer,an integer,an integer \(separated by commas\)"
            ".*'8,7'",
        ),
    ],
)
def test_a_wrong_flag_is_named_with_what_it_must_be(argument, message, parse):
    with pytest.raises(absl_flags.Error, match=message):
        parse(argument)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--data.batch_size=0", "data.batch_size must be at least 1; received 0"),
        ("--optimizer.warmup_epochs=50", "optimizer.warmup_epochs must be below"),
        (
            "--runtime.replicas=3",
            r"data.batch_size must be divisible.*\[1, 2, 4, 8\]",
        ),
        ("--model.num_heads=5,4", "model.num_heads must divide each stage's channels"),
        ("--model.embed_dim=none", "model.embed_dim must be set where model.handle"),
        (
            "--optimizer.learning_rate=nan",
            "optimizer.learning_rate must be finite; received nan",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_field(argument, message, parse):
    with pytest.raises(ConfigError, match=message):
        flags.load("demo", parse(argument))


def test_replicas_that_do_not_divide_a_batch_may_still_evaluate(parse):
    """What trains loads its experiment; evaluate.py and predict.py replace options."""
    own = flags.load("demo", parse())
    assert flags.override(own, parse("--runtime.replicas=3")).runtime.replicas == 3


def test_an_unknown_experiment_is_answered_with_the_known_ones(parse):
    with pytest.raises(ConfigError, match="demo, own_videos, ssv2.*received 'dmeo'"):
        flags.load("dmeo", parse())


def test_an_experiment_may_be_a_file_anywhere(tmp_path, parse):
    path = tmp_path / "mine.py"
    path.write_text(
        "from configs.demo import config as demo\n"
        "import dataclasses\n"
        "def config():\n"
        "    return dataclasses.replace(demo(), epochs=3)\n"
    )
    assert flags.load(str(path), parse()).epochs == 3


@pytest.fixture
def run(tmp_path):
    """Writes the config.json of a run of four epochs; returns the run's folder."""

    def run(name="run", **changes):
        model = dataclasses.replace(demo().model, trust_graph=True)
        config = dataclasses.replace(demo(), epochs=4, model=model, **changes)
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(to_json(config))
        return tmp_path / name

    return run


def test_the_config_of_a_run_is_an_experiment(run, parse):
    config = flags.load(str(run() / "config.json"), parse("--seed=5"))
    assert (config.epochs, config.seed) == (4, 5)
    assert not config.model.trust_graph, "whom to trust is the user's to say"
    assert dataclasses.replace(config, epochs=18, seed=0) == demo()


@pytest.mark.parametrize("text", ["{", "[]", "\xff", '{"epochs": 3}'])
def test_json_that_is_no_experiment_is_named(tmp_path, parse, text):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=f"{path} must hold an experiment") as error:
        flags.load(str(path), parse())
    assert "\n" not in str(error.value)


def test_without_config_a_run_goes_on_with_its_own(run, parse):
    folder = run(init_from="elsewhere", init_head=False)
    config, name = flags.load_wanted(parse(f"--workdir={folder}", "--epochs=5"))
    assert name == str(folder / "config.json")
    assert (config.epochs, config.init_from, config.init_head) == (
        5,
        "elsewhere",
        False,
    )
    config, name = flags.load_wanted(parse(f"--workdir={folder}", "--config=demo"))
    assert (config, name) == (demo(), "demo")


def test_without_config_a_new_run_takes_that_of_the_run_it_begins_with(run, parse):
    """But not what that one began with."""
    folder = run(init_from="elsewhere", init_head=False)
    new = f"--workdir={folder.parent / 'new'}"
    config, name = flags.load_wanted(parse(new, f"--init_from={folder}@best"))
    assert name == str(folder / "config.json") and config.epochs == 4
    assert (config.init_from, config.init_head) == (f"{folder}@best", True)
    head = "--init_head=false"
    config, _ = flags.load_wanted(parse(new, head, f"--init_from={folder}"))
    assert not config.init_head
    own = run("new", seed=9)  # It has begun: its own counts.
    config, name = flags.load_wanted(parse(new, f"--init_from={folder}"))
    assert (config.seed, name) == (9, str(own / "config.json"))


def test_without_config_and_run_there_is_nothing_to_train(tmp_path, parse):
    new = f"--workdir={tmp_path / 'new'}"
    with pytest.raises(ConfigError, match="--config must be given.*new/config.json"):
        flags.load_wanted(parse(new))
    with pytest.raises(ConfigError, match="init_from must be RUN.*no config.json"):
        flags.load_wanted(parse(new, f"--init_from={tmp_path}"))


def test_a_head_can_be_left_only_where_there_is_a_run_to_take_it_from(parse):
    with pytest.raises(ConfigError, match="init_head must be true where init_from is"):
        flags.load("demo", parse("--init_head=false"))
