#!/usr/bin/env bash
# Slurm: one Ray node per Slurm node; the study runs on the first. Requeued after preemption, it resumes.
#
#   sbatch --nodes 4 deploy/slurm.sh /shared/study.yaml /shared/runs
#
# Submit it from the environment with this project, activated (python, ray and modstudy are on the PATH), which all nodes see
# at the same place. For nodes without GPUs remove --gpus-per-node, or set the number that they have.
#
#SBATCH --job-name=modulation-study
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -euo pipefail
study=${1:?usage: sbatch deploy/slurm.sh STUDY RUNS} runs=${2:?usage: sbatch deploy/slurm.sh STUDY RUNS}
port=$((20000 + SLURM_JOB_ID % 20000))

export RAY_AUTH_MODE=token RAY_worker_niceness=0 RAY_USAGE_STATS_ENABLED=0
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN
export MODSTUDY_CACHE=${MODSTUDY_CACHE:-${SLURM_TMPDIR:-/tmp}/modstudy-cache-$(id -un)}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes 1 --ntasks 1 --nodelist "$head" hostname --ip-address | awk '{print $1}')
resources=(--num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}")

srun --nodes 1 --ntasks 1 --nodelist "$head" \
  ray start --head --node-ip-address "$address" --port "$port" --include-dashboard false "${resources[@]}" --block &
# A node that starts before its head ends at once, so wait for the head; each look waits some 40 s itself.
until ray health-check --address "$address:$port" 2> /dev/null; do
  if ((SECONDS >= ${RAY_HEAD_START_S:-120})); then
    echo "no Ray head answers at $address:$port after $SECONDS s; if it only needs longer, set RAY_HEAD_START_S" >&2
    exit 1
  fi
  sleep 1
done
if ((${#nodes[@]} > 1)); then
  srun --nodes $((${#nodes[@]} - 1)) --ntasks $((${#nodes[@]} - 1)) --exclude "$head" \
    ray start --address "$address:$port" "${resources[@]}" --block &
fi

# The batch script runs on the first node, beside the head; SIGTERM before the time limit lets the run end in order.
stopped=0 status=0 driver=
trap 'stopped=1; [[ -z $driver ]] || kill -TERM "$driver"' TERM
modstudy run "$study" --runs-dir "$runs" --address "$address:$port" &
driver=$!
if ((stopped)); then kill -TERM "$driver"; fi # it came before there was anything to pass it on to
wait "$driver" || status=$?
if ((stopped)); then # the signal has ended the first wait, not the driver; then ask Slurm for another turn
  status=0
  wait "$driver" || status=$?
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
