"""Runs the sides in turn and prints the table; run.sh calls it with the two programs and passes on its own arguments."""
import argparse, json, os, pathlib, platform, statistics, subprocess, sys, tempfile

import torch
from nets import NETS, choose, chosen

HERE = pathlib.Path(__file__).resolve().parent
# At glibc's defaults PyTorch spends much of a step in page faults; this is the fair setting.
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967295:glibc.malloc.trim_threshold=4294967295"}
# What a process times; fewer than five steps it never does.
SECONDS = "1"
OURS = [("evolve", "default"), ("evolve_standard", "default")]
THEIRS = [(mode, malloc) for mode in ("eager", "channels_last", "compile") for malloc in ("default", "tuned")]


def main():
    parser = argparse.ArgumentParser(prog="benches/peers/run.sh")
    parser.add_argument("step", help=argparse.SUPPRESS)
    parser.add_argument("python", help=argparse.SUPPRESS)
    choose(parser)
    parser.add_argument("--json", type=pathlib.Path, help="where one object for each net, mode and malloc goes")
    args = parser.parse_args()
    nets = chosen(parser, args)
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"{args.json}: there is no such folder")
    core = min(os.sched_getaffinity(0))
    # Both sides inherit it.
    os.sched_setaffinity(0, {core})
    peak = output([args.step, "peak"], {})
    print(f"PyTorch {torch.__version__} and {peak['engine']} on core {core} of {processor()}, "
          f"{peak['gflops']:.0f} GFLOP/s at most with {peak['vectors']}", flush=True)
    with tempfile.TemporaryDirectory(prefix="peers-") as cache:
        runs = measure(args.step, args.python, nets, args.rounds, {"TORCHINDUCTOR_CACHE_DIR": cache})
    rows = [row(side, runs) for side in sorted(runs, key=lambda side: nets.index(side[0]))]
    macs = {net: runs[net, "evolve", "default"][0]["macs"] for net in nets}
    table(rows, macs, peak["gflops"])
    means(rows, nets)
    if args.json:
        kept = ("net", "mode", "malloc", "ms_cpu", "ms_wall_min", "first_step_ms", "peak_mb")
        objects = [{key: r[key] for key in kept} for r in rows if r["mode"] != "evolve_standard"]
        args.json.write_text(json.dumps(objects, indent=1) + "\n")


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def output(command, extra):
    """The last line that a command prints, as JSON."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1", **extra}
    r = subprocess.run(command, capture_output=True, text=True, env=env)
    if r.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {r.returncode}: {r.stderr[-2000:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


def measure(step, python, nets, rounds, cache):
    """What each run of each (net, mode, malloc) printed; what PyTorch cannot do here is left out, with a line."""
    runs, parameters, missing = {}, {}, set()
    for r in range(rounds):
        for net in nets:
            for mode, malloc in OURS + THEIRS:
                if (net, mode) in missing or (mode == "channels_last" and not NETS[net].is_image):
                    continue
                print(f"round {r + 1} of {rounds}: {net}, {mode}, malloc {malloc}", file=sys.stderr, flush=True)
                if (mode, malloc) in OURS:
                    result = output([step, net, "kernels" if mode == "evolve" else "portable", SECONDS], {})
                else:
                    setting = TUNED if malloc == "tuned" else {}
                    result = output([python, str(HERE / "torch_step.py"), net, mode, SECONDS], {**cache, **setting})
                if "unavailable" in result:
                    missing.add((net, mode))
                    print(f"{net}: PyTorch's mode {mode} is not available here: {result['unavailable']}", flush=True)
                    continue
                expected = parameters.setdefault(net, result["parameters"])
                if result["parameters"] != expected:
                    sys.exit(f"{net} has {expected} parameters here and {result['parameters']} in PyTorch")
                runs.setdefault((net, mode, malloc), []).append(result)
    return runs


def row(side, runs):
    net, mode, malloc = side
    results = runs[side]
    first = min(r["first_step_ms"] for r in results)
    if mode == "compile":
        # All but one of its runs find the code in the cache.
        first = max(r["first_step_ms"] for s, results in runs.items() for r in results if s[:2] == (net, mode))
    return {
        "net": net, "mode": mode, "malloc": malloc,
        "ms_cpu": statistics.median(r["ms_cpu"] for r in results),
        "ms_wall_min": min(r["ms_wall_min"] for r in results),
        "first_step_ms": first,
        "peak_mb": max(r["peak_mb"] for r in results),
    }


def fastest(rows, net, wanted):
    """The row of a net with the least processor time among those with the wanted modes and settings."""
    return min((r for r in rows if r["net"] == net and wanted(r)), key=lambda r: r["ms_cpu"], default=None)


# What speeds are given against: a title, and which rows it means.
AGAINST = {
    "eager tuned": lambda r: (r["mode"], r["malloc"]) == ("eager", "tuned"),
    "fastest": lambda r: not r["mode"].startswith("evolve"),
    "compile": lambda r: r["mode"] == "compile",
}


def table(rows, macs, peak):
    print("Samples a second by the median of CPU time; GF/s over the core's most; speeds against PyTorch eager with tuned "
          "malloc and against the fastest of its modes and settings.\n")
    print("| net | mode | malloc | ms CPU | ms least | samples/s | GF/s | of peak | first ms | peak MB | against eager | "
          "against fastest |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for r in rows:
        gflops = 2e-6 * macs[r["net"]] / r["ms_cpu"]
        speeds = [fastest(rows, r["net"], AGAINST[key])["ms_cpu"] / r["ms_cpu"] for key in ("eager tuned", "fastest")]
        cells = [r["net"], r["mode"], r["malloc"], f"{r['ms_cpu']:.2f}", f"{r['ms_wall_min']:.2f}",
                 f"{1e3 * NETS[r['net']].batch / r['ms_cpu']:.0f}", f"{gflops:.1f}", f"{100 * gflops / peak:.0f} %",
                 f"{r['first_step_ms']:.1f}", f"{r['peak_mb']:.0f}", *(f"{speed:.2f}" for speed in speeds)]
        print("|", " | ".join(cells), "|")


def means(rows, nets):
    """Geometric means of our speed, by processor time and by least wall time."""
    print()
    for title, wanted in AGAINST.items():
        pairs = [(fastest(rows, n, lambda r: r["mode"] == "evolve"), fastest(rows, n, wanted)) for n in nets]
        pairs = [(ours, theirs) for ours, theirs in pairs if theirs]
        if not pairs:
            print(f"evolve against {title}: not measured")
            continue
        cpu, wall = ([theirs[key] / ours[key] for ours, theirs in pairs] for key in ("ms_cpu", "ms_wall_min"))
        worst, net = min((ratio, ours["net"]) for ratio, (ours, _) in zip(cpu, pairs))
        print(f"evolve against {title}: geometric mean {statistics.geometric_mean(cpu):.2f} "
              f"({statistics.geometric_mean(wall):.2f} by least wall time), least {net} {worst:.2f}")


if __name__ == "__main__":
    main()
