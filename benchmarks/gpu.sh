#!/usr/bin/env bash
# Everything that waits for a GPU, in one report, within 12 minutes and without network:
#     bash benchmarks/gpu.sh [report.txt]       (W2S_FAST=1 for a tiny trial, on a CPU as well)
# A part that fails or runs over its limit is named at the end; the others still run.
set -u
cd "$(dirname "$0")/.." || exit 1
report=${1:-gpu_report.txt}
python=${PYTHON:-python3}
export PYTHONPATH=$PWD:$PWD/tests${PYTHONPATH:+:$PYTHONPATH} W2S_OFFLINE=1 PYTHONUNBUFFERED=1
failed=()
chapters=(book/*.ipynb)
[ "${W2S_FAST:-0}" = 1 ] && chapters=(book/held.ipynb book/discrepancy.ipynb)

part() { # name, limit in seconds, command
  local name=$1 limit=$2 start=$SECONDS
  shift 2
  echo "== $name"
  timeout -k 5 "$limit" "$@" || failed+=("$name (exit $?)")
  echo "-- $name: $((SECONDS - start)) s"
}

machine='
import os, torch, w2s_tutorial
print("torch", torch.__version__, "device", w2s_tutorial.device(), "processors", os.cpu_count())
if torch.cuda.is_available():
    print(torch.cuda.get_device_name(), torch.cuda.get_device_capability())'

main() {
  part machine 45 "$python" -c "$machine"
  part tests 90 "$python" -m pytest --noconftest -m gpu -o filterwarnings=default \
    -p no:cacheprovider tests/test_train_gpu.py tests/test_features.py
  part heads 75 "$python" benchmarks/heads.py
  part extraction 60 "$python" benchmarks/features.py
  part training 75 "$python" benchmarks/train.py
  part many 90 "$python" benchmarks/many.py
  if "$python" -c 'import IPython' 2> /dev/null; then
    # Several at once: each waits for its own Python more often than for the GPU.
    part chapters 270 env OMP_NUM_THREADS=2 xargs -0 -n 1 -P "$((($(nproc) + 1) / 2))" \
      "$python" tests/notebook_cells.py < <(printf '%s\0' "${chapters[@]}")
  else
    failed+=("chapters (they need IPython: pip install ipython)")
  fi
  if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    return 1
  fi
  echo "all parts ran in $SECONDS s"
}

main 2>&1 | tee "$report"
exit "${PIPESTATUS[0]}"
