"""The facts of a data set as lines of text."""

from data.sources.frozen_split import SPLITS

COLUMNS = ("train", "validation", "test", "recordings", "shortest", "median")
UNEVEN = 3.0  # times as many videos in the largest class as in the smallest
MOST_SHOWN = 10  # of a kind of finding


def describe(facts):
    """Lines that describe a data set, findings last.

    Args:
        facts: `Facts`.

    Yields:
        Lines of text.
    """
    width = max(20, min(40, max(len(row.name) for row in facts.classes)))
    yield f"{'class':<{width}}" + "".join(f"  {name}" for name in COLUMNS)
    for row in facts.classes:
        counts = [row.counts[split] for split in SPLITS]
        yield _line(
            row.name, width, (*counts, row.recordings, row.shortest, row.median)
        )
    totals = (*(facts.counts[split] for split in SPLITS), facts.recordings)
    yield _line("all", width, totals)
    yield "(shortest, median: frames of the videos)"
    yield from findings(facts)


def _line(title, width, values):
    """A row of the table, each value below the end of its column's name."""
    cells = zip(COLUMNS, values, strict=False)
    return f"{title:<{width}}" + "".join(f"  {v:>{len(name)}}" for name, v in cells)


def findings(facts, most=MOST_SHOWN):
    """What deserves a look, a line each: leaks, bad videos, copies, hints.

    Args:
        facts: `Facts`.
        most: how many of a kind are shown; the rest is counted.

    Yields:
        Lines of text, which begin with the kind: "leak: …".
    """
    others = [copy for copy in facts.copies if not copy.is_leak]
    yield from _some("leak", [_same(copy) for copy in facts.leaks], most)
    bad = [f"{name!r} ({split}) {reason}" for name, split, reason in facts.bad]
    yield from _some("bad", bad, most)
    if facts.unvalidated:
        yield (
            "bad: there is nothing to validate on: a run needs --data.validation=test "
            "or none"
        )
    yield from _some("copy", [_same(copy) for copy in others], most)
    for split in ("train", "test"):
        empty = [row.name for row in facts.classes if not row.counts[split]]
        without = [f"{name!r} has no {split} video" for name in empty]
        yield from _some("class", without if facts.counts[split] else [], most)
    if facts.imbalance >= UNEVEN:
        yield (
            f"hint: the largest class has {facts.imbalance:.1f} x the training videos "
            "of the smallest: --data.sampling=balanced or "
            "--optimizer.class_weights=balanced even that out"
        )
    if facts.short:
        yield (
            f"hint: {facts.short} videos are shorter than a clip, which reaches over "
            f"{facts.span} frames, and show frames again: a smaller "
            "--data.frame_interval or --data.frames avoids that"
        )
    if facts.unused:
        yield f"hint: {facts.unused} videos are of no split with this data.validation"


def _same(copy):
    first, *others = (f"{name!r} ({split})" for name, split in copy.videos)
    return f"{first} has the same content as {', '.join(others)}"


def _some(kind, lines, most):
    yield from (f"{kind}: {line}" for line in lines[:most])
    if len(lines) > most:
        yield f"{kind}: … and {len(lines) - most} more"
