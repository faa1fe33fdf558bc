"""Training steps a second on a device: `gpu.py compare STEP [--nets a,b] [--rounds N] [--device cuda|cpu]` runs both sides in
turn and prints the table, `gpu.py step NET MODE DEVICE SECONDS` is PyTorch's side. TF32 is on on both; ours writes each batch
and reads each loss, PyTorch's batch lies on the device and its losses stay there. Without a device `--device cpu` shows that
all of it runs, not how fast a device is."""
import argparse, json, statistics, subprocess, sys, time

import torch
from nets import MEMBERS, NETS, choose, chosen

# As in step.rs.
WARM_UP, LEAST = 3, 5
SECONDS = "2"
# Members of a population, and the net that they are.
COUNT, MEMBER = 64, "small_mlp"
MODES = {"cpu": ["eager", "compile"], "cuda": ["eager", "compile", "cuda_graphs"]}


def main():
    if sys.argv[1:2] == ["step"]:
        name, mode, device, seconds = sys.argv[2:]
        print(json.dumps({"steps_per_second": rate(name, mode, device, float(seconds))}))
    else:
        compare()


def rate(name, mode, device, seconds):
    """Steps a second of PyTorch."""
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    spec = {**NETS, **MEMBERS}[name]
    x, y = torch.randn(spec.batch, *spec.shape), torch.arange(spec.batch) % spec.classes
    y = y if spec.classes > 1 else torch.randn(spec.batch)
    loss_of = torch.nn.CrossEntropyLoss() if spec.classes > 1 else torch.nn.MSELoss()
    x, y, net = x.to(device), y.to(device), spec.make().to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, capturable=mode == "cuda_graphs")
    forward = torch.compile(net) if mode == "compile" else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(forward(x), y).backward()
        optimizer.step()

    if mode == "cuda_graphs":
        step = captured(step)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(WARM_UP):
        step()
    wait()
    steps, began = 0, time.perf_counter()
    while steps < LEAST or time.perf_counter() - began < seconds:
        step()
        steps += 1
    wait()
    return steps / (time.perf_counter() - began)


def captured(step):
    """Captures a step after it has run on a stream of its own, and gives what replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def compare():
    parser = argparse.ArgumentParser(prog="benches/gpu.sh")
    parser.add_argument("compare", choices=["compare"], help=argparse.SUPPRESS)
    parser.add_argument("step", help=argparse.SUPPRESS)
    choose(parser)
    parser.add_argument("--device", choices=list(MODES), default="cuda")
    args = parser.parse_args()
    nets = chosen(parser, args)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no CUDA device here; --device cpu shows that the bench runs")
    name = torch.cuda.get_device_name() if args.device == "cuda" else "the CPU"
    print(f"PyTorch {torch.__version__} on {name}, {args.rounds} rounds\n\n| net | mode | steps/s | against eager |\n"
          "| --- | --- | --- | --- |", flush=True)
    modes = ["evolve", *MODES[args.device]]
    for net in nets:
        rates = {mode: median(args, net, mode) for mode in modes}
        for mode, steps in rates.items():
            print(f"| {net} | {mode} | {steps:.1f} | {steps / rates['eager']:.2f} |", flush=True)
    alone, together = median(args, MEMBER, "eager"), COUNT * median(args, MEMBER, "evolve", COUNT)
    print(f"\n{COUNT} of {MEMBER} as one graph: {together:.0f} members' steps a second, one after another in PyTorch eager "
          f"{alone:.0f}: {together / alone:.1f} times")


def median(args, net, mode, members=1):
    """Median of the rounds; each is a process of its own."""
    ours = [args.step, net, "on", args.device, str(members), SECONDS]
    command = ours if mode == "evolve" else [sys.executable, __file__, "step", net, mode, args.device, SECONDS]
    rates = []
    for _ in range(args.rounds):
        r = subprocess.run(command, capture_output=True, text=True)
        if r.returncode:
            sys.exit(f"{' '.join(command)}: exit {r.returncode}: {r.stderr[-2000:]}")
        # Such as that steps cannot be captured.
        sys.stderr.write(r.stderr if mode == "evolve" else "")
        rates.append(json.loads(r.stdout.strip().splitlines()[-1])["steps_per_second"])
    return statistics.median(rates)


if __name__ == "__main__":
    main()
