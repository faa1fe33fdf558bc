"""Times a training step of PyTorch on one thread: torch_step.py NET MODE STEPS, MODE eager or channels_last.

Prints one JSON object: CPU milliseconds a step (median), wall milliseconds (minimum), the first step's, peak memory."""
import json, resource, sys, time

import torch
from nets import NETS

name, mode, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
torch.manual_seed(0)
net, shape = NETS[name]()
layout = torch.channels_last if mode == "channels_last" and len(shape) == 3 else torch.contiguous_format
net = net.to(memory_format=layout)
x = torch.randn(128, *shape).contiguous(memory_format=layout)
y = torch.arange(128) % 10
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_of = torch.nn.CrossEntropyLoss()


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(net(x), y)
    loss.backward()
    optimizer.step()
    return loss


began = time.perf_counter()
step()
first = time.perf_counter() - began
for _ in range(2):
    step()
cpu, wall = [], []
for _ in range(steps):
    c, w = time.process_time(), time.perf_counter()
    step()
    cpu.append(time.process_time() - c)
    wall.append(time.perf_counter() - w)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"net": name, "mode": mode, "ms_cpu": sorted(cpu)[steps // 2] * 1e3, "ms_wall_min": min(wall) * 1e3,
                  "first_step_ms": first * 1e3, "peak_mb": peak}))
