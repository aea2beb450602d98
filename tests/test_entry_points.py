"""The commands as a user types them."""

import csv
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from data.decoding.inspect import inspect_video
from data.decoding.write import write_video
from storage.lock import locked
from tests.conftest import tiny_frames
from tests.whole_runs import rows

TINY = (
    "--data.frames=8",
    "--data.size=32",
    "--data.batch_size=4",
    "--epochs=2",
    "--optimizer.warmup_epochs=0.5",
    "--model.embed_dim=8",
    "--model.num_heads=1,2",
    "--views.crops=3",
    "--views.batch_size_per_replica=3",
)


@pytest.fixture(scope="module")
def command(repository):
    """Runs an entry point in a process of its own."""

    def command(*arguments, code=0, text_in=None):
        result = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=repository,
            input=text_in,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result

    return command


def test_own_videos_in_four_commands(command, tmp_path):
    """A folder of MP4 files in class folders, and nothing else."""
    videos, run = tmp_path / "my videos", tmp_path / "run"
    for number in range(24):
        name = ("fall", "rise")[number % 2]
        path = videos / name / f"take{number // 2}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, tiny_frames(number, number % 2), codec="mp4v")
    trained = command(*trained_on(videos, run))
    assert "2 classes; 18 videos to train, 2 to validate, 4 to test" in trained.stderr
    assert f"{run}: top-1 " in trained.stdout
    assert {row["validation"] for row in rows(run, "history")} == {"split"}
    evaluated = command("evaluate.py", f"--workdir={run}", "--step=best")
    assert "(4 test videos, 12 views" in evaluated.stdout
    command("export.py", f"--workdir={run}", tmp_path / "exported")
    path = videos / "rise" / "take0.mp4"
    predicted = command("predict.py", f"--model.handle={tmp_path / 'exported'}", path)
    assert "rise" in predicted.stdout and "fall" in predicted.stdout


def trained_on(videos, run):
    """The command that trains a small model on a folder of videos."""
    small = ("--model.depths=1,1", "--model.window_size=2,4,4", "--runtime.replicas=1")
    own = ("train.py", "--config=own_videos", f"--data.root={videos}")
    return *own, f"--workdir={run}", *TINY, *small


def test_real_clips_in_four_commands_and_ten_more(command, shared, tmp_path):
    """Clips of UCF101 as a plain folder: groups stay whole, and no video moves."""
    found = sorted((shared / "ucf101_mini").rglob("*.avi"))
    videos, run = tmp_path / "videos", tmp_path / "run"

    def put(paths):
        for path in paths:
            target = videos / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)

    put(found[:-10])
    trained = command(*trained_on(videos, run), "--epochs=1")
    split = (videos / "split.csv").read_text().splitlines()
    assert len(split) == 1 + len(found) - 10
    before = (run / "evaluation.json").read_bytes()
    put(found[-10:])
    evaluated = command("evaluate.py", f"--workdir={run}")
    assert "10 videos were added since the run began" in evaluated.stderr
    # The same number, of the same videos.
    assert evaluated.stdout == trained.stdout
    assert (run / "evaluation.json").read_bytes() == before
    command("-m", "data.check", videos)
    grown = (videos / "split.csv").read_text().splitlines()
    assert set(split) < set(grown) and len(grown) == 1 + len(found)
    command("export.py", f"--workdir={run}", tmp_path / "exported")
    lines = command("predict.py", tmp_path / "exported", *found[:2], "--csv").stdout
    assert len(lines.splitlines()) == 3


def test_train_then_again_then_evaluate_then_predict(command, tiny_root, tmp_path):
    workdir = tmp_path / "run"
    train = ("train.py", "--config=demo", f"--data.root={tiny_root}", *TINY)
    first = command(*train, f"--workdir={workdir}")
    assert (
        f"{workdir}: top-1 " in first.stdout
        and "(7 test videos, 6 views" in first.stdout
    )
    assert "Strategy: MirroredStrategy on 2 devices (CPU:0, CPU:1)" in first.stderr
    assert "backbone, norms and position biases: " in first.stderr
    journal = (workdir / "journal.jsonl").read_bytes()

    again = command(*train, f"--workdir={workdir}")
    assert again.stdout == first.stdout
    assert "step 1/" not in again.stderr
    assert (workdir / "journal.jsonl").read_bytes() == journal

    refused = command(*train, f"--workdir={workdir}", "--seed=5", code=2)
    assert "seed (was 0, received 5)" in refused.stderr
    assert_logged(workdir)

    with locked(tmp_path / "one"):
        output = f"--output={tmp_path / 'one'}"
        refused = command("evaluate.py", f"--workdir={workdir}", output, code=7)
    assert "is being written by" in refused.stderr

    # Three replicas do not divide the batches of the training.
    one_view = ("--views.clips=1", "--views.crops=1", "--runtime.replicas=3")
    result = command("evaluate.py", f"--workdir={workdir}", *one_view)
    assert "Strategy: MirroredStrategy on 3 devices" in result.stderr
    assert "(7 test videos, 1 view each)" in result.stdout
    assert "written as evaluation-1x1.json" in result.stderr
    assert json.loads((workdir / "evaluation-1x1.json").read_text())["views"] == 1
    assert json.loads((workdir / "evaluation.json").read_text())["views"] == 6

    video = next((tiny_root / "UCF-101" / "Rise").glob("*.avi"))
    newest = json.loads((workdir / "evaluation.json").read_text())["step"]
    step = f"--step={newest}"
    cache = f"--tfhub_cache_dir={tmp_path}"  # Defined by a library, once imported.
    explain = f"--explain={tmp_path / 'why.png'}"
    predict = ("predict.py", f"--workdir={workdir}", cache, step, video, "--top=2")
    result = command(*predict, explain, "--runtime.replicas=3")
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    lines = result.stdout.splitlines()
    assert lines[0] == str(video) and len(lines) == 3
    assert {line.split()[1] for line in lines[1:]} <= {"Fall", "Rise", "Slide"}
    assert_predicts_what_was_evaluated(command, workdir, tiny_root / "UCF-101")
    (tmp_path / "bad.avi").write_text("no video")
    assert_tells_of_bad_files(command, workdir, tmp_path / "bad.avi", video)
    assert_slides(command, workdir, video, tmp_path)


def assert_logged(workdir):
    """Two starts; what is refused before it begins has no line there."""
    one, two = (workdir / "log.txt").read_text().split("\ntrain.py ")[1:]
    assert all(f"--workdir={workdir}" in start for start in (one, two))
    assert re.search(r"^\d{4}-\d\d-\d\d [\d:]{8} From step 0 to 7;", one, re.MULTILINE)
    assert "epoch 2/2: loss" in one and "epoch 2/2: loss" not in two
    assert "The run has finished at step 7" in two


def assert_predicts_what_was_evaluated(command, workdir, videos):
    """The probabilities of predictions.csv, to their six digits."""
    result = command("predict.py", workdir, videos, "--csv", "--top=3")
    found = list(csv.DictReader(result.stdout.splitlines()))
    assert len(found) == 20 and not any(row["error"] for row in found)
    found = {os.path.relpath(row["video"], videos): row for row in found}
    with (workdir / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    for row in rows:
        mine = found[row["video"]]
        for n in (1, 2, 3):
            own = float(mine[f"probability_{n}"])
            assert own == pytest.approx(float(row[mine[f"class_{n}"]]), rel=1e-4)
        assert mine["class_1"] == row["prediction"]


def assert_tells_of_bad_files(command, workdir, bad, video):
    names = f"{bad}\n{video}\n{bad.parent / 'gone.avi'}\n"
    result = command(
        *("predict.py", f"--workdir={workdir}", "-", "--json", "--top=1"),
        code=3,
        text_in=names,
    )
    first, good, last = map(json.loads, result.stdout.splitlines())
    assert [line["video"] for line in (first, good, last)] == names.splitlines()
    assert "no video" in first["error"] and "No such file" in last["error"]
    assert [list(row) for row in good["predictions"]] == [
        ["class", "label", "probability"]
    ]
    assert "2 of 3 videos could not be predicted" in result.stderr
    assert f"{bad} holds no video" in result.stderr
    result = command("predict.py", workdir, "gone.avi", "--json", code=3)
    [line] = map(json.loads, result.stdout.splitlines())
    assert line["video"] == "gone.avi" and "No such file" in line["error"]


def assert_slides(command, workdir, video, folder):
    """Over 9 to 15 frames, by clips of eight: the last one ends with the video."""
    names = {
        **{"timeline": "t.png", "annotate": "a.mp4"},
        **{"features": "f.npz", "features_map": "m.npz"},
    }
    written = [f"--{name}={folder / file}" for name, file in names.items()]
    line = "--data.frame_interval=1", "--stride=1", "--json", "--top=2", *written
    result = command("predict.py", workdir, video, *line)
    windows = json.loads(result.stdout)["windows"]
    assert [w["first_frame"] for w in windows] == list(range(len(windows)))
    assert all(w["last_frame"] == w["first_frame"] + 7 for w in windows)
    assert (folder / "t.png").read_bytes().startswith(b"\x89PNG")
    with np.load(folder / "f.npz") as file:
        assert file["features"].shape == (len(windows), 16)
        pooled = file["features"]
    with np.load(folder / "m.npz") as file:
        assert file["features"].shape == (3 * len(windows), 4, 4, 4, 16)
        assert (
            file["first_frame"].tolist() == np.repeat(range(len(windows)), 3).tolist()
        )
        means = file["features"].mean(axis=(1, 2, 3)).reshape(-1, 3, 16).mean(axis=1)
        np.testing.assert_allclose(means, pooled, rtol=1e-5, atol=1e-5)
    found = inspect_video(folder / "a.mp4")
    assert found["frames"] == windows[-1]["last_frame"] + 1


def test_a_dry_run_says_which_command_trains_and_writes_nothing(
    command, tiny_root, tmp_path
):
    before = sorted(tiny_root.rglob("*"))
    train = ("train.py", "--config=demo", f"--data.root={tiny_root}", *TINY)
    tried = command(*train, "--dry_run", f"--workdir={tmp_path / 'run'}")
    assert f"Dry run of {tmp_path / 'run'}: a new run" in tried.stdout
    own = " ".join(map(str, (*train, f"--workdir={tmp_path / 'run'}")))
    assert f"  python {own}\n" in tried.stdout
    assert f"Trying demo in {tmp_path / 'run'}: a new run." in tried.stderr
    assert "clips: 2 at once on each replica, whose memory is" in tried.stderr
    assert not list(tmp_path.iterdir())
    after = {path.name for path in {*tiny_root.rglob("*")} - {*before}}
    assert after <= {"video_scan.json"}


def test_a_run_goes_on_without_its_config_and_another_begins_with_it(
    command, tiny_root, tmp_path
):
    """By the command that the refusal to train it longer names."""
    workdir = tmp_path / "run"
    train = ("train.py", "--config=demo", f"--data.root={tiny_root}", *TINY)
    first = command(*train, f"--workdir={workdir}")
    alone = command("train.py", f"--workdir={workdir}")
    assert alone.stdout == first.stdout
    assert f"Training {workdir}: a run that has finished." in alone.stderr

    longer = ("train.py", f"--workdir={workdir}", "--epochs=3")
    refused = command(*longer, "--seed=5", code=2)
    assert "seed (was 0, received 5)" in refused.stderr
    way = re.search(r"(--init_from=\S+) --workdir=NEW\.", refused.stderr)[1]
    new = command(*longer, way, f"--workdir={tmp_path / 'new'}")
    assert f"a new run with the weights of step 7 of {workdir}." in new.stderr
    assert "; head: 3 classes kept." in new.stderr and "epoch 3/3" in new.stderr
    own = json.loads((tmp_path / "new" / "config.json").read_text())
    assert (own["epochs"], own["data"]["batch_size"]) == (3, 4)


@pytest.mark.parametrize("entry_point", ["train.py", "evaluate.py", "predict.py"])
def test_help_lists_every_field(command, entry_point):
    text = command(entry_point, "--help").stdout
    for name in ("--workdir", "--data.batch_size", "--model.handle"):
        assert name in text
    # What measures takes the config of what it measures.
    assert ("--config" in text) == (entry_point == "train.py")
    assert "an integer" in text


HEAVY = {"tensorflow", "tf_keras", "tensorflow_datasets", "matplotlib"}


def imported(lines):
    """What a program that was started with -X importtime had imported by then."""
    names = {line.rpartition("|")[2].strip() for line in lines}
    assert names & {"argparse", "absl"}  # They are names.
    return names


def test_a_config_that_is_dumped_is_read_back(command, tmp_path):
    """Flags replaced, without a --workdir and without TensorFlow."""
    dump = ("-X", "importtime", "train.py", "--dump_config", "--epochs=2")
    first = command(*dump, "--config=ucf101_hub", "--optimizer.learning_rate=3e-5")
    assert not imported(first.stderr.splitlines()) & HEAVY
    assert "        epochs=2,\n" in first.stdout
    assert "            learning_rate=3e-05,\n" in first.stdout
    assert "            warmup_epochs=None,\n" in first.stdout
    path = tmp_path / "dumped.py"
    path.write_text(first.stdout)
    again = command("train.py", "--dump_config", f"--config={path}")
    assert again.stdout == first.stdout


@pytest.mark.parametrize(
    "program",
    [
        "train.py",
        "evaluate.py",
        "predict.py",
        "export.py",
        "check.py",
        "-m data.show",
        "-m data.scan",
        "-m data.synthetic",
        "-m model.convert",
        "-m benchmarks.scaling",
        "-m benchmarks.step",
        "-m benchmarks.input",
        "-m benchmarks.precision",
    ],
)
def test_help_does_not_wait_for_tensorflow(command, program):
    """Whose import takes seconds; -X importtime names all that is imported."""
    result = command("-X", "importtime", *program.split(), "--help")
    assert not imported(result.stderr.splitlines()) & HEAVY


RUN = "train.py --workdir=TMP/run "
DEMO = RUN + "--config=demo "


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (DEMO + "--epoch=3", 2, "Did you mean"),
        (DEMO + "--batch_size=8", 2, "'batch_size'. Did you mean --data.batch_size=…"),
        (DEMO + "--lr=1", 2, "'lr'. Did you mean --optimizer.learning_rate=…"),
        (DEMO + "data.root=X", 2, "Did you mean --data.root=X"),
        ("train.py --config=demo", 2, "workdir must be given"),
        (RUN, 2, "--config must be given where no run has begun; TMP/run/config.json"),
        (RUN + "--config=TMP/config.json", 2, "received 'TMP/config.json'"),
        (RUN + "--init_from=TMP/run@best", 2, "received 'TMP/run', which holds no"),
        (DEMO + "--data.root=ROOT --init_from=TMP", 2, "'TMP', which holds no config"),
        (DEMO + "--init_head=false", 2, "init_head must be true where init_from is"),
        ("-m data.show --workdir=TMP/run", 2, "--config must be given"),
        (RUN + "--config=dmo", 2, "--config must be one of demo"),
        (RUN + "--config=TMP/absent.py", 2, "received 'TMP/absent.py'"),
        (RUN + "--config=TMP/fails.py", 2, "fails.py line 1: ZeroDivisionError"),
        (DEMO + "--flagfile=TMP/absent", 2, "cannot be read: No such file"),
        (DEMO + "--data.split=x", 2, "must be an integer; received 'x'"),
        (DEMO + "--data.split=4", 2, r"must be in \[1, 3\]; received 4"),
        (DEMO + "--optimizer.warmup_epochs=99", 2, "must be below epochs=18"),
        (DEMO + "--runtime.replicas=3", 2, r"replica counts .*\[1, 2, 4, 8\]"),
        (DEMO + "--runtime.cluster=slurm", 2, "needs a process that srun started"),
        ("train.py --config=demo --workdir=TMP/file", 2, "must be a folder"),
        (DEMO + "--data.root=TMP/absent", 3, "data.root must be a directory"),
        (DEMO + "--dry_run --data.root=TMP/absent", 3, "data.root must be a directory"),
        (DEMO + "--dry_run --data.split=4", 2, r"must be in \[1, 3\]; received 4"),
        (DEMO + "--data.root=TMP", 3, "UCF101's lists come in an archive"),
        (DEMO + "--data.root=ROOT --model.handle=TMP/absent", 2, "is not there"),
        (
            DEMO + "--data.root=ROOT --model.handle=https://x.org/swin.pth",
            2,
            "python -m model.convert swin.pth converted/swin",
        ),
        ("evaluate.py", 2, "--workdir must name a run"),
        ("evaluate.py --workdir=TMP/absent", 2, "holds no config.json"),
        ("evaluate.py --workdir=TMP --output=TMP/file", 2, "--output must be a folder"),
        ("evaluate.py --model.handle=TMP/absent --output=TMP/x", 2, "is not there"),
        ("predict.py --workdir=TMP", 2, "needs a model and at least one video"),
        ("predict.py TMP", 2, "received 'TMP' alone"),
        ("predict.py --workdir=TMP VIDEO --json --csv", 2, "exclude one another"),
        ("predict.py TMP VIDEO --timeline=TMP/a.png", 2, "--stride must be given"),
        ("predict.py TMP VIDEO --stride=0", 2, "stride"),
        ("predict.py TMP VIDEO --stride=9 --explain=TMP/a.png", 2, "without --stride"),
        ("predict.py TMP VIDEO --stride=9 --annotate=TMP/file", 2, "ends in .mp4"),
        ("predict.py TMP VIDEO --features=TMP", 2, "--features must be a file"),
        ("predict.py TMP VIDEO --explain=TMP/there.png", 2, "must not exist yet"),
        ("predict.py TMP VIDEO --features=TMP/file/x.npz", 2, "must lie in a folder"),
        ("predict.py --workdir=TMP VIDEO", 2, "holds no config.json"),
        ("predict.py --model.handle=TMP absent.avi", 3, "there is no such file"),
        (
            "predict.py TMP file --features=TMP/a.npz --features_map=TMP/./a.npz",
            2,
            "--features_map must be another file than --features; both are ",
        ),
        ("predict.py --top=0", 2, "top"),
        ("predict.py --model.handle=TMP --step=3 VIDEO", 2, "a SavedModel has none"),
        ("evaluate.py --workdir=TMP --step=good", 2, "must be a step, best or last"),
        ("export.py --workdir=TMP", 2, "export.py takes OUTPUT"),
        ("export.py --workdir=TMP TMP/file", 2, "must not exist yet"),
        ("export.py --workdir=TMP TMP/new", 2, "holds no config.json"),
        ("check.py --steps=1", 2, "steps"),
        ("check.py --data.root=TMP/absent", 3, "data.root must be a directory"),
        (
            "-m data.show --config=demo --workdir=TMP/x --data.root=TMP/no",
            3,
            "data.root",
        ),
        ("-m model.convert", 2, "takes CHECKPOINT and OUTPUT"),
        ("-m model.convert TMP/absent TMP/new", 2, "there is no 'TMP/absent'"),
        ("-m model.convert TMP/file TMP/fails.py", 2, "must not exist yet"),
        ("-m model.convert --clip=x TMP/file TMP/new", 2, "--clip must be frames"),
        ("-m benchmarks.scaling --config=demo", 2, "--link must be given"),
        ("-m benchmarks.step --steps=x", 2, "steps"),
        ("-m benchmarks.step --clip=32", 2, "--clip must be frames x size"),
        ("-m benchmarks.step --peer=TMP", 2, "holds no mmaction/models"),
        ("-m benchmarks.step --keras_peer=TMP", 2, "holds no videoswin/backbone.py"),
        ("-m benchmarks.input --root=TMP/absent", 2, "data.root must be a directory"),
        ("-m benchmarks.precision", 2, "--root"),
        ("-m data.scan TMP/absent", 3, "data.root must be a directory"),
    ],
)
def test_mistakes_do_not_wait_for_tensorflow(
    command, tiny_root, tmp_path, line, code, message
):
    before = {"file": "", "there.png": "", "fails.py": "1 / 0"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    line = line.replace("TMP", str(tmp_path)).replace("ROOT", str(tiny_root))
    result = command("-X", "importtime", *line.split(), code=code)
    assert not imported(result.stderr.splitlines()) & HEAVY
    said = [x for x in result.stderr.splitlines() if not x.startswith("import time:")]
    assert re.search(message.replace("TMP", str(tmp_path)), " ".join(said))
    assert "Traceback" not in result.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_run_is_told_of_at_once_and_nothing_else_is_until_it_begins(
    command, tiny_root, tmp_path
):
    """Its first line precedes TensorFlow's import, none of whose notices is shown."""
    train = ("train.py", "--config=demo", *TINY, f"--data.root={tiny_root}")
    train += (f"--workdir={tmp_path / 'run'}",)
    begins = f"Training demo in {tmp_path / 'run'}: a new run."
    with locked(tmp_path / "run"):
        result = command(*train, code=7)
        # Its lines come in pieces, between which others may stand: apart from these.
        timed = command("-X", "importtime", *train, code=7).stderr.splitlines()
    first, last = result.stderr.splitlines()
    assert begins in first and "LockedError" in last
    [begin] = [number for number, line in enumerate(timed) if begins in line]
    assert not imported(timed[:begin]) & HEAVY
    assert "tensorflow" in imported(timed)


def test_evaluating_a_run_that_is_not_there_makes_no_folder(command, tmp_path):
    result = command("evaluate.py", f"--workdir={tmp_path / 'typo'}", code=2)
    assert "holds no config.json" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["evaluate.py", "predict.py"])
def test_another_experiment_is_not_passed_over(command, program):
    result = command(program, "--workdir=run", "--config=demo", code=2)
    assert "Unknown command line flag 'config'" in result.stderr
    assert "Traceback" not in result.stderr
