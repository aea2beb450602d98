"""The GPUs of this machine by NVIDIA's driver, whatever TensorFlow sees of them."""

import os
import subprocess
from pathlib import Path

DEVICES = Path("/dev")  # nvidia0, nvidia1, …: as many as this process may have
# TensorFlow names what it lacks only among the notices that are left out otherwise.
ADVICE = (
    "Install its CUDA libraries (pip install -c constraints.txt -e '.[gpu]'); "
    "nvidia-smi tells whether the driver works, TF_CPP_MIN_LOG_LEVEL=0 what TensorFlow "
    "lacks."
)


def listed_gpus():
    """(index, name, MiB in all, MiB used, driver) of each GPU of the driver's list."""
    fields = "index,name,memory.total,memory.used,driver_version"
    try:
        text = subprocess.run(
            ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines())
    return [row for row in rows if len(row) == 5]


def count_gpus():
    """How many GPUs this process might use; the user's choice of fewer counts."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return 0
    return len(listed_gpus()) or len(list(DEVICES.glob("nvidia[0-9]*")))
