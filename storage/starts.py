"""starts.jsonl: one row for each start of a run, and what it computed with."""

import contextlib
import datetime
import json

from absl import logging

from storage.files import sync
from storage.records import decode

# What may differ from start to start and means nothing.
ORDINARY = {"time", "step", "host", "hosts"}


def note_start(path, facts):
    """Adds a row for a start, and logs what differs from the one before.

    The run does not depend on it: what cannot be read or written is only logged.

    Args:
        path: the file.
        facts: of the start, JSON values by name; dicts in it are compared by entry.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    row = {"time": now.isoformat(timespec="seconds"), **facts}
    try:
        content = path.read_bytes() if path.exists() else b""
        before = _rows(content)
        differences = changes(before[-1] if before else {}, row)
        if differences:
            logging.warning(
                "This start differs from the one before: %s.", "; ".join(differences)
            )
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        with open(path, "ab") as file:
            # A row that a full disk cut off stays alone in its line.
            file.write(line if content[-1:] in (b"", b"\n") else b"\n" + line)
        sync(path)
    except (OSError, ValueError) as error:
        logging.warning("%s cannot be kept: %s", path, error)


def read_starts(path):
    """The rows of all starts, the oldest first; damaged ones are left out.

    Args:
        path: the file; without one there are no rows.

    Raises:
        OSError: it cannot be read.
    """
    return _rows(path.read_bytes()) if path.exists() else []


def changes(before, now, prefix=""):
    """What two rows differ in, as text like "versions.numpy was 2.3.0, is 2.4.6".

    Args:
        before: the earlier row; an empty one differs in nothing.
        now: the later row.
        prefix: of the names.
    """
    found = []
    for name in sorted((before.keys() & now.keys()) - ORDINARY):
        old, new = before[name], now[name]
        if isinstance(old, dict) and isinstance(new, dict):
            found += changes(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} was {_text(old)}, is {_text(new)}")
    return found


def _text(value):
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _rows(content):
    """The whole rows, the oldest first."""
    rows = []
    for line in content.splitlines():
        with contextlib.suppress(ValueError):
            rows.append(decode(line, dict))
    return rows
