#!/usr/bin/env bash
# Runs N workers on this machine, to try a cluster out: one process drives all GPUs of a
# machine faster.
#
#     launch/local.sh 2 -- train.py --config=demo --workdir=runs/demo
#
# Lines are prefixed by the worker's number. When a worker fails the others are stopped,
# and its exit code is this script's. Signals and Ctrl-C reach every worker.
#
#     GPUS_PER_WORKER=4   GPUs of each worker (none)
#     STOP_SECONDS=600    what the others get to stop in after one has failed
#     PYTHON=python       the environment to run in
set -euo pipefail

if (($# < 3)) || [[ $2 != -- ]]; then
    echo "usage: launch/local.sh N -- train.py --config=… --workdir=…" >&2
    exit 2
fi
exec "${PYTHON:-python}" "$(dirname "$0")/workers.py" local "$@"
