"""The commands as a user types them."""

import json
import os
import re
import subprocess
import sys

import pytest

from storage.lock import locked

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

    def command(*arguments, code=0):
        result = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=repository,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result

    return command


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

    with locked(tmp_path / "one"):
        output = f"--output={tmp_path / 'one'}"
        refused = command("evaluate.py", f"--workdir={workdir}", output, code=7)
    assert "is being written by" in refused.stderr

    one_view = ("--views.clips=1", "--views.crops=1")
    result = command("evaluate.py", f"--workdir={workdir}", *one_view)
    assert "(7 test videos, 1 views each)" in result.stdout
    assert "written as evaluation-1x1.json" in result.stderr
    assert json.loads((workdir / "evaluation-1x1.json").read_text())["views"] == 1
    assert json.loads((workdir / "evaluation.json").read_text())["views"] == 6

    video = next((tiny_root / "UCF-101" / "Rise").glob("*.avi"))
    newest = json.loads((workdir / "evaluation.json").read_text())["step"]
    step = f"--step={newest}"
    cache = f"--tfhub_cache_dir={tmp_path}"  # Defined by a library, once imported.
    predict = ("predict.py", f"--workdir={workdir}", cache, step, video, "--top=2")
    result = command(*predict)
    lines = result.stdout.splitlines()
    assert lines[0] == str(video) and len(lines) == 3
    assert {line.split()[1] for line in lines[1:]} <= {"Fall", "Rise", "Slide"}


@pytest.mark.parametrize("entry_point", ["train.py", "evaluate.py", "predict.py"])
def test_help_lists_every_field(command, entry_point):
    # absl ends --help with 1.
    text = command(entry_point, "--help", code=1).stdout
    for name in ("--workdir", "--data.batch_size", "--model.handle"):
        assert name in text
    # What measures takes the config of what it measures.
    assert ("--config" in text) == (entry_point == "train.py")
    assert "an integer" in text


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("train.py", 1),
        ("evaluate.py", 1),
        ("predict.py", 1),
        ("export.py", 1),
        ("check.py", 1),
        ("-m data.show", 1),
        ("-m data.scan", 0),
        ("-m data.synthetic", 0),
    ],
)
def test_help_does_not_wait_for_tensorflow(command, program, code):
    """Whose import takes seconds; -X importtime names all that is imported."""
    result = command("-X", "importtime", *program.split(), "--help", code=code)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "numpy" in imported or "absl" in imported
    assert not imported & {"tensorflow", "tf_keras", "tensorflow_datasets"}


def test_evaluating_a_run_that_is_not_there_makes_no_folder(command, tmp_path):
    result = command("evaluate.py", f"--workdir={tmp_path / 'typo'}", code=2)
    assert "holds no config.json" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_is_a_usage_error(command, tmp_path):
    (tmp_path / "mine").write_text("mine")
    output = f"--output={tmp_path}/mine"
    result = command("evaluate.py", f"--workdir={tmp_path}", output, code=2)
    assert (
        f"--output must be a folder, or a path where one can be; {tmp_path}/mine"
        in (result.stderr)
    )


def test_a_mistake_in_a_flag_does_not_wait_for_tensorflow(command):
    result = command("-X", "importtime", "train.py", "--epoch=3", code=2)
    assert "Did you mean" in result.stderr and "| tensorflow\n" not in result.stderr


@pytest.mark.parametrize("program", ["evaluate.py", "predict.py"])
def test_another_experiment_is_not_passed_over(command, program):
    result = command(program, "--workdir=run", "--config=demo", code=2)
    assert "Unknown command line flag 'config'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("program", ["train.py", "evaluate.py", "-m data.show"])
def test_an_option_without_dashes_does_not_wait_for_tensorflow(command, program):
    options = ("--workdir=x", "data.root=X")
    result = command("-X", "importtime", *program.split(), *options, code=2)
    assert "Did you mean --data.root=X?" in result.stderr
    assert "| tensorflow\n" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--config=dmo", "--workdir=x"), 2, "--config must be one of demo"),
        (("--config=demo",), 2, "--workdir"),
        (("--config=demo", "--workdir=x", "--epoch=3"), 2, "Unknown.*epochs"),
        (("--config=ucf101_mini", "--workdir=x", "--data.root=none"), 3, "none"),
    ],
    ids=["experiment", "workdir", "flag", "data"],
)
def test_mistakes_end_in_one_line(command, tmp_path, arguments, code, message):
    arguments = [a.replace("--workdir=x", f"--workdir={tmp_path}/x") for a in arguments]
    errors = command("train.py", *arguments, code=code).stderr.splitlines()
    (line,) = [line for line in errors if "Error: " in line]
    assert re.search(message, line) and "Traceback" not in "".join(errors)
