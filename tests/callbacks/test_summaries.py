"""TensorBoard shows each step once, whatever happened to the run or the disk."""

import dataclasses
import json
import os
import shutil
import time

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.data import provider, server_ingester
from tensorboard.util.grpc_util import ChannelCredsType

from callbacks.introduction import text_value
from callbacks.summaries import Summaries
from configs import demo
from storage.rows import Rows
from tests.callbacks.events import scalars, shown


def by_the_data_server(path):
    """What the server shows that TensorBoard starts by itself where it can."""
    try:
        binary = server_ingester.get_server_binary()
    except server_ingester.NoDataServerError as error:
        pytest.skip(f"TensorBoard has no data server here: {error}")
    ingester = server_ingester.SubprocessServerDataIngester(
        server_binary=binary,
        logdir=str(path.parent),
        reload_interval=0,
        channel_creds_type=ChannelCredsType.LOCAL,
    )
    ingester.start()
    found = {}
    end = time.monotonic() + 300
    while not found:  # It answers before it has read.
        assert time.monotonic() < end
        found = ingester.data_provider.read_scalars(
            None,
            experiment_id="",
            plugin_name="scalars",
            downsample=1000,
            run_tag_filter=provider.RunTagFilter(runs=[path.name]),
        )
    ingester._stdin_handle.close()  # Which ends it.
    for tag, curve in found[path.name].items():
        yield from ((tag, point.step, point.value) for point in curve)


def by_the_older_reader(path):
    """What scripts see that use the reader which TensorBoard itself had before."""
    events = EventAccumulator(str(path), size_guidance={"scalars": 0})
    events.Reload()
    for tag in events.Tags()["scalars"]:
        yield from ((tag, point.step, point.value) for point in events.Scalars(tag))


READERS = {
    "TensorBoard": scalars,
    "data server": by_the_data_server,
    "older reader": by_the_older_reader,
}


class Curves:
    """Event files beside the rows they are made of, through starts and kills."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = {n: Rows(folder / n) for n in ("journal", "timing", "history")}
        self.introduced = 0
        self.config = demo.config()

    @property
    def path(self):
        return self.folder / "tb"

    @property
    def validation(self):
        return self.path / "validation"

    def introduce(self):
        self.introduced += 1
        return [text_value("options", "*")]

    def start(self, step):
        for rows in self.rows.values():
            rows.rewind(step)
        self.summaries = Summaries(
            self.path,
            step=step,
            **self.rows,
            config=self.config,
            introduce=self.introduce,
        )

    def train(self, *steps, run=1):
        for step in steps:
            row = {"step": step, "loss": step + run / 8}
            self.rows["journal"].append(row)
            self.summaries.on_train_batch_end(0, row)

    def end_epoch(self, step):
        row = {"step": step, "epoch": 0, "loss": 9.0, "top1": 0.5}
        self.rows["history"].append(row)
        self.summaries.after_epoch(row)

    def tear(self, count=7):
        """Cuts the newest file off within its last record, as a kill can."""
        newest = max(self.path.glob("*tfevents*"))
        os.truncate(newest, newest.stat().st_size - count)


@pytest.fixture
def curves(tmp_path):
    return Curves(tmp_path)


def losses(values):
    return [("loss", step, value) for step, value in values.items()]


def validated(*steps):
    return [("accuracy", step, 0.5) for step in steps]


@pytest.mark.parametrize("reader", READERS)
def test_every_step_is_shown_once_after_any_number_of_kills(curves, reader):
    curves.start(0)
    curves.train(1, 2)
    curves.summaries.sync()
    curves.end_epoch(2)
    curves.train(3, 4)
    curves.tear()
    for run in (2, 3, 4):  # Each gets one step further than the one before.
        curves.start(run)
        curves.train(*range(run + 1, 6), run=run)
        curves.summaries.step = run + 1
        curves.summaries.sync()
    curves.start(5)
    curves.end_epoch(5)
    read, expected = READERS[reader], {1: 1.125, 2: 2.125, 3: 3.25, 4: 4.375, 5: 5.5}
    assert sorted(read(curves.path)) == losses(expected)
    assert sorted(read(curves.validation)) == validated(2, 5)


def test_a_validation_that_was_not_written_before_the_kill_is_written(curves):
    curves.start(0)
    curves.train(1, 2)
    curves.summaries.sync()
    curves.rows["history"].append({"step": 2, "epoch": 0, "top1": 0.5})
    curves.start(2)
    assert sorted(scalars(curves.path)) == losses({1: 1.125, 2: 2.125})
    assert sorted(scalars(curves.validation)) == validated(2)


def test_a_restart_with_nothing_left_to_train_has_its_event_files(curves):
    curves.rows["journal"].append({"step": 1, "loss": 1.0})
    curves.start(1)
    assert list(scalars(curves.path)) == losses({1: 1.0})


def test_a_start_writes_what_comes_after_the_last_save_only(curves):
    curves.start(0)
    curves.train(*range(1, 1001))
    curves.summaries.sync()
    (first,) = curves.path.glob("*tfevents*")
    size = first.stat().st_size
    curves.start(1000)
    newest = max(curves.path.glob("*tfevents*"))
    assert newest != first and first.stat().st_size == size
    assert newest.stat().st_size < size / 100


def of_an_older_version(path):
    """What wrote all curves into one folder, under other tags."""
    shutil.rmtree(path / "validation")
    note = json.loads((path / "written.json").read_text())
    del note["form"]
    (path / "written.json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: shutil.rmtree(path),
        lambda path: max(path.glob("*tfevents*")).unlink(),
        lambda path: os.truncate(max(path.glob("*tfevents*")), 10),
        lambda path: (path / "written.json").write_text('{"step": -1, "files": {}}'),
        lambda path: (path / "written.json").write_text("{"),
        lambda path: (path / "written.json").unlink(),
        lambda path: (path / "validation" / "written.json").unlink(),
        of_an_older_version,
    ],
    ids=[
        *("folder", "file", "cut", "wrong note", "torn note", "no note"),
        *("no note of validations", "older version"),
    ],
)
def test_event_files_that_were_lost_are_made_from_the_journal(curves, damage):
    curves.start(0)
    curves.train(1, 2, 3)
    curves.summaries.sync()
    damage(curves.path)
    curves.path.mkdir(exist_ok=True)
    (curves.path / "notes.txt").write_text("mine")
    curves.start(3)
    assert (curves.path / "notes.txt").read_text() == "mine"
    assert sorted(scalars(curves.path)) == losses({1: 1.125, 2: 2.125, 3: 3.125})


REMOVED = {
    "folder": lambda path: shutil.rmtree(path),
    "file": lambda path: max(path.glob("*tfevents*")).unlink(),
    "validations": lambda path: shutil.rmtree(path / "validation"),
}


@pytest.mark.parametrize("removed", REMOVED)
def test_event_files_removed_under_a_run_are_back_by_the_end_of_the_epoch(
    curves, caplog, removed
):
    curves.start(0)
    curves.train(1, 2)
    curves.summaries.sync()
    curves.end_epoch(2)
    REMOVED[removed](curves.path)
    curves.train(3)
    curves.summaries.sync()
    assert "has been removed or cut off" in caplog.text
    curves.end_epoch(3)
    expected = losses({1: 1.125, 2: 2.125, 3: 3.125})
    assert sorted(scalars(curves.path)) == expected
    assert sorted(scalars(curves.validation)) == validated(2, 3)
    curves.summaries.sync()
    curves.start(3)
    assert sorted(scalars(curves.path)) == expected


def test_event_files_removed_before_a_kill_are_back_at_the_next_start(curves):
    """No note may say that a file is whole which is not there."""
    curves.start(0)
    curves.train(1, 2)
    curves.summaries.sync()
    shutil.rmtree(curves.path)
    curves.train(3)
    curves.summaries.sync()
    curves.start(3)
    assert sorted(scalars(curves.path)) == losses({1: 1.125, 2: 2.125, 3: 3.125})


def test_event_files_removed_during_the_evaluation_are_back_with_its_result(curves):
    curves.start(0)
    curves.train(1, 2)
    curves.summaries.sync()
    shutil.rmtree(curves.path)
    curves.summaries.show_result({"top1": 0.5}, curves.folder / "none.png")
    expected = [*losses({1: 1.125, 2: 2.125}), ("test/top1", 2, 0.5)]
    assert sorted(scalars(curves.path)) == expected


@pytest.fixture
def full_disk(monkeypatch):
    """A context in which nothing more can be written to event files."""

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    def full_disk():
        context = monkeypatch.context()
        patch = context.__enter__()
        patch.setattr("callbacks.event_files.EventFiles._write", fail)
        return context

    return full_disk


def test_curves_that_could_not_be_written_are_made_up_for(curves, full_disk, caplog):
    curves.start(0)
    curves.train(1)
    curves.summaries.sync()
    full = full_disk()
    curves.train(2)
    full.__exit__(None, None, None)
    curves.train(3)
    assert "The event files cannot be written" in caplog.text
    curves.end_epoch(3)
    assert sorted(scalars(curves.path)) == losses({1: 1.125, 2: 2.125, 3: 3.125})
    assert sorted(scalars(curves.validation)) == validated(3)


def test_what_a_full_disk_cost_is_made_up_for_after_a_kill(curves, full_disk):
    """Also where the last note is of a step behind that of the checkpoint."""
    curves.start(0)
    curves.train(1, 2, 3, 4)
    curves.summaries.sync()
    curves.start(1)  # Killed before the checkpoint of step 4 was whole.
    full = full_disk()
    curves.train(2, 3, 4, 5, run=2)
    curves.summaries.sync()
    full.__exit__(None, None, None)
    curves.start(5)
    expected = {1: 1.125, 2: 2.25, 3: 3.25, 4: 4.25, 5: 5.25}
    assert sorted(scalars(curves.path)) == losses(expected)


def test_a_disk_that_stays_full_costs_the_result_nothing_but_its_points(
    curves, full_disk, monkeypatch
):
    def no_new_file(files, step):
        files._close()
        raise OSError(28, "No space left on device")

    picture = curves.folder / "confusion_matrix.png"
    curves.start(0)
    curves.train(1)
    curves.summaries.sync()
    full = full_disk()
    curves.train(2)
    full.__exit__(None, None, None)
    with monkeypatch.context() as patch:
        patch.setattr("callbacks.event_files.EventFiles.begin", no_new_file)
        curves.summaries.show_result({"top1": 0.25}, picture)
    assert sorted(scalars(curves.path)) == losses({1: 1.125})
    curves.summaries.show_result({"top1": 0.5}, picture)
    expected = [*losses({1: 1.125, 2: 2.125}), ("test/top1", 2, 0.5)]
    assert sorted(scalars(curves.path)) == expected


def test_files_are_read_in_the_order_of_starts_whatever_the_clock_says(
    curves, monkeypatch
):
    for run, clock in enumerate((2e9, 1e9, 1e9), start=1):  # Another host's is behind.
        monkeypatch.setattr("callbacks.event_files.time.time", lambda now=clock: now)
        curves.start(0)
        curves.train(1, 2, run=run)
    assert sorted(scalars(curves.path)) == losses({1: 1.375, 2: 2.375})


def test_of_two_folders_the_one_that_is_behind_decides(curves, monkeypatch):
    """The disk was full between the two notes; the kill tore what was written again."""
    curves.start(0)
    curves.train(1, 2, 3, 4)
    curves.summaries.sync()
    curves.end_epoch(4)
    curves.train(5, 6)
    full = OSError(28, "No space left on device")

    def fail(step):
        raise full

    monkeypatch.setattr(curves.summaries.validation, "sync", fail)
    curves.summaries.sync()
    curves.start(6)
    curves.tear()
    curves.start(6)
    expected = {step: step + 0.125 for step in range(1, 7)}
    assert sorted(scalars(curves.path)) == losses(expected)
    assert sorted(scalars(curves.validation)) == validated(4)


def test_a_run_is_introduced_once(curves):
    curves.start(0)
    curves.train(1)
    curves.start(0)  # Killed before its first save.
    curves.train(1, 2)
    curves.summaries.sync()
    assert curves.introduced == 2
    curves.start(2)
    assert curves.introduced == 2
    assert list(shown(curves.path, "text")) == [("options", 0, [b"*"])]


def test_where_nothing_is_validated_no_folder_says_so(curves):
    data = dataclasses.replace(curves.config.data, validation="none")
    curves.config = dataclasses.replace(curves.config, data=data)
    curves.start(0)
    curves.train(1)
    curves.summaries.after_epoch({"step": 1, "epoch": 0, "loss": 9.0})
    curves.summaries.sync()
    assert not curves.validation.exists()
    curves.start(1)
    assert list(scalars(curves.path)) == losses({1: 1.125})


def test_times_and_rates_of_groups_are_curves_of_their_own(curves):
    optimizer = dataclasses.replace(
        curves.config.optimizer, backbone_lr_multiplier=0.25
    )
    curves.config = dataclasses.replace(curves.config, optimizer=optimizer)
    curves.start(0)
    row = {"step": 1, "seconds": 2.0, "data_wait": 0.5}
    curves.rows["timing"].append(row)
    curves.summaries.after_timing(row)
    curves.summaries.after_step(1, {"learning_rate": 0.5})
    expected = [
        ("learning_rate", 1, 0.5),
        ("learning_rate/backbone", 1, 0.125),
        ("time/clips_per_second", 1, curves.config.data.batch_size / 2),
        ("time/data_wait_seconds", 1, 0.5),
        ("time/seconds_per_step", 1, 2.0),
    ]
    assert sorted(scalars(curves.path)) == expected
    curves.rows["journal"].append({"step": 1, "learning_rate": 0.5})
    curves.start(1)
    assert sorted(scalars(curves.path)) == expected


def test_a_result_that_is_measured_again_takes_the_place_of_the_first(curves):
    curves.start(0)
    curves.train(1, 2)
    curves.summaries.sync()
    picture = curves.folder / "confusion_matrix.png"
    for top1 in (0.25, 0.5):
        curves.summaries.show_result({"top1": top1, "loss": None}, picture)
        curves.start(2)
    curves.summaries.show_result({"top1": 0.75, "loss": 2.0}, picture)
    assert sorted(scalars(curves.path)) == [
        *losses({1: 1.125, 2: 2.125}),
        ("test/loss", 2, 2.0),
        ("test/top1", 2, 0.75),
    ]
