#!/usr/bin/env bash
# A run on several nodes under Slurm: one task a node, which drives all its GPUs.
#
#     sbatch --nodes=2 launch/slurm.sh train.py --config=… --workdir=/shared/runs/x
#
# Submit it in the checkout, which all nodes must see, like --workdir. A run that exits
# with 75 (time is up, preempted, a worker was lost) or dies by a signal is queued again
# and continues, until three restarts in a row have saved no checkpoint. With any other
# code the job ends. These may be set in the environment:
#
#     MAX_RESTARTS=100          of the job, whatever it has saved
#     WAIT_SECONDS=1800         what the other workers get once one has ended; more than
#                               60 times runtime.join_minutes, so that they can say why
#     PYTHON=.venv/bin/python   what runs it

# Change these to what the cluster has; add --partition and --account.
#SBATCH --job-name=video-swin
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --mem=0
#SBATCH --exclusive
#SBATCH --time=24:00:00

# Ten minutes before the time is up every task gets SIGUSR1: the run saves and exits.
# Without "B:", which would send it to this script alone.
#SBATCH --signal=USR1@600
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.out
set -uo pipefail

if (($# < 1)); then
    echo "usage: sbatch launch/slurm.sh train.py --config=… --workdir=…" >&2
    exit 2
fi
max_restarts="${MAX_RESTARTS:-100}"
wait_seconds="${WAIT_SECONDS:-1800}"
python="${PYTHON:-.venv/bin/python}"

workdir="" previous=""
for word in "$@"; do
    [[ $previous == --workdir ]] && workdir="$word"
    [[ $word == --workdir=* ]] && workdir="${word#*=}"
    previous="$word"
done
workdir="${workdir/#\~\//${HOME-}/}" # as train.py reads it

# Slurm runs a copy of this script in a folder of its own.
cd "$SLURM_SUBMIT_DIR" || exit 2

# --kill-on-bad-exit=0 --wait: once a worker has ended, the others get WAIT_SECONDS.
#   Killing them at once would cut short the checkpoint that the chief is writing.
# --mpi=none: workers are no MPI processes, whatever the site's default is.
# --cpus-per-task: srun no longer takes it from sbatch, and one core decodes too little.
srun --kill-on-bad-exit=0 --wait="$wait_seconds" --mpi=none --label \
    ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
    "$python" launch/workers.py task -- "$@"
code=$?

# srun returns the largest code of its tasks; launch/workers.py sees to it that it is the
# one that matters: 40 + n for a death by signal n, 75, and 100 more for a fault. What
# srun or Slurm itself returns stays as it is: 1, 137 (killed), 253 (out of memory).
if ((code > 100 && code < 110 || code == 230)); then
    code=$((code - 100))
elif ((code > 40 && code < 72)); then
    code=$((code + 88))
fi

# Notes the checkpoint that is the newest when this start ends, and prints how many
# starts of this job have ended at it.
starts_that_ended_here() {
    local newest notes="slurm-$SLURM_JOB_ID.checkpoints"
    newest="$(find "$workdir/checkpoints" -name 'step-????????' | sort | tail -n 1)"
    echo "$newest" >>"$notes"
    grep -cxFe "$newest" "$notes"
}

if ((code == 75 || code > 130 && code < 160)); then # or all died by a signal
    if ((${SLURM_RESTART_COUNT:-0} >= max_restarts)); then
        echo "Not queued again: it has been, ${SLURM_RESTART_COUNT} times." >&2
    elif [[ -n $workdir ]] && (($(starts_that_ended_here) > 3)); then
        echo "Not queued again: three restarts have saved no checkpoint." >&2
    else
        scontrol requeue "$SLURM_JOB_ID" || echo "scontrol could not requeue it." >&2
    fi
fi
exit "$code"
