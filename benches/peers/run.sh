#!/usr/bin/env bash
# Training steps of evolve against PyTorch on one core: benches/peers/run.sh [--nets a,b] [--rounds N] [--json FILE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv="${PEERS_VENV:-target/peers}"
if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" -q install torch==2.15.0 numpy
fi
cargo build -q --profile bench --bench peer_step
step="$(cargo build -q --profile bench --bench peer_step --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("executable") and m["target"]["name"] == "peer_step":
        print(m["executable"])')"
exec "$venv/bin/python" benches/peers/compare.py "$step" "$venv/bin/python" "$@"
