# Sourced from the root: `venv` gets PyTorch, `step` is the program that times a training step.
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
