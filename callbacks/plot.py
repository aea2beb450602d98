"""Draws the curves of runs into one picture.

    python -m callbacks.plot runs/one runs/two
    python -m callbacks.plot runs/one --output=curves.svg

Loss, accuracy and learning rate over the epochs; each run has a colour and the name of
its folder. What the journal holds of each step is averaged over a tenth of an epoch;
validations are dots on a dashed line. A run that still trains may be drawn as well.
"""

import argparse
import io
import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from configs.command.errors import ConfigError, RunError
from configs.command.streams import produce, protect
from configs.command.text import say
from configs.schema.paths import expand_path
from storage.files import write_atomically
from storage.pictures import drawn_as_they_are, label
from storage.rows import Rows

FORMATS = (".png", ".svg", ".pdf")
PARTS = 10  # points of an epoch, at most
DPI = 120
# Title, of the journal and of the history.
PANELS = (
    ("loss", "loss", "validation_loss"),
    ("accuracy", "accuracy", "top1"),
    ("learning rate", "learning_rate", None),
)


def read_run(folder):
    """The rows of a run.

    Args:
        folder: `Path` of the run.

    Returns:
        (rows of the journal, rows of the history), as dicts.

    Raises:
        ConfigError: it is no run, or has not made a step.
        StorageError: a file cannot be read.
    """
    journal = Rows(folder / "journal.jsonl").read()
    if not journal:
        raise ConfigError(f"RUN must be a run that has begun; {folder} has no journal.")
    return journal, Rows(folder / "history.jsonl").read()


def curve(journal, history, name):
    """What the journal says, averaged over parts of an epoch.

    Args:
        journal: rows of the journal.
        history: rows of the history, which tell how long epochs are.
        name: of the value.

    Returns:
        (epochs, values): float arrays; epochs count from 0 at the start of the run.
    """
    steps = np.array([row["step"] for row in journal if name in row], float)
    values = np.array([row[name] for row in journal if name in row], float)
    epochs = steps / steps_per_epoch(journal, history)
    part = np.ceil(epochs * PARTS).astype(int)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    counts = np.diff(np.append(starts, len(part)))
    return tuple(
        np.add.reduceat(values, starts) / counts for values in (epochs, values)
    )


def steps_per_epoch(journal, history):
    """Mean number of updates of an epoch, as far as epochs have ended."""
    if history:
        return history[-1]["step"] / (history[-1]["epoch"] + 1)
    return journal[-1]["step"] / (journal[-1].get("epoch", 0) + 1)


def figure_of(runs):
    """The figure of all curves.

    Args:
        runs: dict of name -> what `read_run` returns.

    Returns:
        matplotlib Figure.
    """
    figure = Figure(figsize=(14, 4.2), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for axes, (title, trained, validated) in zip(panels, PANELS, strict=True):
        dots = f", dots: {validated.replace('_', ' ')}" if validated else ""
        axes.set_title(f"{title}{dots}", fontsize=10)
        axes.set_xlabel("epoch", fontsize=9)
        axes.grid(alpha=0.3)
        for number, (name, (journal, history)) in enumerate(runs.items()):
            colour = f"C{number % 10}"
            axes.plot(*curve(journal, history, trained), color=colour, label=name)
            rows = [row for row in history if validated in row]
            if rows:
                epochs = [row["epoch"] + 1 for row in rows]
                values = [row[validated] for row in rows]
                axes.plot(epochs, values, "o--", color=colour, markersize=3, alpha=0.8)
    panels[0].legend(fontsize=8)
    return figure


def names_of(folders):
    """How runs are called: by their folders, with those above where two are alike."""
    paths = [folder.resolve() for folder in folders]
    depth = 1
    while True:
        names = [os.path.join(*path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            return [label(name) for name in names]
        depth += 1


def write_plot(folders, output):
    """Draws runs into a file, whose ending says its format.

    Args:
        folders: list of `Path`.
        output: `Path` of the file.

    Raises:
        ConfigError: one is no run, or the format is not known.
        StorageError: a file cannot be read or written.
    """
    kind = output.suffix.lower()
    if kind not in FORMATS:
        raise ConfigError(
            f"--output must end in {', '.join(FORMATS)}; received {str(output)!r}."
        )
    folders = list(dict.fromkeys(folder.resolve() for folder in folders))
    names = names_of(folders)
    runs = {name: read_run(folder) for name, folder in zip(names, folders, strict=True)}
    with drawn_as_they_are(names):
        file = io.BytesIO()
        figure_of(runs).savefig(file, format=kind[1:], dpi=DPI)
    write_atomically(output, file.getvalue())


def main(arguments=None):
    """Draws the runs of a command line.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m callbacks.plot",
        description="Draw loss, accuracy and learning rate of runs into one picture.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a run")
    parser.add_argument(
        "--output",
        default="curves.png",
        help=f"file that is written: {', '.join(FORMATS)} (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        output = Path(expand_path(options.output, "--output"))
        write_plot([Path(expand_path(run, "RUN")) for run in options.runs], output)
        produce(str(output))
    except RunError as error:
        say(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    protect()
    sys.exit(main())
