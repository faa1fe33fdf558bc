"""The nets of ../nets/mod.rs in PyTorch, layer for layer."""
import torch
from torch import nn


def conv(inputs, outputs, kernel=3, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def cbr(inputs, outputs, **kw):
    return nn.Sequential(conv(inputs, outputs, **kw), nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(cbr(inputs, outputs), conv(outputs, outputs), nn.BatchNorm2d(outputs))
        same = inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(conv(inputs, outputs, kernel=1), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 10)

    def forward(self, x):
        return self.linear(x.mean((2, 3)))


def mlp():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)), (784,)


def cnn():
    layers = [cbr(1, 32), nn.MaxPool2d(2), cbr(32, 64), nn.MaxPool2d(2), cbr(64, 128), Head(128)]
    return nn.Sequential(*layers), (1, 28, 28)


def dw():
    block = lambda: nn.Sequential(cbr(64, 64, kernel=1), cbr(64, 64, groups=64))
    return nn.Sequential(cbr(1, 64, stride=2), block(), block(), block(), block(), Head(64)), (1, 28, 28)


def res():
    layers = [cbr(3, 16), Residual(16, 16), nn.MaxPool2d(2), Residual(16, 32), nn.MaxPool2d(2), Residual(32, 64), Head(64)]
    return nn.Sequential(*layers), (3, 32, 32)


NETS = {"mlp": mlp, "cnn": cnn, "dw": dw, "res": res}
