"""What a check of a machine finds, as lines for the person who reads them."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        verdict: ok; WRONG, which decides the exit code; or note, which counts neither
            way: a number to know, or what could not be checked here.
        text: what was looked at, the number, what it means and, where it is wrong, what
            to do.
    """

    verdict: Literal["ok", "WRONG", "note"]
    text: str

    def __str__(self):
        """The line."""
        return f"{self.verdict:6}{self.text}"

    @property
    def is_wrong(self):
        """Whether it counts against the machine."""
        return self.verdict == "WRONG"


def ok(text):
    """What is as it must be."""
    return Finding("ok", text)


def wrong(text, advice):
    """What is not as it must be, and what to do about it."""
    return Finding("WRONG", f"{text} {advice}")


def note(text):
    """What is to be known, or could not be checked."""
    return Finding("note", text)
