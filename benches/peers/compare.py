"""Runs the sides in turn and prints the table: compare.py EVOLVE_STEP TORCH_PYTHON NETS ROUNDS [JSON]."""
import json, os, pathlib, statistics, subprocess, sys

ours, python, nets, rounds = sys.argv[1], sys.argv[2], sys.argv[3].split(","), int(sys.argv[4])
target = sys.argv[5] if len(sys.argv) > 5 else None
here = pathlib.Path(__file__).resolve().parent
# At glibc's defaults PyTorch spends much of a step in page faults; this is the fair setting.
tuned = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295"}
steps = {"mlp": "200", "cnn": "15", "dw": "12", "res": "10"}


def run(command, extra):
    core = ["taskset", "-c", "0"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **extra}
    r = subprocess.run(core + command, capture_output=True, text=True, env=env)
    if r.returncode:
        sys.exit(f"{command}: {r.stderr[-500:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


sides = [("evolve", "default"), ("evolve_standard", "default"), ("eager", "default"), ("eager", "tuned"), ("channels_last", "tuned")]
rows = {}
for _ in range(rounds):
    for net in nets:
        for mode, malloc in sides:
            if mode.startswith("evolve"):
                spelling = "portable" if mode == "evolve_standard" else "kernels"
                r = run([ours, net, spelling, steps[net]], {})
            else:
                r = run([python, str(here / "torch_step.py"), net, mode, steps[net]], tuned if malloc == "tuned" else {})
            rows.setdefault((net, mode, malloc), []).append(r)

result = []
for (net, mode, malloc), runs in rows.items():
    result.append({"net": net, "mode": mode, "malloc": malloc,
                   "ms_cpu": statistics.median(r["ms_cpu"] for r in runs),
                   "ms_wall_min": min(r["ms_wall_min"] for r in runs),
                   "first_step_ms": min(r["first_step_ms"] for r in runs),
                   "peak_mb": max(r["peak_mb"] for r in runs)})
print(f"{'net':5} {'mode':16} {'malloc':8} {'ms cpu':>8} {'ms min':>8} {'samples/s':>10} {'first ms':>9} {'MB':>6}  speed against eager, tuned")
for r in result:
    eager = next(x for x in result if (x["net"], x["mode"], x["malloc"]) == (r["net"], "eager", "tuned"))
    print(f"{r['net']:5} {r['mode']:16} {r['malloc']:8} {r['ms_cpu']:8.2f} {r['ms_wall_min']:8.2f} {128e3 / r['ms_cpu']:10.0f} "
          f"{r['first_step_ms']:9.1f} {r['peak_mb']:6.0f}  {eager['ms_cpu'] / r['ms_cpu']:.2f}")
if target:
    pathlib.Path(target).write_text(json.dumps(result, indent=1))
