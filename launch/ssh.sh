#!/usr/bin/env bash
# Runs a worker on each host through ssh; the first host is the chief.
#
#     launch/ssh.sh node1 node2 -- train.py --config=… --workdir=/shared/runs/x
#
# Run it in the checkout. Needed: keys that ask for no password; host names by which the
# hosts reach each other; this checkout and its Python at the same place on each; a
# --workdir that all of them see. Lines are prefixed by the host. When a worker fails the
# others are stopped, and its exit code is this script's. Signals and Ctrl-C reach every
# worker; if this script or its connections are killed, the workers get SIGTERM.
#
# CUDA_VISIBLE_DEVICES and NCCL_*, TF_* and XLA_* variables that are set here are set on
# the hosts, too.
set -euo pipefail

# Change these, or set them in the environment.
export PORT="${PORT:-29500}"              # of TensorFlow, on every host
export DIRECTORY="${DIRECTORY:-$PWD}"     # of the checkout, on every host
export PYTHON="${PYTHON:-$PWD/.venv/bin/python}"
export SSH_OPTIONS="${SSH_OPTIONS:-}"     # such as "-i key -p 2222"
# STOP_SECONDS=600: what workers get to stop in after a signal, or after one has failed

if (($# < 3)); then
    echo "usage: launch/ssh.sh HOST… -- train.py --config=… --workdir=…" >&2
    exit 2
fi
exec "$PYTHON" "$(dirname "$0")/workers.py" ssh "$@"
