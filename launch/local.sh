#!/usr/bin/env bash
# Runs N workers on this machine, to test what a cluster would do: for real work on one
# machine, one process that drives all GPUs is faster.
#
#     launch/local.sh 2 -- train.py --config=… --workdir=…
#
# Lines are prefixed by the worker's number. When a worker fails the others are stopped,
# and its exit code is this script's. Signals and Ctrl-C reach every worker.
#
# Run it in the checkout. These may be set in the environment:
#
#     GPUS_PER_WORKER=4         GPUs of each worker (none)
#     STOP_SECONDS=600          to stop in, after a signal or after one has failed
#     PYTHON=.venv/bin/python   what runs it
set -euo pipefail

if (($# < 3)) || [[ $2 != -- ]]; then
    echo "usage: launch/local.sh N -- train.py --config=… --workdir=…" >&2
    exit 2
fi
exec "${PYTHON:-.venv/bin/python}" "$(dirname "$0")/workers.py" local "$@"
