#!/usr/bin/env python3
"""Whole studies, measured from outside: python3 benches/studies.py CHECK DATA [options].

DATA is a folder that holds a folder for each data set: train.csv, test.csv and meta.json (with "target") for a table,
the data itself for images. Needs the release binary (cargo build --release) and Python's standard library.

  quality     runs with default settings and a budget; scores on the test files
  overhead    what a run spends outside training and scoring
  workers     candidates a minute with two workers against one
  memory      resident memory over a study of many candidates
  strategies  the strategies against each other at equal numbers of training examples
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXE = ROOT / "target/release/evolve"


class Data:
    """A data set by its name."""

    def __init__(self, folder, name):
        self.name, self.folder = name, pathlib.Path(folder) / name
        self.table = (self.folder / "train.csv").exists()
        meta = json.loads((self.folder / "meta.json").read_text()) if self.table else {}
        self.target = ["--target", meta["target"]] if self.table else []
        arrays = next(self.folder.glob("*.npz"), self.folder)
        self.train = self.folder / "train.csv" if self.table else arrays
        self.test = self.folder / "test.csv" if self.table else arrays


def run(data, out, *options):
    """Runs a study from its beginning and returns its wall time in seconds."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    command = [EXE, "run", data.train, *data.target, "--out", out, "--quiet", *map(str, options)]
    subprocess.run(list(map(str, command)), check=True)
    return time.monotonic() - began


def journal(out):
    return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]


def candidates(out):
    return [r for r in journal(out) if r["event"] == "candidate"]


def scores(data, model):
    command = [EXE, "score", model, data.test, *data.target, "--json"]
    return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout)


def quality(args, folder):
    for name in args.sets or ["adult", "letter", "digits", "emoji_rgb", "concrete", "diamonds"]:
        data, out = Data(args.data, name), folder / name
        wall = run(data, out, "--budget", args.budget, "--seed", args.seed)
        tried = candidates(out)
        found = scores(data, out / "best.onnx")
        parameters = json.loads((out / "report.json").read_text())["parameters"]
        print(f"{name}: {found} after {wall:.0f} s, {len(tried)} candidates, {parameters} parameters", flush=True)


def main_thread(process):
    """Seconds of the processor that a process's first thread, which searches and journals, has used so far."""
    try:
        text = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/stat").read_text()
    except FileNotFoundError:
        return None
    user, system = text.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def overhead(args, folder):
    for name in args.sets or ["adult", "concrete"]:
        data, out = Data(args.data, name), folder / name
        shutil.rmtree(out, ignore_errors=True)
        options = ["--candidates", args.candidates, "--seed", args.seed, "--workers", 1]
        command = [EXE, "run", data.train, *data.target, "--out", out, "--quiet", *options]
        process, seen = subprocess.Popen(list(map(str, command))), []
        while process.poll() is None:
            used, path = main_thread(process), out / "journal.jsonl"
            if used is not None and path.exists():
                seen.append((sum(b'"event":"candidate"' in line for line in path.read_bytes().splitlines()), used))
            time.sleep(0.1)
        tried = candidates(out)
        ends = [c["timing"]["started"] + c["timing"]["seconds"] for c in tried]
        # The search phase: from the first training's beginning to the last one's end.
        whole = max(ends) - tried[0]["timing"]["started"]
        idle = whole - sum(c["timing"]["seconds"] for c in tried)
        # Beside a training the search takes no wall time where a core is free, so its processor time counts as well.
        busy = next(u for n, u in seen if n >= len(tried)) - seen[0][1]
        shares = f"{100 * idle / whole:.2f} % between trainings, {100 * busy / whole:.2f} % of a core beside them"
        print(f"{name}: search of {whole:.1f} s, {shares}", flush=True)


def workers(args, folder):
    for name in args.sets or ["letter"]:
        data, rates = Data(args.data, name), {1: [], 2: []}
        for turn in range(args.rounds):
            for count in (1, 2):
                out = folder / f"{name}{count}"
                run(data, out, "--candidates", args.candidates, "--seed", args.seed, "--workers", count)
                tried = candidates(out)
                ends = [c["timing"]["started"] + c["timing"]["seconds"] for c in tried]
                rates[count].append(60 * len(tried) / (max(ends) - tried[0]["timing"]["started"]))
        gain = statistics.median(rates[2]) / statistics.median(rates[1])
        print(f"{name}: two workers {gain:.2f} times one; candidates a minute {rates}", flush=True)


def resident(process):
    """Resident bytes of a process; None once it has ended."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return None
    lines = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0]) * 1024 if lines else None


def memory(args, folder):
    for name in args.sets or ["iris"]:
        data, out = Data(args.data, name), folder / name
        shutil.rmtree(out, ignore_errors=True)
        options = ["--candidates", args.candidates, "--examples", args.examples, "--seed", args.seed]
        command = [EXE, "run", data.train, *data.target, "--out", out, "--quiet", *options]
        process, seen = subprocess.Popen(list(map(str, command))), []
        while process.poll() is None:
            held, path = resident(process), out / "journal.jsonl"
            if held and path.exists():
                with open(path, "rb") as file:
                    seen.append((sum(1 for _ in file), held / 2**20))
            time.sleep(0.25)
        early = [m for n, m in seen if 150 <= n <= 250]
        late = [m for n, m in seen if n >= args.candidates - 100]
        grown = statistics.median(late) / statistics.median(early) - 1
        marks = [next((f"{n}: {m:.0f}" for n, m in seen if n >= mark), "") for mark in range(0, args.candidates + 1, 200)]
        print(f"{name}: {100 * grown:+.1f} % from candidate 200 to the end; MiB by candidate {marks}", flush=True)


def best_after(out, examples):
    """Best validation score among the candidates that end within so many training examples, in their order."""
    used, best = 0, None
    for c in sorted(candidates(out), key=lambda c: c["number"]):
        used += c["outcome"]["costs"]["examples"]
        if used > examples:
            break
        score = c["outcome"].get("score")
        best = score if best is None or (score is not None and score > best) else best
    return best


def strategies(args, folder):
    for name in args.sets or ["concrete", "letter", "digits"]:
        data, names = Data(args.data, name), args.strategies
        jobs = [(strategy, seed) for seed in range(args.seeds) for strategy in names]

        def one(job):
            strategy, seed = job
            # Short trainings count less, so a strategy that has them gets more candidates for its examples.
            count = args.candidates * (1 if strategy == "random" else 3)
            out = folder / f"{name}-{strategy}-{seed}"
            options = ["--strategy", strategy, "--seed", seed, "--candidates", count, "--examples", args.examples]
            run(data, out, *options, "--workers", 1)
            return best_after(out, args.candidates * args.examples)

        with concurrent.futures.ThreadPoolExecutor(args.parallel) as pool:
            found = dict(zip(jobs, pool.map(one, jobs)))
        values = {s: [found[s, seed] for seed in range(args.seeds)] for s in names}
        medians = {s: round(statistics.median(v), 5) for s, v in values.items()}
        first = values[names[0]]
        wins = {s: sum(a > b for a, b in zip(first, values[s])) for s in names[1:]}
        print(f"{name}: medians {medians}; of {args.seeds} seeds {names[0]} is better than {wins}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks = {f.__name__: f for f in (quality, overhead, workers, memory, strategies)}
    parser.add_argument("check", choices=checks)
    parser.add_argument("data")
    parser.add_argument("--sets", nargs="+", help="names of data sets")
    parser.add_argument("--strategies", nargs="+", default=["ga", "random"], help="the first is compared with the others")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the studies, which are otherwise deleted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        checks[args.check](args, folder)


if __name__ == "__main__":
    main()
