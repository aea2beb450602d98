"""A run that no longer moves ends, and says where it stood."""

import subprocess
import sys


def test_the_watchdog_prints_stacks_and_exits(repository):
    code = (
        "import time\n"
        "from callbacks.watchdog import Watchdog\n"
        "watchdog = Watchdog(seconds=0.2)\n"
        "watchdog.beat()\n"
        "def a_step_that_hangs():\n"
        "    time.sleep(60)\n"
        "a_step_that_hangs()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository
    )
    assert result.returncode == 1
    assert "a_step_that_hangs" in result.stderr
