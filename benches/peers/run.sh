#!/usr/bin/env bash
# Training steps of evolve against PyTorch on one core: benches/peers/run.sh [--nets a,b] [--rounds N] [--json FILE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source benches/peers/prepare.sh
exec "$venv/bin/python" benches/peers/compare.py "$step" "$venv/bin/python" "$@"
