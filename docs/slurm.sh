#!/bin/bash
# A search on several nodes of a Slurm cluster, from a clone with its .venv that all of them see:
#   sbatch docs/slurm.sh configs/mnist.toml
# Submitted again, it goes on where the time limit, or a lost node, ended it.
#SBATCH --job-name=digit-search
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=4
#SBATCH --time=02:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail
export PATH="$SLURM_SUBMIT_DIR/.venv/bin:$PATH"
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')  # of this job alone
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
port=$((20000 + SLURM_JOB_ID % 20000))
# The host's own name may lead to its loopback (127.0.1.1 on Debian), which the other nodes can't reach.
ip=$(printf '%s\n' $(hostname -i) $(hostname -I) | grep -F . | grep -m 1 -v '^127\.') || ip=127.0.0.1
address=$ip:$port
here=(--num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats)

ray start --head --node-ip-address="$ip" --port="$port" --include-dashboard=false "${here[@]}"
if ((SLURM_NNODES > 1)); then  # the search begins here, and uses the others as they come
  # The job's own numbers would start one task too many, with a single CPU each.
  srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --ntasks-per-node=1 \
    --cpus-per-task="$SLURM_CPUS_PER_TASK" --exclude="$SLURMD_NODENAME" \
    ray start --address="$address" "${here[@]}" --block &
fi

python -m search run "$@" --address "$address" --resume &
search=$!
trap 'kill -TERM $search' TERM  # two minutes before the time limit: it stops tidily
wait $search || wait $search  # the first one ends at the signal
