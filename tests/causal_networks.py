"""Networks for tests of causal graphs, and the effects of their edges measured the naive way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hodology.interpret.causal_effects import class_value
from hodology.interpret.causal_runs import Runs
from hodology.interpret.edge_sets import EdgeSet, cut
from hodology.nn.models import SmallCNN
from hodology.nn.taps import evaluation_mode


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.down = None
        if stride > 1 or before != after:
            self.down = nn.Sequential(nn.Conv2d(before, after, 1, stride), nn.BatchNorm2d(after))

    def forward(self, x):
        skip = x if self.down is None else self.down(x)
        h = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        h += skip
        return self.relu(h)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.one, self.two = Block(4, 4), Block(4, 5, 2)
        self.fc = nn.Linear(5, 4)

    def forward(self, x):
        x = F.relu_(self.bn(self.stem(x)))
        return self.fc(self.two(self.one(x)).mean((2, 3)))


class OddSums(nn.Module):
    """Sums with a factor, of a unit with itself, of constants, and of the input; the input is changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 4)
        self.bn = nn.BatchNorm1d(5)
        self.p, self.q = nn.Parameter(torch.randn(1, 5)), nn.Parameter(torch.randn(5))

    def forward(self, x):
        x.mul_(2).sub_(0.5)
        h = self.a(input=x) * (self.p + self.q)
        h = torch.add(torch.tanh(h), self.bn(h), alpha=-0.7)
        _ = h + x  # unused: names of later sums must not shift
        h = h + x
        return self.c(F.gelu(self.b(h)) + h) + torch.arange(4)


class Hf(nn.Module):
    def __init__(self, kind) -> None:
        super().__init__()
        transformers = pytest.importorskip("transformers", reason="needs the hf extra")
        config = transformers.ResNetConfig(
            embedding_size=3, hidden_sizes=[4, 4], depths=[1, 1], layer_type=kind, num_labels=4
        )
        self.inner = transformers.ResNetForImageClassification(config)

    def forward(self, x):
        return self.inner(x).logits


class Reduced(nn.Module):
    """Global pooling as functions write it."""

    def forward(self, x):
        return x.sum(-1, keepdim=True).amax(dim=(2, 3))


def _cnn(*middle, channels=4, head=None):
    """Two convolutions with something between, and a linear head on what is left."""
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *middle, nn.Conv2d(channels, 3, 3))
    with torch.no_grad():
        size = body(torch.zeros(2, 3, 6, 6)).flatten(1).shape[1]
    return nn.Sequential(*body, *(head or (nn.ReLU(), nn.Flatten(), nn.Linear(size, 4))))


IMAGE = (3, 6, 6)
NETWORKS = {
    "cnn with norm and pooling": lambda: _cnn(
        nn.BatchNorm2d(4), nn.ReLU(), nn.ReflectionPad2d(2), nn.MaxPool2d(2)
    ),
    "mlp without bias": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(108, 5, bias=False), nn.Tanh(), nn.Linear(5, 5, bias=False), nn.ReLU(),
        nn.Linear(5, 4, bias=False),
    ),
    "skips": Residual,
    "hf basic": lambda: Hf("basic"),
    "hf bottleneck": lambda: Hf("bottleneck"),
    "ends in pooling": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "ends in log softmax": lambda: _cnn(
        nn.ReLU(), head=(nn.ReLU(), nn.Flatten(), nn.Linear(48, 4), nn.LogSoftmax(1))
    ),
    "average pooling": lambda: _cnn(nn.ReLU(), nn.AvgPool2d(3, 1, 1), nn.AdaptiveAvgPool2d(4)),
    "adaptive max and upsampling": lambda: _cnn(
        nn.AdaptiveMaxPool2d(3), nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=1.5, mode="bilinear")
    ),
    "leaky": lambda: _cnn(nn.LeakyReLU(), nn.Dropout2d()),
    "gelu": lambda: _cnn(nn.GELU(), nn.ELU()),
    "silu": lambda: _cnn(nn.SiLU(inplace=True), nn.Hardswish(), nn.Softplus()),
    "largest and sum over places": lambda: _cnn(nn.ReLU(), head=(nn.SiLU(), Reduced(), nn.Linear(3, 4))),
    "one prelu": lambda: _cnn(nn.PReLU()),
    "prelu per channel": lambda: _cnn(nn.PReLU(4)),
    "prelu of units": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(108, 4), nn.PReLU(4), nn.Linear(4, 4)
    ),
    "norm behind flattening": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(64), nn.PReLU(64), nn.Linear(64, 4)
    ),
    "strides and dilation": lambda: nn.Sequential(
        nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(2, 1)), nn.ReLU(),
        nn.Conv2d(4, 3, 2, dilation=2, padding=1, bias=False), nn.ReLU(),
        nn.Conv2d(3, 3, 3, padding="same"), nn.Flatten(1), nn.LazyLinear(4),
    ),
    "reflected and replicated borders": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU(),
        nn.Conv2d(4, 3, 3, padding=(1, 2), padding_mode="replicate", stride=2), nn.ReLU(),
        nn.Flatten(), nn.LazyLinear(4),
    ),
    "one channel": lambda: nn.Sequential(
        nn.Conv2d(3, 1, 3), nn.BatchNorm2d(1), nn.PReLU(1), nn.Conv2d(1, 1, 2), nn.SiLU(), nn.Flatten(),
        nn.Linear(9, 1), nn.Tanh(), nn.Linear(1, 4),
    ),
}  # fmt: skip
OTHERS = {
    "odd sums": (OddSums, (5,)),
    "series": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(4, 4, 3), nn.PReLU(4), nn.AvgPool1d(2), nn.Conv1d(4, 4, 2, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 4),
        ),
        (3, 14),
    ),
    "volumes": (
        lambda: nn.Sequential(
            nn.Conv3d(2, 3, 3, padding=1), nn.BatchNorm3d(3), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(3, 4, 2),
            nn.ReLU(), nn.AvgPool3d(2, 1), nn.Conv3d(4, 3, 1), nn.GELU(), nn.AdaptiveMaxPool3d(1),
            nn.Flatten(), nn.Linear(3, 4),
        ),
        (2, 6, 6, 6),
    ),
}  # fmt: skip


def prepared(model, shape, rows=5):
    """In eval mode, with norms that are not those of the start, and a batch for it."""
    x = torch.randn(rows, *shape)
    with torch.no_grad():
        model.eval()(x.clone())  # lazy layers
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.4, 0.4)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return model, x


def network(name):
    torch.manual_seed(len(name))
    build, shape = OTHERS[name] if name in OTHERS else (NETWORKS[name], IMAGE)
    return prepared(build(), shape)


# Naive effects


def every_edge(runs, stage):
    if stage.kind == "add":
        return np.array([(b, u, u) for b in range(2) for u in range(stage.units)]).T
    return np.array([(0, s, u) for u in range(stage.units) for s in range(runs.sources(stage))]).T


def every_effect(model, x, *, target=1, effect="logodds", size=64, unit="channel"):
    """Effects of every edge of every layer, accepted or not: (edges, samples) by layer."""
    with evaluation_mode(model), torch.no_grad():
        runs = Runs(model, x, size, by_column=unit == "neuron")
        found = {}
        for stage in runs.stages:
            if stage.kind != "input":
                edges = every_edge(runs, stage)
                columns = tuple(torch.from_numpy(c) for c in edges)
                values = runs.all(stage, target, effect, lambda run: run.effects(*columns))  # noqa: B023
                found[stage.name] = edges, values, runs.sources(stage), stage.kind
    return found


def evidence(model, x, target=1, effect="logodds"):
    with torch.no_grad():
        return class_value(model(x.clone()), target, effect).double().numpy()


def naive_evidence(model, x, layer, kind, edge, sources, **options):
    """The effect of one edge with its weights set to zero and the whole network run."""
    branch, source, unit = (int(v) for v in edge)
    if kind == "add":
        weighted = EdgeSet.from_edges([(layer, branch, unit)], {layer: (2, sources)})
        with cut(model, weighted):
            return evidence(model, x, **options)
    weight = model.get_submodule(layer).weight.data
    block = weight.shape[1] // sources
    held = weight[unit, source * block : (source + 1) * block].clone()
    weight[unit, source * block : (source + 1) * block] = 0.0
    found = evidence(model, x, **options)
    weight[unit, source * block : (source + 1) * block] = held
    return found


def worst_error(model, x, measured, **options):
    clean = evidence(model, x, **options)
    return max(
        np.abs(clean - naive_evidence(model, x, layer, kind, edge, sources, **options) - value).max()
        for layer, (edges, values, sources, kind) in measured.items()
        for edge, value in zip(edges.T, values, strict=True)
    )


def class_images(model, shape, count, seed=0):
    """Images that the model gives to one class: the images, the class."""
    x = torch.rand(40 * count, *shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        said = model.eval()(x).argmax(dim=1)
    target = int(said.bincount().argmax())
    return x[said == target][:count], target


def strong_cnn():
    """A random CNN with strong weights, and 40 images of its commonest class."""
    model = SmallCNN(filters=(4, 5), hidden=6, classes=4, rng=8).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.5)
    return model, *class_images(model, (1, 8, 8), 40)
