"""Networks whose units mix in ways that edges cannot tell are refused, with the name of what mixes them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from causal_networks import IMAGE
from hodology.errors import InputError
from hodology.interpret.causal_graph import causal_graph
from hodology.nn.models import VisionTransformer
from model_hooks import hook_count


class Odd(nn.Module):
    """Modules by name, and what is done with them."""

    def __init__(self, what, **modules) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.what = what

    def forward(self, x):
        return self.what(self, x)


def _head(model, x):
    return model.fc(x.mean((2, 3)))


def _tied():
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    b.weight = a.weight
    return Odd(lambda m, x: m.fc(m.b(torch.relu(m.a(x.mean((2, 3)))))), a=a, b=b, fc=nn.Linear(3, 4))


def _pruned():
    from torch.nn.utils import prune

    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4))
    prune.random_unstructured(model[2], "weight", 0.3)
    return model


REFUSED = {
    "grouped": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Flatten(), nn.LazyLinear(4)),
        "module '0' is a convolution with 3 groups",
    ),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 3, 2), nn.Flatten(), nn.LazyLinear(4)),
        "module '0' is a transposed convolution",
    ),
    "called twice": (
        lambda: Odd(lambda m, x: _head(m, m.c(torch.relu(m.c(x)))), c=nn.Conv2d(3, 3, 3), fc=nn.Linear(3, 4)),
        r"the weights of 'c' are used more than once in a pass \(called twice",
    ),
    "tied": (_tied, "the weights of 'a' are used more than once .* tied to those of another module"),
    "batch statistics": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False), nn.Flatten(), nn.LazyLinear(4)
        ),
        "operation '.*batch_norm' before '3' moves, joins or widens channels, or joins rows of the batch",
    ),
    "layer norm": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(108, 5), nn.LayerNorm(5), nn.Linear(5, 4)),
        "'native_layer_norm' stands before '3' and is not known to keep channels apart",
    ),
    "concatenation": (
        lambda: Odd(lambda m, x: _head(m, torch.cat([m.c(x), x], 1)), c=nn.Conv2d(3, 3, 1), fc=nn.Linear(6, 4)),
        "operation 'cat' stands before 'fc'",
    ),
    "channel shuffle": (
        lambda: Odd(lambda m, x: _head(m, m.c(x).roll(1, 1)), c=nn.Conv2d(3, 3, 1), fc=nn.Linear(3, 4)),
        "operation 'roll' stands before 'fc'",
    ),
    "gate": (
        lambda: Odd(lambda m, x: _head(m, x * torch.sigmoid(m.c(x))), c=nn.Conv2d(3, 3, 1), fc=nn.Linear(3, 4)),
        "operation 'mul' stands before 'fc'",
    ),
    "padded channels": (
        lambda: Odd(
            lambda m, x: _head(m, m.c(x) + F.pad(x, (0, 0, 0, 0, 1, 2))), c=nn.Conv2d(3, 6, 1), fc=nn.Linear(6, 4)
        ),
        r"operation 'constant_pad_nd' before '\+' moves, joins or widens channels",
    ),
    "widened channels": (
        lambda: Odd(
            lambda m, x: _head(m, m.c(x[:, :1] - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1))),
            c=nn.Conv2d(3, 3, 1), fc=nn.Linear(3, 4),
        ),
        "operation 'sub' before 'c' moves, joins or widens|operation 'slice' stands before 'c'",
    ),
    "pooled channels": (
        lambda: Odd(
            lambda m, x: _head(m, F.max_pool3d(m.c(x), (3, 1, 1), 1, (1, 0, 0))),
            c=nn.Conv2d(3, 3, 1), fc=nn.Linear(3, 4),
        ),
        "'max_pool3d_with_indices' before 'fc' moves, joins",
    ),
    "moved classes": (
        lambda: Odd(lambda m, x: _head(m, x).flip(1), fc=nn.Linear(3, 4)),
        "the class scores come from operation 'flip'",
    ),
    "no head": (
        lambda: Odd(lambda m, x: torch.cat([_head(m, x), _head(m, x)], 1), fc=nn.Linear(3, 4)),
        "the class scores come from operation 'cat'; a linear map or convolution",
    ),
    "computed weights": (_pruned, "a linear map has weights that are computed"),
    "computed kernels": (
        lambda: Odd(
            lambda m, x: _head(m, F.conv2d(x, m.c.weight - m.c.weight.mean())), c=nn.Conv2d(3, 3, 1),
            fc=nn.Linear(3, 4),
        ),
        "a convolution has weights that are computed",
    ),
    "borrowed weights": (
        lambda: Odd(
            lambda m, x: _head(m, torch.relu(F.conv2d(x, m.c.weight))), c=nn.Conv2d(3, 3, 1), fc=nn.Linear(3, 4)
        ),
        "module 'c' is not called in a pass, other code uses its weights",
    ),
    "hidden branch": (
        lambda: Odd(
            lambda m, x: torch.addmm(x.mean((2, 3)), x.mean((2, 3)), m.fc.weight.T), fc=nn.Linear(3, 3)
        ),
        "linear map 'fc' adds more than a constant",
    ),
    "tokens": (
        lambda: Odd(
            lambda m, x: m.fc(torch.relu(m.t(x.flatten(2))).mean(2)), t=nn.Linear(36, 5), fc=nn.Linear(3, 4)
        ),
        "linear map 't' acts on more than one token|'view' before",
    ),
    "plus sign": (
        lambda: Odd(
            lambda m, x: _head(m, m.get_submodule("a+b")(x)), **{"a+b": nn.Conv2d(3, 3, 1), "fc": nn.Linear(3, 4)}
        ),
        r"module 'a\+b' has a plus sign in its name",
    ),
    "values decide": (
        lambda: Odd(lambda m, x: _head(m, x if x.mean() > 0 else -x), fc=nn.Linear(3, 4)),
        "the pass of Odd cannot be recorded as operations",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_mix_channels_are_refused_with_the_name(name):
    build, message = REFUSED[name]
    model = build()
    x = torch.randn(9, *IMAGE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.eval()(x)
    hooks = hook_count(model)
    with pytest.raises(InputError, match=message):
        causal_graph(model, x, 0, test="none")
    assert hook_count(model) == hooks
    assert all(p.requires_grad for p in model.parameters())


def test_attention_is_refused_with_a_name():
    model = VisionTransformer(image_size=8, patch_size=4, depth=1, width=8, heads=2, hidden=6)
    with pytest.raises(InputError, match=r"(operation|linear map) '[\w.]+' (stands before|before|acts on)"):
        causal_graph(model, torch.rand(8, 1, 8, 8), 0)


def test_two_inputs_are_refused():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 4)

        def forward(self, left, right):
            return self.a(left) + self.b(right)

    with pytest.raises(InputError, match="reads several inputs"):
        causal_graph(Two(), {"left": torch.rand(9, 3), "right": torch.rand(9, 3)}, 0)
