"""Numbers of frames from their time stamps: what a seek can be held against.

A seek goes to a time, not to a frame. It finds a frame by its number only where no
frame is missing and none comes off its beat.
"""


def even_step(stamps):
    """Time from one frame to the next where it is the same for all.

    Args:
        stamps: ints, ascending; a stream's `pts`.

    Returns:
        float, in units of the time stamps; 0.0 where frames are missing, repeated or
        off their beat, or where there are fewer than two.
    """
    if len(stamps) < 2:
        return 0.0
    step = (stamps[-1] - stamps[0]) / (len(stamps) - 1)
    return step if step > 0 and is_beat(stamps, step) else 0.0


def is_beat(stamps, step):
    """Whether frame n is the one whose time is nearest to n steps after the first.

    Args:
        stamps: ints, ascending.
        step: > 0, in the same unit.
    """
    return all(
        number_of(stamp, stamps[0], step) == number
        for number, stamp in enumerate(stamps)
    )


def number_of(stamp, first, step):
    """The number of the frame at a time.

    Args:
        stamp: its time stamp.
        first: that of frame 0.
        step: from one frame to the next, > 0.
    """
    return round((stamp - first) / step)
