#!/usr/bin/env bash
# Exports models from the fixtures and runs each, fed with raw rows, in every engine there is: ONNX Runtime in the
# program, tract in the program, Python's ONNX Runtime 1.17 and the newest, the reference evaluator; onnx.checker first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
envs="${ENGINES_VENVS:-target/engines}"
new="$envs/new" old="$envs/old"
if ! [ -e "$new/ready" ]; then
  python3 -m venv "$new"
  "$new/bin/pip" -q install onnxruntime==1.32.0 onnx==1.23.2 numpy
  touch "$new/ready"
fi
if ! [ -e "$old/ready" ]; then
  python3 -m venv "$old"
  "$old/bin/pip" -q install onnxruntime==1.17.3 'numpy<2'
  touch "$old/ready"
fi
cargo build -q
evolve="${CARGO_TARGET_DIR:-target}/debug/evolve"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

check() { # NAME DATA TARGET
  local name="$1" data="$2" target="$3"
  local options=(--candidates 5 --examples 6000 --seed 3 --quiet --out "$work/$name")
  [ -z "$target" ] || options+=(--target "$target")
  "$evolve" run "$data" "${options[@]}"
  for engine in onnxruntime tract; do
    "$evolve" predict "$work/$name/best.onnx" "$data" --engine "$engine" --output "$work/$name/$engine.csv"
  done
  "$old/bin/python" tests/engines.py run "$work/$name/best.onnx" "$data" "$work/$name/old.json"
  "$new/bin/python" tests/engines.py compare "$work/$name/best.onnx" "$data" "$work/$name"
}

check iris fixtures/iris.csv species
check concrete fixtures/concrete.csv compressive_strength
check credit_g fixtures/credit_g.csv class
check adult fixtures/adult.csv income
check digits fixtures/digits.npz ""
check fashion fixtures/fashion_mnist ""
