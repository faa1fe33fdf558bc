"""Times a training step of PyTorch on one thread: torch_step.py NET eager|channels_last|compile SECONDS.

Prints one JSON object: CPU milliseconds a step (median), wall milliseconds (minimum), the first step's with the making of
the net, peak memory, parameters. Where PyTorch cannot compile, the object says why under `unavailable`."""
import json, resource, sys, time

import torch
from nets import NETS

# As in step.rs.
WARM_UP, LEAST, MOST = 3, 5, 400

name, mode, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
spec = NETS[name]
torch.set_num_threads(1)
torch.manual_seed(0)
layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
x = torch.randn(spec.batch, *spec.shape).contiguous(memory_format=layout)
classified = spec.classes > 1
y = torch.arange(spec.batch) % spec.classes if classified else torch.randn(spec.batch)
loss_of = torch.nn.CrossEntropyLoss() if classified else torch.nn.MSELoss()


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(net(x), y)
    loss.backward()
    optimizer.step()


# A process pays once for these imports, not for each net.
torch.optim.Adam([torch.zeros(1, requires_grad=True)])
if mode == "compile":
    import torch._inductor.compile_fx
began = time.perf_counter()
net = spec.make().to(memory_format=layout)
parameters = sum(p.numel() for p in net.parameters())
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
if mode == "compile":
    net = torch.compile(net)
try:
    step()
except Exception as e:
    if mode != "compile":
        raise
    print(json.dumps({"unavailable": f"{type(e).__name__}: {e}".splitlines()[0]}))
    sys.exit()
first = time.perf_counter() - began
for _ in range(WARM_UP):
    step()
cpu, wall = [], []
began = time.perf_counter()
while len(cpu) < LEAST or (len(cpu) < MOST and time.perf_counter() - began < seconds):
    c, w = time.process_time(), time.perf_counter()
    step()
    cpu.append(time.process_time() - c)
    wall.append(time.perf_counter() - w)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"ms_cpu": sorted(cpu)[len(cpu) // 2] * 1e3, "ms_wall_min": min(wall) * 1e3, "first_step_ms": first * 1e3,
                  "peak_mb": peak, "parameters": parameters}))
