"""A run, its exports and a converted checkpoint are measured as they were trained."""

import contextlib
import csv
import dataclasses
import functools
import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import evaluate
from configs.command.errors import ConfigError, StorageError
from configs.schema import Protocol, Runtime, Views
from configs.schema.serialization import from_json
from data import open_clips
from data.decoding.write import write_video
from export import export
from model import open_trained
from model.convert import convert
from model.weights.saved_model import load_handle
from storage.files import sha256
from storage.run_folder import RunFolder
from strategy import Workers
from tests.conftest import tiny_frames
from tests.parsed_page import Page
from tests.strategy.local import everyone
from tests.whole_runs import replace_runtime, run


@pytest.fixture
def open_converted(converted, tiny_root):
    """Opens the converted checkpoint to be evaluated on the videos of a directory."""

    def open_converted(root=tiny_root):
        def override(config):
            return dataclasses.replace(
                config,
                data=dataclasses.replace(config.data, root=str(root)),
                runtime=Runtime(replicas=2),
                views=Views(clips=2, crops=1),
            )

        return open_trained(
            None, converted, override=override, prepare=evaluate.prepare
        )

    return open_converted


def test_a_watchdog_is_told_of_every_batch(converted, tiny_root, tmp_path, monkeypatch):
    """Else a decoder that hangs would be waited for without end."""
    made, beats = [], []

    class Dog(contextlib.nullcontext):
        def __init__(self, *arguments, **options):
            super().__init__(self)
            made.append((*arguments, options))

        def beat(self):
            beats.append(1)

    def override(config):
        data = dataclasses.replace(config.data, root=str(tiny_root))
        checkpoints = dataclasses.replace(config.checkpoints, stall_minutes=3.0)
        return dataclasses.replace(config, data=data, checkpoints=checkpoints)

    monkeypatch.setattr(evaluate, "Watchdog", Dog)
    workers = Workers()
    with contextlib.ExitStack() as stack:
        prepare = functools.partial(evaluate.prepare, workers=workers, stack=stack)
        trained = open_trained(None, converted, override=override, prepare=prepare)
        clips = evaluate.open_same_clips(trained, workers)
        beats.clear()
        evaluate.measure(trained, clips, workers)
    assert made == [(180.0, {"exit_code": 1})]
    views = trained.config.views
    assert len(beats) == 7 * views.count // views.batch_size_per_replica


def test_other_videos_on_another_worker_are_refused_by_all(tiny, tiny_root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_root, other)
    path = other / "ucfTrainTestlist" / "testlist01.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))

    def open_own(workers):
        root = str(other if workers.index else tiny_root)
        data = dataclasses.replace(tiny.data, root=root)
        config = dataclasses.replace(tiny, data=data)
        trained = SimpleNamespace(config=config, run_split=None)
        return evaluate.open_same_clips(trained, workers)

    for error in everyone(2, open_own):
        assert isinstance(error, ConfigError)
        assert "All workers must have the same videos; " in str(error)
        assert "fingerprint is " in str(error)


def test_its_own_head_decides(open_converted, tiny_root, tmp_path):
    result = evaluate.evaluate(open_converted(), tmp_path)
    # Two or three of the seven test videos rise.
    with open(tmp_path / "predictions.csv", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert result["top1"] == labels.count("Rise") / 7
    assert result["step"] is None
    assert json.loads((tmp_path / "evaluation.json").read_text())["views"] == 2
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(page.pictures) == 7 and "The run" not in page.texts
    links = [v for _, name, v in page.attributes if name == "href"]
    assert [link for link in links if link.startswith(tiny_root.as_uri())] == links[:7]


def test_videos_of_other_classes_are_refused(open_converted, tiny_root, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_root, other)
    for path in (other / "ucfTrainTestlist").iterdir():
        path.write_text(path.read_text().replace("Slide", "Glide"))
    (other / "UCF-101" / "Slide").rename(other / "UCF-101" / "Glide")
    for path in (other / "UCF-101" / "Glide").iterdir():
        path.rename(path.with_name(path.name.replace("Slide", "Glide")))
    with pytest.raises(ConfigError, match="Fall, Rise, Slide.*holds Fall, Rise, Glide"):
        evaluate.evaluate(open_converted(other), tmp_path)


def classes(*names, known=True):
    """What is asked of a `Trained` about its classes."""
    return SimpleNamespace(class_names=names, class_names_known=known, source="model")


def test_classes_without_names_are_compared_by_number(caplog):
    nameless = classes("0", "1", known=False)
    evaluate.check_classes(nameless, ("a", "b"), "root")
    assert "model does not name its classes" in caplog.text
    with pytest.raises(ConfigError, match="the 2 classes"):
        evaluate.check_classes(nameless, ("a", "b", "c"), "root")


def test_names_that_are_numbers_are_names(caplog):
    numbers = classes("0", "1")
    evaluate.check_classes(numbers, ("0", "1"), "root")
    assert not caplog.text
    for found in (("a", "b"), ("1", "0"), ("00", "1")):
        with pytest.raises(ConfigError, match="the 2 classes"):
            evaluate.check_classes(numbers, found, "root")


def test_accents_that_are_coded_in_another_way_are_the_same_classes():
    composed = classes("caf\u00e9", "run")
    evaluate.check_classes(composed, ("cafe\u0301", "run"), "root")
    with pytest.raises(ConfigError, match="the 2 classes"):
        evaluate.check_classes(composed, ("cafe", "run"), "root")


@pytest.fixture(scope="module")
def root(tiny_root, tmp_path_factory):
    """The tiny videos with a second split: the lists of the first one, exchanged."""
    root = tmp_path_factory.mktemp("splits") / "root"
    shutil.copytree(tiny_root, root)
    lists = root / "ucfTrainTestlist"
    for name, other in (("train", "test"), ("test", "train")):
        shutil.copy(lists / f"{name}list01.txt", lists / f"{other}list02.txt")
    return root


@pytest.fixture
def trained_run(tiny, root, keep_signals, tmp_path_factory):
    """The folder of a run whose clips and precision are not the default."""
    changes = {"frames": 4, "size": 16, "frame_interval": 2, "shuffle_frames": True}
    data = dataclasses.replace(tiny.data, root=str(root), validation="none", **changes)
    model = dataclasses.replace(tiny.model, depths=(2,), num_heads=(2,))
    config = dataclasses.replace(
        tiny, data=data, model=model, epochs=2, views=Views(clips=3, crops=1)
    )
    workdir = tmp_path_factory.getbasetemp() / "trained_run"
    if not workdir.exists():
        precision = {"precision": "mixed_bfloat16", "replicas": 1}
        run(replace_runtime(config, **precision), workdir)
    return workdir


def replace_model(config, **changes):
    """A config with other options of its model."""
    model = dataclasses.replace(config.model, **changes)
    return dataclasses.replace(config, model=model)


def opened(workdir="", handle="", root=None, step=None, views=None, **data):
    """A `Trained` with other options."""

    def override(config):
        if root is not None:
            data["root"] = str(root)
        return dataclasses.replace(
            config,
            data=dataclasses.replace(config.data, **data),
            views=views or config.views,
        )

    return open_trained(
        workdir, handle, step=step, override=override, prepare=evaluate.prepare
    )


@pytest.mark.parametrize("way", ["exported", "converted twice", "through .pth"])
def test_an_export_gives_the_predictions_of_its_run(trained_run, root, tmp_path, way):
    """Without a flag that says how clips are cut, or in which precision."""
    model = tmp_path / "model"
    if way == "exported":
        export(trained_run, model)
    elif way == "converted twice":
        export(trained_run, tmp_path / "first")
        convert(tmp_path / "first", tmp_path / "second")
        convert(tmp_path / "second", model, head=True)
    else:
        pytest.importorskip("torch", reason="torch comes with the extra convert")
        export(trained_run, tmp_path / "run.pth")
        convert(tmp_path / "run.pth", model, head=True)
    handle = load_handle(model)
    own = from_json((trained_run / "config.json").read_text())
    assert handle.protocol == Protocol.of(own)
    assert handle.description["clip"] == [4, 16, 16]
    page = (model / "assets.extra" / "documentation.md").read_text()
    assert "4 frames of 16 x 16 pixels, frame interval 2, measured with 3 x 1" in page
    result = evaluate.evaluate(opened(handle=model, root=root), tmp_path / "out")
    ours = (trained_run / "predictions.csv").read_text()
    assert (tmp_path / "out" / "predictions.csv").read_text() == ours
    values = model / "variables" / "variables.data-00000-of-00001"
    assert result["weights_sha256"] == sha256(values)
    # Of a state dict it is not known on which videos it was trained.
    assert result["trained_videos"] == (None if way == "through .pth" else {})


def test_a_flag_wins_over_what_the_model_says(trained_run, tmp_path, root, caplog):
    export(trained_run, tmp_path / "model")
    for model in ({"workdir": trained_run}, {"handle": tmp_path / "model"}):
        caplog.clear()
        trained = opened(**model, root=root, frame_interval=1)
        assert trained.config.data.frame_interval == 1
        assert "data.frame_interval is 1; the model was trained with 2." in caplog.text
        assert "data.frames" not in caplog.text
        trained = opened(**model, root=root, frame_sampling="segments")
        assert trained.config.data.frame_sampling == "segments"
        assert "is segments; the model was trained with interval." in caplog.text


def test_what_a_model_does_not_say_is_assumed_aloud(converted, caplog):
    opened(handle=converted)
    assert (
        "does not say how its clips were cut; taken: data.frame_sampling=interval, "
        "data.frame_interval=2, views.clips=4, views.crops=3, views.sampling=official, "
        "views.short_side=0." in caplog.text
    )
    caplog.clear()
    opened(handle=converted, frame_sampling="segments")
    assert (
        "does not say how its clips were cut; taken: data.frame_sampling=segments, "
        "views.clips=4, views.crops=3, views.sampling=official, views.short_side=0."
        in caplog.text
    )


def test_only_one_model_can_be_meant(trained_run, converted, tmp_path):
    def override(config):
        return dataclasses.replace(
            config, model=dataclasses.replace(config.model, handle=str(converted))
        )

    with pytest.raises(ConfigError, match="Either --workdir or --model.handle"):
        open_trained(trained_run, override=override)
    with pytest.raises(ConfigError, match="--step chooses a checkpoint of a run"):
        open_trained(None, converted, step=7)


@pytest.mark.parametrize(
    "other",
    [
        {"window_size": (4, 2, 4)},
        {"patch_size": (4, 4, 2)},
        {"num_heads": (1,)},
        {"backbone": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_run_is_opened_as_no_other_model(trained_run, other):
    """Its weights fit some: of a permuted window the bias tables have the same size."""

    def override(config):
        return replace_model(config, **other)

    name = next(iter(other))
    with pytest.raises(ConfigError, match=rf"differs: model.{name} is .* .received"):
        open_trained(trained_run, override=override)


def test_what_only_the_training_computes_with_may_be_given(trained_run):
    free = {"recompute": "block", "dropout": 0.9, "drop_path_rate": 0.9}
    trained = open_trained(trained_run, override=lambda c: replace_model(c, **free))
    own, rng = open_trained(trained_run), np.random.default_rng(0)
    clips = rng.integers(0, 256, [2, 4, 3, 16, 16], np.uint8)
    np.testing.assert_array_equal(trained.model(clips), own.model(clips))


def test_views_are_what_a_model_was_measured_with(trained_run, caplog):
    opened(trained_run, views=Views(clips=1, crops=1, short_side=20))
    assert "views.clips is 1; the model was measured with 3." in caplog.text
    assert "views.short_side is 20; the model was measured with 0." in caplog.text


@pytest.mark.parametrize("through", ["the run", "a conversion of its export"])
def test_videos_that_were_trained_on_are_refused(trained_run, root, tmp_path, through):
    """100 % on them would say nothing."""
    model = {"workdir": trained_run}
    if through != "the run":
        export(trained_run, tmp_path / "model")
        convert(tmp_path / "model", tmp_path / "converted", head=True)
        model = {"handle": tmp_path / "converted"}
    trained = opened(**model, root=root, split=2)
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="trained on 13 of 13 test videos .13 by con"):
        evaluate.evaluate(trained, out)
    assert not out.exists()
    result = evaluate.evaluate(trained, out, allow_trained_videos=True)
    assert result["trained_videos"] == {"content": 13}
    assert "13 OF THEM TRAINED ON" in evaluate.summary(result)


def test_a_result_says_of_which_weights_and_videos_it_is(trained_run):
    result = json.loads((trained_run / "evaluation.json").read_text())
    step = result["step"]
    values = trained_run / f"checkpoints/step-{step:08}/variables.data-00000-of-00001"
    assert result["checkpoint"] == f"step-{step:08}"
    assert result["weights_sha256"] == sha256(values)
    assert (result["left_out"], result["unreadable"]) == ([], [])
    assert result["precision"] == "mixed_bfloat16" and len(result["versions"]) == 3
    assert "top5" not in result  # Of three classes.


def test_any_number_of_replicas_gives_the_same_results(trained_run, tmp_path):
    """Also three, which do not divide the batches of four of the training."""
    for replicas in (1, 2, 3):
        trained = open_trained(
            trained_run,
            override=functools.partial(replace_runtime, replicas=replicas),
            prepare=evaluate.prepare,
        )
        assert trained.model.distribute_strategy.num_replicas_in_sync == replicas
        evaluate.evaluate(trained, tmp_path / str(replicas))
    one, two, three = (shown(tmp_path / str(replicas)) for replicas in (1, 2, 3))
    assert one == two == three
    assert one["predictions.csv"] == (trained_run / "predictions.csv").read_bytes()


def test_other_results_leave_the_runs_own_alone(trained_run, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained_run, workdir)
    folder = RunFolder(workdir)
    names = ("evaluation.json", "predictions.csv", "confusion_matrix.csv")
    before = [(workdir / name).read_bytes() for name in names]
    views = Views(clips=1, crops=1)
    result = evaluate.evaluate(opened(workdir, views=views), workdir, folder)
    assert json.loads((workdir / "evaluation-1x1.json").read_text()) == result
    views = Views(clips=3, crops=1, sampling="mmaction2", short_side=20)
    result = evaluate.evaluate(opened(workdir, views=views), workdir, folder)
    name = "evaluation-mmaction2-short_side20.json"
    assert json.loads((workdir / name).read_text()) == result
    assert "3 views each, clips placed as by mmaction2, short side 20)" in (
        evaluate.summary(result)
    )
    first = opened(workdir, step=6, size=24)
    evaluate.evaluate(first, workdir, folder)
    assert (workdir / "predictions-step6-size24.csv").is_file()
    assert (workdir / "report-1x1.html").is_file()
    assert [(workdir / name).read_bytes() for name in names] == before
    # The run's own, measured again, is the same.
    evaluate.evaluate(opened(workdir), workdir, folder)
    assert [(workdir / name).read_bytes() for name in names] == before


def test_other_videos_are_in_the_names_of_the_results(trained_run, root, tmp_path):
    workdir, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(trained_run, workdir)
    shutil.copytree(root, other)
    path = other / "ucfTrainTestlist" / "testlist01.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    trained = opened(workdir, root=other)
    result = evaluate.evaluate(trained, workdir, RunFolder(workdir))
    fingerprint = result["test_fingerprint"][:8]
    assert (workdir / f"evaluation-videos{fingerprint}.json").is_file()
    own = json.loads((workdir / "evaluation.json").read_text())
    assert (own["videos"], result["videos"]) == (7, 6)


def other_pixels(root, folder):
    """A copy of a data set: the same lists, names, sizes and numbers of frames."""
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns("video_scan.json"))
    for number, path in enumerate(sorted((folder / "UCF-101").rglob("*_c01.avi"))):
        frames = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)
        write_video(path, tiny_frames(number, 2)[:1].repeat(int(frames), axis=0))
    return folder


def shown(folder):
    """Name -> content of every file in a folder that is no lock.

    Without what says when an evaluation was made, and how long it took, which no second
    one repeats.
    """
    others = (".lock", "evaluation_timing.json", "report.html")
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.name not in others
    }


def test_other_pixels_are_other_videos(trained_run, root, tmp_path):
    """Under the same names, of the same sizes and lengths."""
    workdir, other = tmp_path / "run", other_pixels(root, tmp_path / "other")
    shutil.copytree(trained_run, workdir)
    before = shown(workdir)
    trained = opened(workdir, root=other)
    result = evaluate.evaluate(trained, workdir, RunFolder(workdir))
    assert (
        workdir / f"evaluation-videos{result['test_fingerprint'][:8]}.json"
    ).exists()
    assert before.items() <= shown(workdir).items()
    own = json.loads(before["evaluation.json"])
    assert own["test_fingerprint"] != result["test_fingerprint"]
    assert own["videos"] == result["videos"]


def test_the_same_videos_in_another_order_are_the_same(trained_run, root, tmp_path):
    workdir, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(trained_run, workdir)
    shutil.copytree(root, other)
    path = other / "ucfTrainTestlist" / "testlist01.txt"
    path.write_text("\n".join(reversed(path.read_text().split("\n"))))
    names = shown(workdir).keys()
    before = json.loads((workdir / "evaluation.json").read_text())
    result = evaluate.evaluate(opened(workdir, root=other), workdir, RunFolder(workdir))
    assert shown(workdir).keys() == names
    assert result["test_fingerprint"] == before["test_fingerprint"]


def test_a_result_of_an_earlier_version_is_still_the_runs_own(trained_run, tmp_path):
    """It has another hash of the test videos, of the list and the scan only."""
    workdir = tmp_path / "run"
    shutil.copytree(trained_run, workdir)
    path, trained = workdir / "evaluation.json", opened(workdir)
    own = json.loads(path.read_text())
    clips = open_clips(trained.config.data, trained.config.views, seed=0)
    own["test_fingerprint"] = clips.identities.listed_fingerprint
    path.write_text(json.dumps(own))
    assert evaluate.own_suffix(RunFolder(workdir), trained, clips) == ""
    own["test_fingerprint"] = "0" * 64
    path.write_text(json.dumps(own))
    assert "-videos" in evaluate.own_suffix(RunFolder(workdir), trained, clips)


@pytest.mark.parametrize("other", ["step", "weights", "videos"])
def test_an_output_keeps_the_results_of_other_measurements(
    trained_run, root, tmp_path, other
):
    out = tmp_path / "out"
    evaluate.evaluate(opened(trained_run), out)
    before = shown(out)
    if other == "step":
        trained, named = opened(trained_run, step=6), "step 7 .now 6., weights_sha256 "
    elif other == "weights":
        export(trained_run, tmp_path / "model", step=6)
        trained = opened(handle=tmp_path / "model", root=root)
        named = "weights_sha256 .{8}… .now .{8}…."
    else:
        trained = opened(trained_run, root=other_pixels(root, tmp_path / "other"))
        named = "another measurement: test_fingerprint"
    with pytest.raises(ConfigError, match=f"{named}.*another --output"):
        evaluate.evaluate(trained, out)
    assert shown(out) == before
    evaluate.evaluate(opened(trained_run), out)
    assert shown(out) == before


@pytest.mark.parametrize("path", ["file", "file/below/it", "link"])
def test_an_output_must_be_a_folder(tmp_path, path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="--output must be a folder.*/(file|link) is"):
        evaluate.require_folder(tmp_path / path)
    evaluate.require_folder(tmp_path / "new" / "folder")


def test_an_output_that_cannot_be_written_costs_no_evaluation(
    trained_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluate, "Evaluator", None)
    (tmp_path / "out" / ".lock").mkdir(parents=True)
    with pytest.raises(StorageError, match="out must be writable"):
        evaluate.evaluate(opened(trained_run), tmp_path / "out")


def test_results_of_another_protocol_are_not_overwritten(trained_run, tmp_path):
    evaluate.evaluate(opened(trained_run), tmp_path)
    before = (tmp_path / "evaluation.json").read_bytes()
    views = Views(clips=1, crops=1)
    with pytest.raises(
        ConfigError, match="another measurement: clips 3 .now 1..*--output"
    ):
        evaluate.evaluate(opened(trained_run, views=views), tmp_path)
    assert (tmp_path / "evaluation.json").read_bytes() == before
