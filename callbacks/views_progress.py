"""The live line of a validation or evaluation: how far, how fast, and how long yet."""

import contextlib
import sys
import time

from absl import logging
from tqdm import tqdm

from callbacks.progress import duration, has_lines

INTERVAL = 30  # Seconds between lines of the log, where there is no live one.


@contextlib.contextmanager
def show_views(what, total, clock=time.monotonic):
    """Shows one live line on a terminal, or logs a line every half minute elsewhere.

    Args:
        what: is measured: "validation" or "evaluation".
        total: views that are to be computed.
        clock: seconds since some moment, a function.

    Yields:
        A function to be called with the number of views after each batch of them.
    """
    # It takes the place of the training's line and the whole width, so that nothing of
    # that one stays visible beside it.
    bar = tqdm(
        total=total,
        desc=what,
        unit=" views",
        position=0,
        leave=False,
        disable=not has_lines(sys.stderr),
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
        "[{elapsed}<{remaining}] {rate_noinv_fmt}",
    )
    lines = Lines(what, total, clock)

    def advance(views):
        bar.update(views)
        if bar.disable:
            lines.advance(views)

    def make_room(record):
        bar.clear()
        return True

    handler = logging.get_absl_handler()
    handler.addFilter(make_room)
    try:
        yield advance
    finally:
        handler.removeFilter(make_room)
        bar.close()


class Lines:
    """The same as lines of the log; none where it takes less than half a minute."""

    def __init__(self, what, total, clock):
        """Begins to count; see `show_views` for the arguments."""
        self.what, self.total, self.clock = what, total, clock
        self.done = 0
        self.begin = self.last = clock()

    def advance(self, views):
        """Counts views, and logs a line if it is time."""
        self.done += views
        now = self.clock()
        if now - self.last < INTERVAL:
            return
        self.last = now
        rate = self.done / (now - self.begin)
        logging.info(
            "%s: %d/%d views  %.1f/s  ETA %s",
            self.what,
            self.done,
            self.total,
            rate,
            duration((self.total - self.done) / rate),
        )
