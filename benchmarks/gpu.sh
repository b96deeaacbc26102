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

part() { # name, limit in seconds, command
  local name=$1 limit=$2 start=$SECONDS
  shift 2
  echo "== $name"
  timeout "$limit" "$@" 2>&1 || failed+=("$name (exit $?)")
  echo "-- $name: $((SECONDS - start)) s"
}

main() {
  part machine 60 "$python" -c '
import torch, w2s_tutorial
print("torch", torch.__version__, "device", w2s_tutorial.device())
if torch.cuda.is_available():
    print(torch.cuda.get_device_name(), torch.cuda.get_device_capability())'
  part tests 120 "$python" -m pytest --noconftest -m gpu -o filterwarnings=default \
    -p no:cacheprovider tests/test_train_gpu.py tests/test_features.py
  part heads 90 "$python" benchmarks/heads.py
  part extraction 90 "$python" benchmarks/features.py
  part training 90 "$python" benchmarks/train.py
  part many 120 "$python" benchmarks/many.py
  part chapters 150 "$python" tests/notebook_cells.py book/*.ipynb
  if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    return 1
  fi
  echo "all parts ran in $SECONDS s"
}

main > >(tee "$report") 2>&1
