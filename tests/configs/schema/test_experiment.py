"""Sections are immutable and check types and rules whoever builds them."""

import dataclasses

import pytest

from configs import schema
from configs.command.errors import ConfigError
from configs.schema.experiment import changeable_options
from configs.schema.section import options


def test_sections_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.Data().split = 2


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("Data", "split", 4, r"data.split must be in \[1, 3\]; received 4"),
        ("Data", "flip", 1, "data.flip must be true or false; received 1"),
        ("Data", "crop_area", (0.9, 0.5), "data.crop_area must be increasing"),
        (
            "Data",
            "validation",
            "tset",
            "test, split, groups, none; received 'tset'",
        ),
        ("Runtime", "precision", "fp16", "runtime.precision must be one of float32"),
        ("Optimizer", "beta_2", 1.0, "optimizer.beta_2 must be in"),
        ("Checkpoints", "keep", 0, "checkpoints.keep must be at least 1"),
        ("Data", "crop_area", (0.0, 0.5), r"data.crop_area must be in \(0, 1\]"),
        ("Data", "max_bad_fraction", float("nan"), "fraction must be finite.*nan"),
        ("Data", "crop_area", (0.1, float("inf")), "crop_area must be finite"),
        ("Optimizer", "weight_decay", float("inf"), "weight_decay must be finite"),
        ("Data", "split", 10**400, r"data.split must be in \[1, 3\]"),
        ("Optimizer", "weight_decay", -0.1, "weight_decay must be at least 0"),
        ("Optimizer", "clip_norm", 0.0, "optimizer.clip_norm must be above 0"),
        ("Optimizer", "reference_batch_size", 0, "batch_size must be at least 1"),
        ("Optimizer", "reference_batch_size", 64.0, "be an integer or none"),
        ("Data", "frame_sampling", "even", "must be one of interval, segments; rec"),
        ("Runtime", "profile_steps", (5, 4), "profile_steps must be first,last with"),
        ("Runtime", "profile_steps", (1, 101), "last < first . 100; received .1, 101"),
        ("Runtime", "profile_steps", (0, 4), "profile_steps must be at least 1"),
        ("Views", "crops", 2, "views.crops must be one of 1, 3; received 2"),
    ],
)
def test_a_wrong_value_is_named(section, field, value, message):
    with pytest.raises(ConfigError, match=message):
        getattr(schema, section)(**{field: value})


def test_classes_that_tell_left_from_right_are_not_mirrored():
    source = "something-something-v2"
    message = (
        f"data.flip must be false under data.source={source}: classes depend on left "
        "and right; received True."
    )
    with pytest.raises(ConfigError, match=message):
        schema.Data(source=source)
    schema.Data(source=source, flip=False)


def test_a_batch_of_any_size_is_checked_at_once():
    """Every number up to it would be years; 2**60 divides by powers of two alone."""
    config = schema.Experiment(
        model=schema.Model(handle="x"), data=schema.Data(batch_size=2**60)
    )
    with pytest.raises(ConfigError, match=r"1, 2, 4, .*, 512, 1024\]\)"):
        config.check_replicas(3)


def test_every_option_has_help():
    for _, _, field in options(schema.Experiment):
        assert field.metadata["help"]


def test_what_decides_the_result_cannot_change_while_a_run_is_continued():
    assert changeable_options() == {
        "checkpoints.keep",
        "checkpoints.keep_every",
        "checkpoints.nonfinite_limit",
        "checkpoints.patience",
        "checkpoints.save_every",
        "checkpoints.stall_minutes",
        "data.class_list",
        "data.max_bad_fraction",
        "data.root",
        "data.split_file",
        "data.test_list",
        "data.threads",
        "data.train_list",
        "data.validation_list",
        "model.architecture_from",  # The options that it fills in cannot.
        "model.handle",
        "model.recompute",
        "model.trust_graph",
        "runtime.accumulation_steps",
        "runtime.cluster",
        "runtime.deterministic",
        "runtime.jit_compile",
        "runtime.join_minutes",
        "runtime.profile_steps",
        "runtime.replicas",
        "runtime.wandb",
        "views.batch_size_per_replica",
        "views.clips",
        "views.crops",
        "views.sampling",
        "views.short_side",
    }


def test_every_section_names_its_own_options():
    for field in dataclasses.fields(schema.Experiment):
        if dataclasses.is_dataclass(field.type):
            assert field.type.prefix == f"{field.name}."


def test_a_hub_graph_is_what_its_handle_is():
    with pytest.raises(ConfigError, match="model.handle must be set for model.back"):
        schema.Model(backbone="hub")
    with pytest.raises(ConfigError, match="model.embed_dim must be none for model.b"):
        schema.Model(backbone="hub", handle="x", embed_dim=8)


def test_a_video_swin_of_the_paper_takes_other_options():
    model = schema.video_swin("base", window_size=(16, 7, 7), dropout=0.1)
    assert (model.embed_dim, model.num_heads) == (128, (4, 8, 16, 32))
    assert (model.window_size, model.patch_size) == ((16, 7, 7), (2, 4, 4))
    assert model.dropout == 0.1


@pytest.mark.parametrize(
    ("reference", "batch_size", "peak"),
    [(None, 8, 1e-3), (64, 64, 1e-3), (64, 8, 1.25e-4), (64, 512, 8e-3)],
)
def test_the_learning_rate_scales_linearly_where_it_is_asked_for(
    reference, batch_size, peak
):
    optimizer = schema.Optimizer(learning_rate=1e-3, reference_batch_size=reference)
    assert optimizer.peak(batch_size) == pytest.approx(peak, rel=1e-15)
    assert optimizer.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("epochs", "warmup"), [(1, 0.1), (2, 0.2), (3, 2.5), (30, 2.5)]
)
def test_a_warmup_that_is_left_open_fits_the_run(epochs, warmup):
    config = schema.Experiment(model=schema.Model(handle="x"), epochs=epochs)
    full = config.completed()
    assert full.optimizer.warmup_epochs == pytest.approx(warmup, rel=1e-15)
    assert full.completed() == full
    assert dataclasses.replace(full, optimizer=config.optimizer) == config


def test_a_warmup_set_by_hand_is_never_shortened():
    optimizer = schema.Optimizer(warmup_epochs=2.5)
    message = "warmup_epochs must be below epochs=1; received 2.5"
    with pytest.raises(ConfigError, match=message):
        schema.Experiment(model=schema.Model(handle="x"), epochs=1, optimizer=optimizer)


def test_a_decay_has_room_after_the_warmup():
    config = schema.Experiment(
        model=schema.Model(handle="x"),
        epochs=5,
        optimizer=schema.Optimizer(decay_epochs=2.6),  # Not asked for: no matter.
    )
    wsd = dataclasses.replace(config.optimizer, schedule="wsd")
    message = "decay_epochs must be at most epochs - warmup_epochs = 2.5; received 2.6"
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, optimizer=wsd)
    wsd = dataclasses.replace(wsd, decay_epochs=2.5)
    dataclasses.replace(config, optimizer=wsd)


@pytest.mark.parametrize("validation", ["test", "none"])
def test_patience_needs_videos_that_are_held_out(validation):
    patient = schema.Checkpoints(patience=2)
    experiment = schema.Experiment(
        model=schema.Model(handle="x"),
        data=schema.Data(validation="groups"),
        checkpoints=patient,
    )
    message = f"patience must be 0 under data.validation={validation} .*; received 2"
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(experiment, data=schema.Data(validation=validation))


def test_classes_are_evened_out_once():
    with pytest.raises(ConfigError, match="class_weights must be none where data.samp"):
        schema.Experiment(
            model=schema.Model(handle="x"),
            data=schema.Data(sampling="balanced"),
            optimizer=schema.Optimizer(class_weights="balanced"),
        )


def test_a_run_does_not_go_on_with_another_reference_batch_size():
    assert "optimizer.reference_batch_size" not in changeable_options()
