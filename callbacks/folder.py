"""A run's folder: one writer, an identity that cannot change, files that are whole.

config.json      the experiment, as the run's last start had it
run.json         the run's id, class names and lists of videos, fixed at first start
journal.jsonl    one row a step           history.jsonl  one row an epoch
timing.jsonl     how long steps took      tensorboard/   the same as event files
checkpoints/     see callbacks.store      evaluation.json, predictions.csv, …
finished.json    written last: rerunning a finished run does nothing
"""

import contextlib
import fcntl
import json
import os
import re
import socket
import uuid
from pathlib import Path

from configs.errors import ConfigError, LockedError, StorageError

# What a later start of the same run may change: where things lie, how much is kept and
# on how many devices it computes. Everything else decides the result.
MAY_CHANGE = (
    "checkpoints.",
    "data.bad_share",
    "data.root",
    "data.threads",
    "model.handle",
    "model.recompute",
    "runtime.deterministic",
    "runtime.micro_batches",
    "runtime.replicas",
    "views.",
)


CHECKPOINT = re.compile(r"step-(\d{8,})")
RESTORE = "must be as the run wrote it (put a good copy back)"


class RunFolder:
    """The folder of one run; `locked()` makes this process its only writer."""

    def __init__(self, path):
        """
        Args:
          path: the folder; `locked()` creates it.

        Raises:
          ConfigError: no path was given, or it is not a folder.
        """
        if not path:
            raise ConfigError("--workdir must name the run's folder; received nothing.")
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"--workdir must be a folder; received the file {path}.")

    def __truediv__(self, name):
        return self.path / name

    @contextlib.contextmanager
    def locked(self):
        """Holds the folder's lock; the kernel frees it however the process ends.

        Raises:
          LockedError: another process holds it; nothing was changed.
          StorageError: the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageError(f"{self.path} must be writable: {error}.") from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(lock, 200, 0).decode(errors="replace").strip()
                raise LockedError(
                    f"{self.path} is being written by {holder or 'another process'}; "
                    "wait for it to end or choose another --workdir."
                ) from None
            except OSError as error:
                raise StorageError(
                    f"{self.path} must be on a file system that can lock files: "
                    f"{error}."
                ) from None
            with contextlib.suppress(OSError):  # Only a message needs what it holds.
                os.ftruncate(lock, 0)
                os.pwrite(
                    lock, f"{socket.gethostname()}, process {os.getpid()}".encode(), 0
                )
            yield self
        finally:
            os.close(lock)

    @property
    def identity(self):
        """run.json as a dict; empty before the run's first start."""
        return read_json(self / "run.json")

    @property
    def class_names(self):
        """The run's classes, in the order of the labels.

        Raises:
          ConfigError: run.json does not tell them.
        """
        try:
            return self.identity["class_names"]
        except KeyError:
            raise ConfigError(
                f"{self / 'run.json'} {RESTORE}; it names no classes."
            ) from None

    @property
    def has_checkpoint(self):
        """Whether the run has come as far as its first checkpoint."""
        return bool(checkpoint_steps(self / "checkpoints"))

    @property
    def finished(self):
        """finished.json as a dict; empty until the run has ended."""
        return read_json(self / "finished.json")

    def finish(self, result):
        """Marks the run as finished, with its result."""
        write_atomically(self / "finished.json", json.dumps(result, indent=2) + "\n")

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
        return path.read_text()

    def check_files(self):
        """Refuses a run that has lost the files that say which run it is.

        Raises:
          ConfigError: names the file.
        """
        if (self / "journal.jsonl").exists() or (self / "checkpoints").exists():
            for name in ("config.json", "run.json"):
                if not (self / name).exists():
                    raise ConfigError(f"{self / name} {RESTORE}; it is not there.")

    def check_config(self, config):
        """Refuses a config with which this run cannot go on.

        Args:
          config: the experiment as nested dicts.

        Raises:
          ConfigError: names every field that differs and must not.
        """
        self.check_files()
        before = read_json(self / "config.json")
        if before:
            _refuse_changes(self.path, flatten(before), flatten(config))

    def begin(self, config_json, facts):
        """Fixes the run's identity at its first start and checks it at later ones.

        Args:
          config_json: the experiment as `configs.flags.to_json` writes it.
          facts: what else must stay the same (class names, the training list's hash),
            JSON values.

        Raises:
          ConfigError: names every field that differs and must not.
        """
        self.check_config(json.loads(config_json))
        facts = json.loads(json.dumps(facts))
        if self.identity:
            before = {name: self.identity.get(name) for name in facts}
            _refuse_changes(self.path, before, facts)
        else:
            identity = {"run_id": uuid.uuid4().hex, **facts}
            write_atomically(
                self / "run.json", json.dumps(identity, indent=2, ensure_ascii=False)
            )
        path = self / "config.json"
        if not path.exists() or path.read_text() != config_json:
            write_atomically(path, config_json)


def checkpoint_steps(path):
    """The steps of all complete checkpoints in a folder, newest first."""
    matches = (CHECKPOINT.fullmatch(entry.name) for entry in path.glob("step-*"))
    return sorted((int(match[1]) for match in matches if match), reverse=True)


def flatten(config, prefix=""):
    """Nested dicts as one dict with dotted names."""
    flat = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat


def read_json(path):
    """The dict in a file; empty where there is no file.

    Raises:
      ConfigError: the file is damaged.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} {RESTORE}; it is damaged: {error}.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} {RESTORE}; received {value!r}.")
    return value


def write_atomically(path, content):
    """Replaces a file so that a reader, or a crash, sees the old or the new one whole.

    Args:
      path: the file.
      content: its text, or its bytes.

    Raises:
      StorageError: it could not be written; the old one is untouched.
    """
    aside = path.with_name(f".{path.name}.tmp")
    try:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(aside)
        os.replace(aside, path)
        sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise StorageError(f"{path} could not be written: {error}.") from error


def sync(path):
    """Makes a file's content, or the names in a folder, survive a crash."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_changes(path, before, now):
    changed = [
        f"{name} (was {before.get(name)!r}, received {now.get(name)!r})"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name) and not name.startswith(MAY_CHANGE)
    ]
    if changed:
        raise ConfigError(
            f"The run in {path} can only go on as it began; these differ: "
            f"{'; '.join(changed)}. Restore them or choose another --workdir."
        )
