"""The process that waits for signs of progress of another; see `callbacks.watchdog`.

It needs nothing but the standard library, so that it starts in milliseconds.
"""

import os
import select
import signal
import sys
from pathlib import Path

TICK = 1.0  # Seconds; at most this much of a wait is counted although nothing ran.


def watch(process, seconds, grace):
    """Waits on standard input for bytes, and ends the process if none come.

    Args:
        process: id of the process that started this one.
        seconds: the longest wait for a byte.
        grace: seconds that the process then has to end itself, before it is sent
            SIGALRM, and as many again before SIGKILL.
    """
    tick, waited, done = min(TICK, seconds / 20), 0.0, 0
    measures = (
        (seconds, lambda: os.write(1, b"!")),
        (seconds + grace, lambda: os.kill(process, signal.SIGALRM)),
        (seconds + 2 * grace, lambda: os.kill(process, signal.SIGKILL)),
    )
    while os.getppid() == process:
        if select.select([0], [], [], tick)[0]:
            if not os.read(0, 65536):
                return
            waited, done = 0.0, 0
        elif not is_stopped(process):
            # Not what the clock says: while the machine sleeps, it goes on.
            waited += tick
            if done < len(measures) and waited >= measures[done][0]:
                measures[done][1]()
                done += 1


def is_stopped(process):
    """Whether a process is stopped, as by SIGSTOP or a debugger."""
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] in (b"T", b"t")


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
