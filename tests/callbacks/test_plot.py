import json
import subprocess
import sys

import numpy as np
import pytest

from callbacks.plot import curve, figure_of, main, names_of, read_run, steps_per_epoch
from storage.rows import Rows


def write_run(folder, epochs=2, steps=4, base=1.0):
    """A run with a loss of base / step, whose epochs have so many steps."""
    folder.mkdir(parents=True)
    journal, history = Rows(folder / "journal.jsonl"), Rows(folder / "history.jsonl")
    for step in range(1, epochs * steps + 1):
        row = {"step": step, "epoch": (step - 1) // steps, "loss": base / step}
        journal.append(row | {"accuracy": 0.5, "learning_rate": 1e-3 / step})
        if step % steps == 0:
            row = {"epoch": step // steps - 1, "step": step, "loss": 1.0}
            history.append(row | {"validation_loss": 0.25 * step, "top1": 0.75})
    return folder


def test_a_short_epoch_shows_each_of_its_steps(tmp_path):
    journal, history = read_run(write_run(tmp_path / "run"))
    assert steps_per_epoch(journal, history) == 4
    epochs, losses = curve(journal, history, "loss")
    np.testing.assert_allclose(epochs, np.arange(1, 9) / 4)
    np.testing.assert_allclose(losses, 1 / np.arange(1, 9))


def test_a_long_epoch_is_averaged_over_tenths(tmp_path):
    journal, history = read_run(write_run(tmp_path / "run", epochs=1, steps=40))
    epochs, losses = curve(journal, history, "loss")
    by_hand = (1 / np.arange(1, 41)).reshape(10, 4).mean(axis=1)
    np.testing.assert_allclose(losses, by_hand)
    np.testing.assert_allclose(epochs, (np.arange(10) * 4 + 2.5) / 40)


def test_validations_are_dots_at_the_ends_of_epochs(tmp_path):
    runs = {"one": read_run(write_run(tmp_path / "one"))}
    runs["two"] = read_run(write_run(tmp_path / "two", base=3.0))
    panels = figure_of(runs).get_axes()
    assert [axes.get_title() for axes in panels] == [
        *("loss, dots: validation loss", "accuracy, dots: top1", "learning rate")
    ]
    loss = panels[0].get_lines()
    assert [line.get_label() for line in loss[::2]] == ["one", "two"]
    assert loss[0].get_color() == loss[1].get_color() != loss[2].get_color()
    assert list(loss[1].get_xdata()) == [1, 2]
    assert list(loss[1].get_ydata()) == [1.0, 2.0]
    assert len(panels[2].get_lines()) == 2  # There is no rate of a validation.


def test_a_run_in_its_first_epoch_is_drawn(tmp_path):
    folder = write_run(tmp_path / "run", epochs=1, steps=6)
    (folder / "history.jsonl").unlink()
    journal, history = read_run(folder)
    assert not history and steps_per_epoch(journal, history) == 6
    assert main([str(folder), f"--output={tmp_path / 'a.svg'}"]) == 0
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_runs_are_called_by_their_folders(tmp_path):
    paths = [tmp_path / name for name in ("a/run", "b/run", "c/$x$")]
    assert names_of(paths) == ["a/run", "b/run", "c/$x$"]
    assert names_of(paths[1:]) == ["run", "$x$"]
    assert names_of([paths[0], paths[0]]) == ["run", "run"]


@pytest.mark.parametrize("ending", ["png", "pdf", "SVG"])
def test_the_ending_says_the_format(tmp_path, ending):
    folder = write_run(tmp_path / "run")
    assert main([str(folder), str(folder), f"--output={tmp_path / 'x'}.{ending}"]) == 0
    start = (tmp_path / f"x.{ending}").read_bytes()[:9]
    marks = {"png": b"\x89PNG", "pdf": b"%PDF", "SVG": b"<?xml"}
    assert start.startswith(marks[ending])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["TMP/none"], 2, "none has no journal"),
        (["TMP/run", "--output=TMP/x.gif"], 2, "must end in .png"),
        (["TMP/run", "--output=TMP/run/journal.jsonl/x.png"], 6, "could not be"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, capsys, arguments, code, message):
    write_run(tmp_path / "run")
    assert main([a.replace("TMP", str(tmp_path)) for a in arguments]) == code
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_it_does_not_wait_for_tensorflow(tmp_path, repository):
    folder = write_run(tmp_path / "run")
    (folder / "journal.jsonl").open("a").write(json.dumps({"step": 9})[:5])  # torn
    output = f"--output={tmp_path / 'curves.png'}"
    command = ["-X", "importtime", "-m", "callbacks.plot", str(folder), output]
    done = subprocess.run(
        [sys.executable, *command], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout == f"{tmp_path / 'curves.png'}\n"
    assert "| tensorflow" not in done.stderr
