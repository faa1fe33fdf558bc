#!/usr/bin/env bash
# Training steps of evolve against PyTorch on a CUDA device: benches/gpu.sh [--nets a,b] [--rounds N] [--device cuda|cpu]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source benches/peers/prepare.sh
exec "$venv/bin/python" benches/peers/gpu.py compare "$step" "$@"
