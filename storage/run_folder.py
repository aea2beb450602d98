"""The folder of a run: what lies in it, and who may write to it.

config.json      the experiment, as the run's last start had it
run.json         its id, classes, hashes of the lists; fixed at first start
journal.jsonl    one row a step           history.jsonl  one row an epoch
timing.jsonl     how long steps took      tensorboard/   the same as event files
split.csv        its videos, where no lists say them
starts.jsonl     one row a start          log.txt        what each start said
checkpoints/     see storage.checkpoints     report.html, evaluation.json, …
trained_videos.json  keys of the videos trained on, see storage.trained_videos
finished.json    written last: rerunning a finished run does nothing
"""

import contextlib
import dataclasses
import json
import os
import re
import unicodedata
import uuid
from pathlib import Path

from configs.command.errors import ConfigError
from configs.schema.experiment import changeable_options
from configs.schema.extension import why_not_extended
from configs.schema.paths import check_utf8
from configs.schema.serialization import from_json
from storage.changes import REASONS, way_on
from storage.files import MUST_BE_UNCHANGED, clear_asides, read_json, write_atomically
from storage.identity import Identity, Result
from storage.lock import locked, signature
from storage.trained_videos import TRAINED_VIDEOS

CHECKPOINT = re.compile(r"step-([0-9]{8}|[1-9][0-9]{8,})")
# Of these a checkpoint that is damaged may lack one, but not all.
CHECKPOINT_FILES = ("manifest.json", "state.json", "variables.index")
SPLIT = "split.csv"
# What only the holder of the lock writes.
FILES = {
    "config.json",
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "evaluation.json",
    "evaluation_timing.json",
    "finished.json",
    "history.jsonl",
    "journal.jsonl",
    "log.txt",
    "predictions.csv",
    "report.html",
    "run.json",
    SPLIT,
    "timing.jsonl",
    TRAINED_VIDEOS,
}
# Results of other views, data or steps than the run's own: evaluation-1x1.json.
RESULT = re.compile(
    r"(evaluation|predictions|confusion_matrix|report)\w*-.+\.(json|csv|png|html)"
)


class RunFolder:
    """The folder of one run; `locked()` makes this process its only writer.

    Attributes:
        path: the folder.
        is_kept: whether what a run writes is kept; see `storage.unwritten_folder`.
    """

    is_kept = True

    def __init__(self, path):
        """Names the folder; nothing is read or written yet.

        Args:
            path: the folder; `locked()` creates it.

        Raises:
            ConfigError: no path was given, or one that cannot be a run's folder.
        """
        if not path:
            raise ConfigError("--workdir must name the run's folder; received nothing.")
        check_utf8(path, "--workdir")
        self.path = Path(path)
        if os.path.exists(path) and not os.path.isdir(path):
            raise ConfigError(f"--workdir must be a folder; received the file {path}.")

    def __truediv__(self, name):
        """The path of one of its files."""
        return self.path / name

    @contextlib.contextmanager
    def locked(self, **options):
        """Makes this process the folder's only writer; see `storage.lock.locked`."""
        with locked(self.path, **options) as self.signature:
            clear_asides(self.path, lambda n: n in FILES or RESULT.fullmatch(n))
            yield self

    def is_seen(self, signature_there):
        """Whether this process sees the folder that another has locked and signed."""
        return signature(self.path) == signature_there

    @property
    def identity(self):
        """run.json as a dict; empty before the run's first start.

        Raises:
            ConfigError: it is damaged; the error names the field (see `Identity`).
        """
        return read_json(self / "run.json", Identity)

    @property
    def class_names(self):
        """The run's classes, in the order of the labels.

        Raises:
            ConfigError: run.json does not tell them.
        """
        names = self.identity.get("class_names")
        if names is None:
            raise ConfigError(
                f"{self / 'run.json'} {MUST_BE_UNCHANGED}; it names no classes."
            )
        return names

    @property
    def has_checkpoint(self):
        """Whether the run has come as far as its first checkpoint."""
        return bool(checkpoint_steps(self / "checkpoints"))

    @property
    def finished(self):
        """finished.json as a dict; empty until the run has ended.

        Raises:
            ConfigError: it is damaged; the error names the field (see `Result`).
        """
        return read_json(self / "finished.json", Result)

    def write(self, name, text):
        """Writes one of its files, whole or not at all."""
        write_atomically(self / name, text)

    @property
    def split(self):
        """Path of the split with which the run has begun; None where lists say it."""
        path = self / SPLIT
        return str(path) if path.exists() else None

    def finish(self, result):
        """Marks the run as finished, with its result."""
        self.write("finished.json", json.dumps(result, indent=2) + "\n")

    def saved_config(self):
        """The text of config.json.

        Raises:
            ConfigError: the folder holds no run, or the file is damaged.
        """
        path = self / "config.json"
        if not read_json(path):  # Which names the file where it is damaged.
            raise ConfigError(
                f"--workdir must be the folder of a run; {self.path} holds no "
                "config.json."
            )
        text = path.read_bytes().decode()
        try:
            from_json(text)
        except ConfigError as error:
            raise ConfigError(f"{path} {MUST_BE_UNCHANGED}; {error}") from None
        return text

    def check_files(self):
        """Refuses a run of which config.json or run.json is missing or damaged.

        Raises:
            ConfigError: names the file.
        """
        if (self / "journal.jsonl").exists() or (self / "checkpoints").exists():
            for name in ("config.json", "run.json"):
                if not (self / name).exists():
                    raise ConfigError(
                        f"{self / name} {MUST_BE_UNCHANGED}; it is not there."
                    )
                read_json(self / name)

    def check_config(self, config):
        """Refuses a config with which this run cannot be continued.

        Args:
            config: the experiment as nested dicts.

        Raises:
            ConfigError: names every field that differs and must not.
        """
        self.check_files()
        if (self / "config.json").exists():
            saved = from_json(self.saved_config())
            before, now = flatten(dataclasses.asdict(saved)), flatten(config)
            reason = why_not_extended(
                saved,
                now["epochs"],
                clips=self.identity.get("train_size", 0),
                step=next(iter(checkpoint_steps(self / "checkpoints")), 0),
            )
            if reason is None:
                before["epochs"] = now["epochs"]
            _refuse_changes(self.path, before, now, reasons={"epochs": reason})

    def begin(self, config_json, facts):
        """Fixes the run's identity at its first start and checks it at later ones.

        Args:
            config_json: text of `configs.schema.serialization.to_json`.
            facts: JSON values of what else must stay the same, as the class names.

        Raises:
            ConfigError: names every field that differs and must not.
        """
        self.check_run(config_json, facts)
        if not self.identity:
            identity = {"run_id": uuid.uuid4().hex, **facts}
            self.write("run.json", json.dumps(identity, indent=2, ensure_ascii=False))
        # A run that goes on has not finished, also where it is only measured again.
        (self / "finished.json").unlink(missing_ok=True)
        path = self / "config.json"
        if not path.exists() or path.read_bytes() != config_json.encode():
            self.write("config.json", config_json)

    def check_run(self, config_json, facts):
        """Refuses a run that is another than the one that has begun here.

        Args:
            config_json: see `begin`, also for what is raised.
            facts: see `begin`.
        """
        self.check_config(json.loads(config_json))
        facts = json.loads(json.dumps(facts))
        if self.identity:
            before = {name: self.identity.get(name) for name in facts}
            _refuse_changes(self.path, before, facts, reasons=REASONS)


def checkpoint_steps(path):
    """The steps of all checkpoints in a folder, newest first, damaged ones included.

    What only has the name of one, a file or a folder with nothing of a checkpoint in
    it, is none.
    """
    matches = (
        (CHECKPOINT.fullmatch(entry.name), entry) for entry in path.glob("step-*")
    )
    return sorted(
        (
            int(match[1])
            for match, entry in matches
            if match and any((entry / name).exists() for name in CHECKPOINT_FILES)
        ),
        reverse=True,
    )


def flatten(config, prefix=""):
    """Nested dicts as one dict with dotted names."""
    flat = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat


def _apart(*values):
    """Values as text; in ASCII where they might look alike, as accents coded otherwise.

    Unicode's compatibility forms (NFKC) look alike, or nearly so.
    """
    texts = list(map(repr, values))
    alike = len({unicodedata.normalize("NFKC", text) for text in texts}) == 1
    return list(map(ascii, values)) if alike else texts


def _refuse_changes(path, before, now, reasons=None):
    fixed = (before.keys() | now.keys()) - changeable_options()
    notes = {name: f": {reason}" for name, reason in (reasons or {}).items()}
    changed = {
        name: "{} (was {}, received {}{})".format(
            name, *_apart(before.get(name), now.get(name)), notes.get(name, "")
        )
        for name in sorted(fixed)
        if before.get(name) != now.get(name)
    }
    if changed:
        begun = bool(checkpoint_steps(path / "checkpoints"))
        raise ConfigError(
            f"The run in {path} can only go on as it began; these differ: "
            f"{'; '.join(changed.values())}. "
            f"{way_on(path, changed, has_checkpoint=begun)}"
        )
