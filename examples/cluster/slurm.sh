#!/bin/bash
# A study on a Slurm cluster: one task of the array for each arm at each seed, all in one run folder on a shared file system.
#
#   sbatch --array=0-14 examples/cluster/slurm.sh quickstart /shared/runs/quickstart    # 5 arms at 3 seeds: tasks 0 to 14
#   sbatch --array=0-14 examples/cluster/slurm.sh quickstart /shared/runs/quickstart --model ORG/NAME --set evaluation.problems=96
#
# What comes after the run folder is handed on to `openwindow run`. The first task to come trains what all arms start from, and the
# others wait for it. A task that Slurm starts again, after a time limit or a lost machine, goes on from its last checkpoint.
#SBATCH --job-name=openwindow
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=%x-%A-%a.log
set -euo pipefail

study=${1:?"the study comes first: slurm.sh STUDY FOLDER [OPTION ...]"}
folder=${2:?"the run folder comes second: slurm.sh STUDY FOLDER [OPTION ...]"}
shift 2

# The arms and seeds, as the study has them: one "ARM SEED" a line.
units=$(openwindow run "$study" --out "$folder" "$@" --dry-run --json |
  python3 -c 'import json, sys; part = json.load(sys.stdin)["part"]; [print(arm, seed) for seed in part["seeds"] for arm in part["arms"]]')
count=$(wc -l <<<"$units")
if ((SLURM_ARRAY_TASK_ID >= count)); then
  echo "task $SLURM_ARRAY_TASK_ID of $count has nothing to do: give --array=0-$((count - 1))" >&2
  exit 2
fi
read -r arm seed < <(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" <<<"$units")
exec srun openwindow run "$study" --arms "$arm" --only-seeds "$seed" --out "$folder" "$@"
