"""The nets of ../nets in PyTorch, layer for layer."""
from typing import Callable, NamedTuple

import torch
from torch import nn


def conv(inputs, outputs, kernel=3, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def cb(inputs, outputs, **kw):
    return nn.Sequential(conv(inputs, outputs, **kw), nn.BatchNorm2d(outputs))


def cbr(inputs, outputs, **kw):
    return nn.Sequential(*cb(inputs, outputs, **kw), nn.ReLU())


class Added(nn.Module):
    """A body added to its input, which `shortcut` brings to the body's shape; then, where wanted, ReLU."""

    def __init__(self, body, shortcut=None, activate=True):
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()
        self.last = nn.ReLU() if activate else nn.Identity()

    def forward(self, x):
        return self.last(self.body(x) + self.shortcut(x))


def residual(inputs, outputs):
    body = nn.Sequential(cbr(inputs, outputs), cb(outputs, outputs))
    return Added(body, None if inputs == outputs else cb(inputs, outputs, kernel=1))


class Concat(nn.Module):
    """Branches side by side."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Dense(nn.Module):
    """Layers that each read all before them; gives all of it."""

    def __init__(self, inputs, growth, layers):
        super().__init__()
        self.layers = nn.ModuleList(cbr(inputs + i * growth, growth) for i in range(layers))

    def forward(self, x):
        parts = [x]
        for layer in self.layers:
            parts.append(layer(torch.cat(parts, 1)))
        return torch.cat(parts, 1)


class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 10)

    def forward(self, x):
        return self.linear(x.mean((2, 3)))


class PiecewiseLinear(nn.Module):
    """Position of each number in bins of equal width from -1 to 1, the first open below and the last above."""

    def __init__(self, features, bins):
        super().__init__()
        start = torch.linspace(-1, 1, bins + 1)[:-1]
        low, high = torch.zeros(bins), torch.ones(bins)
        low[0], high[-1] = -torch.inf, torch.inf
        slope = torch.full((features, bins), bins / 2)
        for name, value in {"slope": slope, "shift": -start * slope, "low": low, "high": high}.items():
            self.register_buffer(name, value)

    def forward(self, x):
        return torch.addcmul(self.shift, x[..., None], self.slope).clamp(self.low, self.high)


class FeatureLinear(nn.Module):
    """A linear layer for each feature."""

    def __init__(self, features, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, inputs, outputs).uniform_(-1, 1) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(features, outputs))

    def forward(self, x):
        return (x.transpose(0, 1) @ self.weight).transpose(0, 1) + self.bias


def mlp():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def small_mlp():
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))


def wide():
    layers = [layer for inputs in (64, 1024, 1024) for layer in (nn.Linear(inputs, 1024), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(1024, 1), nn.Flatten(0))


def tabular():
    block = lambda: Added(
        nn.Sequential(nn.BatchNorm1d(256), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256)), activate=False)
    embedding = [PiecewiseLinear(16, 16), FeatureLinear(16, 16, 12), nn.ReLU(), nn.Flatten()]
    entry = [nn.Linear(16 * 12, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU()]
    return nn.Sequential(*embedding, *entry, block(), block(), block(), nn.Linear(256, 10))


def cnn():
    return nn.Sequential(cbr(1, 32), nn.MaxPool2d(2), cbr(32, 64), nn.MaxPool2d(2), cbr(64, 128), Head(128))


def dw():
    block = lambda: nn.Sequential(cbr(64, 64, kernel=1), cbr(64, 64, groups=64))
    return nn.Sequential(cbr(1, 64, stride=2), block(), block(), block(), block(), Head(64))


def res():
    return nn.Sequential(
        cbr(3, 16), residual(16, 16), nn.MaxPool2d(2), residual(16, 32), nn.MaxPool2d(2), residual(32, 64), Head(64))


def inception():
    def block(inputs, outputs):
        width = outputs // 4
        first = lambda: cbr(inputs, width, kernel=1)
        pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), first())
        branches = [first(), nn.Sequential(first(), cbr(width, width)),
                    nn.Sequential(first(), cbr(width, width), cbr(width, width)), pooled]
        return nn.Sequential(Concat(*branches), cbr(4 * width, outputs, kernel=1))

    return nn.Sequential(
        cbr(3, 32), nn.MaxPool2d(2), block(32, 64), block(64, 64), nn.MaxPool2d(2), block(64, 128), Head(128))


def dense():
    def block(inputs, outputs):
        growth = outputs // 4
        return nn.Sequential(Dense(inputs, growth, 4), cbr(inputs + 4 * growth, outputs, kernel=1))

    return nn.Sequential(cbr(3, 32), nn.MaxPool2d(2), block(32, 64), nn.MaxPool2d(2), block(64, 128), Head(128))


def bottleneck():
    def block(inputs, outputs, stride=1):
        hidden = outputs // 2
        spatial = cbr(hidden, hidden, kernel=5, stride=stride, groups=hidden)
        body = nn.Sequential(cbr(inputs, hidden, kernel=1), spatial, cb(hidden, outputs, kernel=1))
        return Added(body, None if inputs == outputs else cb(inputs, outputs, kernel=1, stride=stride))

    return nn.Sequential(cbr(3, 32), block(32, 32), block(32, 32), block(32, 64, 2), block(64, 64),
                         block(64, 128, 2), block(128, 128), Head(128))


def odd():
    return nn.Sequential(cbr(3, 12), nn.MaxPool2d(2), cbr(12, 20), residual(20, 20), nn.MaxPool2d(2), cbr(20, 40),
                         residual(40, 40), Head(40))


def series():
    def layer(inputs, dilation):
        conv = nn.Conv2d(inputs, 32, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(32), nn.ReLU())

    return nn.Sequential(layer(1, 1), *(Added(layer(32, 2**i), activate=False) for i in range(6)), Head(32))


class Net(NamedTuple):
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int = 128
    classes: int = 10

    @property
    def is_image(self):
        return len(self.shape) == 3


NETS = {
    "mlp": Net(mlp, (784,)),
    "wide": Net(wide, (64,), 256, 1),
    "tabular": Net(tabular, (16,), 256),
    "cnn": Net(cnn, (1, 28, 28)),
    "cnn32": Net(cnn, (1, 28, 28), 32),
    "cnn512": Net(cnn, (1, 28, 28), 512),
    "dw": Net(dw, (1, 28, 28)),
    "res": Net(res, (3, 32, 32)),
    "inception": Net(inception, (3, 32, 32)),
    "dense": Net(dense, (3, 32, 32)),
    "bottleneck": Net(bottleneck, (3, 32, 32)),
    "odd": Net(odd, (3, 32, 32)),
    "series": Net(series, (1, 1, 512)),
}
# Of which several train as one graph.
MEMBERS = {"small_mlp": Net(small_mlp, (16,), 32, 3)}


def choose(parser):
    """Adds the arguments that all benches of these nets have."""
    parser.add_argument("--nets", default=",".join(NETS), help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is run")


def chosen(parser, args):
    """Names of the nets that are asked for; what cannot be asked for ends the program."""
    nets = args.nets.split(",")
    if unknown := [n for n in nets if n not in NETS]:
        parser.error(f"unknown nets {', '.join(unknown)}; there are {', '.join(NETS)}")
    if args.rounds < 1:
        parser.error("at least one round")
    return nets
