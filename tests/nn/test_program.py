"""A recorded pass gives what the model gives, goes on from any value in it, and leaves the model alone."""

from __future__ import annotations

from collections import UserDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hodology.errors import InputError
from hodology.nn.operations import (
    CONSTANT,
    ELEMENTWISE,
    NORMS,
    SHAPES,
    SPATIAL,
    channels_apart,
    operation_name,
)
from hodology.nn.program import copy_inputs, record_program
from hodology.nn.taps import edit
from model_hooks import hook_count


class Block(nn.Module):
    """A residual block with in-place operations, as torchvision writes them."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.down = nn.Conv2d(before, after, 1, stride) if stride > 1 or before != after else None

    def forward(self, x):
        skip = x if self.down is None else self.down(x)
        h = self.conv2(self.relu1(self.bn1(self.conv1(x))))
        h += skip
        return F.relu_(h)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.one, self.two = Block(4, 4), Block(4, 6, 2)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.two(self.one(self.stem(x))).mean(dim=(2, 3)))


class Functional(nn.Module):
    """Loops, branches on the shape, functions, slices written in place and a constant made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.scale = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0]))

    def forward(self, x):
        h = x if x.ndim == 2 else x.mean(dim=(2, 3))
        h = F.pad(h[:, :4], (0, 4 - min(4, h.shape[1])))
        for i, layer in enumerate(self.layers):
            h = torch.tanh(layer(h)) if i % 2 == 0 else F.gelu(layer(h))
        h[:, 1] = h[:, 0] * 2
        out = torch.zeros_like(h)
        out[:, 2:] = h[:, 2:] * self.scale[2:]
        return F.log_softmax(out.sub_(h).add_(torch.arange(4)), dim=1)


class InputChanger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(self.relu(x.sub_(0.25)))


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, left, right):
        return self.fc(left) - 3 * right


def _sequential():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout2d(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, dilation=2, padding=2),
        nn.PReLU(5),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(20, 4),
    )


def _hf_resnet(kind):
    transformers = pytest.importorskip("transformers", reason="needs the hf extra")
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8], depths=[1, 2], layer_type=kind, num_labels=4
    )
    return transformers.ResNetForImageClassification(config)


MODELS = {
    "sequential": _sequential,
    "residual": Residual,
    "functional": Functional,
    "basic": lambda: _hf_resnet("basic"),
    "bottleneck": lambda: _hf_resnet("bottleneck"),
}


def _model(name):
    """A model whose norms have statistics that are not those of the start."""
    torch.manual_seed(0)
    model = MODELS[name]()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def _scores(model, x):
    with torch.no_grad():
        found = model(copy_inputs(x))
    return getattr(found, "logits", found)


def _x(rows=4, seed=1):
    return torch.randn(rows, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", MODELS)
def test_a_recorded_pass_gives_the_models_scores_for_any_batch_of_its_shape(name):
    model = _model(name)
    program = record_program(model, _x())
    for seed in (1, 2, 3):
        x = _x(seed=seed)
        found = program.run(x)[program.output]
        assert torch.allclose(found, _scores(model, x), atol=1e-5)
    assert program.rows == 4
    assert program.shapes[program.output] == (4, 4)


@pytest.mark.parametrize("name", ["sequential", "residual", "basic"])
def test_parameters_have_the_models_names(name):
    model = _model(name)
    program = record_program(model, _x())
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    assert set(program.parameters.values()) >= {n for n, _ in model.named_parameters()}
    for node, parameter in program.parameters.items():
        assert program.constants[node] is named[parameter]


SITES = {
    "sequential": ["0", "1", "2", "4", "5", "6", "7", "8", "9"],
    "residual": ["stem", "one.conv1", "one.bn1", "one.conv2", "one", "two.down", "two.conv2", "two", "head"],
    "functional": ["layers.0", "layers.1", "layers.2"],
    "bottleneck": [
        "resnet.embedder",
        "resnet.encoder.stages.0.layers.0.layer.0",
        "resnet.encoder.stages.1.layers.0.shortcut",
        "resnet.encoder.stages.1.layers.1",
        "resnet.pooler",
        "classifier",
    ],
}


@pytest.mark.parametrize(("name", "site"), [(name, site) for name, sites in SITES.items() for site in sites])
def test_going_on_from_a_value_equals_a_hook_that_replaces_it(name, site):
    model, x = _model(name), _x()
    program = record_program(model, x)
    values = program.run(x)
    seen = []
    with edit(model, {site: lambda value: seen.append(value.clone()) or value}):
        clean = _scores(model, x)
    node = next(
        n
        for n in program.nodes
        if isinstance(values[n], torch.Tensor)
        and values[n].shape == seen[0].shape
        and torch.equal(values[n], seen[0])
    )
    noise = torch.randn(seen[0].shape, generator=torch.Generator().manual_seed(5))
    instead = 0.5 * seen[0] + noise
    with edit(model, {site: lambda value: instead.clone()}):
        expected = _scores(model, x)
    assert torch.allclose(program.resume(node, instead.clone(), values), expected, atol=1e-5)
    assert torch.allclose(program.resume(node, seen[0], values), clean, atol=1e-5)
    assert (expected - clean).abs().max() > 1e-3  # the replacement did something


def test_only_what_depends_on_the_value_runs_again():
    model, x = _model("residual"), _x()
    program = record_program(model, x)
    values = program.run(x)
    last = next(n for n in reversed(program.nodes) if operation_name(n) == "mean")
    assert program.after(program.output) == ()
    assert [operation_name(n) for n in program.after(last)] == ["addmm"]
    kept = {n: v for n, v in values.items() if n in program.constants or n in last.users or n is last}
    kept |= {n: v for n, v in values.items() if operation_name(n) == "t"}
    assert torch.allclose(
        program.resume(last, values[last] + 1, kept), model.head(values[last] + 1).detach(), atol=1e-6
    )
    other = torch.full_like(values[program.output], 7.0)
    assert program.resume(program.output, other, values) is other


def test_several_values_can_change_at_once():
    model, x = _model("residual"), _x()
    program = record_program(model, x)
    values = program.run(x)
    stem = next(n for n in program.nodes if operation_name(n) == "convolution")
    mean = next(n for n in program.nodes if operation_name(n) == "mean")
    given = torch.randn(4, 6)
    found = program.resume_from({stem: values[stem] + 1, mean: given}, program.after(stem), values)
    assert torch.allclose(found, model.head(given).detach(), atol=1e-6)


def test_gradients_flow_through_what_runs_again():
    model, x = _model("sequential"), _x()
    program = record_program(model, x)
    values = program.run(x)
    first = next(n for n in program.nodes if operation_name(n) == "convolution")
    held = values[first].detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(program.resume(first, held, values)[:, 2].sum(), held)
    clean = values[first].detach().clone().requires_grad_()
    (expected,) = torch.autograd.grad(model[1:](clean * 1)[:, 2].sum(), clean)  # * 1: relu is in place
    assert torch.allclose(found, expected, atol=1e-6)


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 5), depth=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_random_chains_with_a_skip_give_the_models_scores(seed, rows, depth):
    generator = torch.Generator().manual_seed(seed)
    layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(depth + 1))

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x):
            first = h = self.layers[0](x)
            for layer in self.layers[1:]:
                h = torch.relu(layer(h))
                h += first
            return h

    model = Chain().eval()
    x, y = torch.randn(2, rows, 3, generator=generator).unbind()
    program = record_program(model, x)
    assert torch.allclose(program.run(y)[program.output], _scores(model, y), atol=1e-5)


def test_inputs_by_name_are_matched_by_name():
    model = TwoInputs().eval()
    x = {"left": torch.randn(5, 4), "right": torch.randn(5, 4)}
    program = record_program(model, x)
    with torch.no_grad():
        expected = model(**x)
    for same in (x, {"right": x["right"], "left": x["left"]}, UserDict(x)):
        assert torch.allclose(program.run(same)[program.output], expected)
    for wrong, message in (
        ({"left": x["left"]}, "recorded for left, right as input, got left"),
        (x["left"], "recorded for left, right as input, got a tensor"),
        (x | {"right": torch.randn(5, 3)}, r"inputs of shape \(5, 4\), got \(5, 3\)"),
    ):
        with pytest.raises(InputError, match=message):
            program.run(wrong)


def test_hf_models_are_recorded_from_named_inputs():
    model = _model("basic")
    program = record_program(model, {"pixel_values": _x()})
    found = program.run({"pixel_values": _x(seed=4)})[program.output]
    assert torch.allclose(found, _scores(model, _x(seed=4)), atol=1e-5)


def test_other_shapes_are_refused():
    program = record_program(_model("sequential"), _x())
    with pytest.raises(InputError, match=r"inputs of shape \(4, 3, 8, 8\), got \(3, 3, 8, 8\)"):
        program.run(_x(3))
    with pytest.raises(InputError, match="recorded for a tensor as input, got pixel_values"):
        program.run({"pixel_values": _x()})


def test_a_pass_that_changes_its_input_leaves_the_users_alone():
    model, x = InputChanger().eval(), torch.randn(5, 4)
    before = x.clone()
    program = record_program(model, x)
    found = [program.run(x)[program.output] for _ in range(2)]
    assert torch.equal(x, before)
    assert torch.equal(*found)
    assert torch.allclose(found[0], _scores(model, x))


def _state(model):
    return (
        [module.training for module in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [p.grad for p in model.parameters()],
        {name: value.clone() for name, value in model.state_dict().items()},
    )


@pytest.mark.parametrize("name", ["sequential", "residual"])
def test_the_model_is_left_as_it_was(name):
    model = _model(name).train()
    next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    next(model.parameters()).requires_grad = False
    before, random = _state(model), torch.get_rng_state()
    program = record_program(model, _x())
    program.run(_x())
    after = _state(model)
    assert after[:3] == before[:3]
    assert all(torch.equal(after[3][key], value) for key, value in before[3].items())
    assert torch.equal(torch.get_rng_state(), random)
    assert hook_count(model) == 0
    assert torch.allclose(program.run(_x())[program.output], _scores(model.eval(), _x()), atol=1e-5)


class Bad(nn.Module):
    def __init__(self, what) -> None:
        super().__init__()
        self.fc, self.what = nn.Linear(4, 4), what
        self.register_buffer("passes", torch.zeros(1))

    def forward(self, x):
        return self.what(self, x)


def _count(model, x):
    model.passes.add_(1)
    return model.fc(x)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda m, x: m.fc(x) if x.sum() > 0 else m.fc(-x), "get value out of a tracing tensor"),
        (lambda m, x: m.fc(x) * x.mean().item(), "get value out of a tracing tensor"),
        (lambda m, x: m.fc(torch.tensor(x.tolist())), "tolist"),
        (lambda m, x: m.fc(torch.from_numpy(x.numpy() * 2)), "leaves torch"),
        (lambda m, x: m.fc(x) + (x > 0.5).nonzero().shape[0], "shapes that values decide"),
        (lambda m, x: m.fc(x) + x[x > 0.5].reshape(-1, 1)[:1] * len(x[x > 0.5]), "shapes that values decide"),
        (lambda m, x: m.fc(x) + torch.rand(4), "draws random numbers"),
        (lambda m, x: F.dropout(m.fc(x)), "draws random numbers"),
        (_count, "changes a tensor in place"),
        (lambda m, x: m.missing(x), "no attribute 'missing'"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_the_reason(what, reason):
    model = Bad(what).train()
    x = torch.rand(6, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match=f"the pass of Bad cannot be recorded as operations: .*{reason}"):
        record_program(model, x)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert hook_count(model) == 0


def test_models_without_class_scores_are_refused_as_everywhere():
    with pytest.raises(InputError, match="the model must return a tensor"):
        record_program(Bad(lambda m, x: {"scores": m.fc(x)}), torch.rand(3, 4))
    with pytest.raises(InputError, match="class scores of shape"):
        record_program(Bad(lambda m, x: m.fc(x)[:, 0]), torch.rand(3, 4))
    with pytest.raises(InputError, match="cannot be recorded as operations: mat1 and mat2"):
        record_program(Bad(lambda m, x: m.fc(x)), torch.rand(3, 5))


def test_copies_are_of_their_own():
    x = torch.rand(2, 3)
    for inputs, of in ((x, lambda c: c), ({"a": x}, lambda c: c["a"])):
        copied = of(copy_inputs(inputs))
        assert torch.equal(copied, x)
        assert copied.data_ptr() != x.data_ptr()


KNOWN = ELEMENTWISE | NORMS | SPATIAL | CONSTANT


@pytest.mark.parametrize(
    ("what", "apart"),
    [
        (lambda x: F.max_pool2d(x, 2), True),
        (lambda x: F.avg_pool2d(x, 3, 1), True),
        (lambda x: F.adaptive_avg_pool2d(x, 2), True),
        (lambda x: F.relu(x), True),
        (lambda x: F.prelu(x, torch.rand(4)), True),
        (lambda x: x * torch.rand(1, 4, 1, 1), True),
        (lambda x: x - 3.0, True),
        (lambda x: F.pad(x, (1, 1, 0, 2)), True),
        (lambda x: F.pad(x, (1, 1), mode="reflect"), None),
        (lambda x: F.pad(x, (0, 0, 0, 0, 2, 2)), False),
        (lambda x: F.pad(x, (0, 0, 0, 0, 1, -1)), False),
        (lambda x: F.max_pool3d(x, (3, 1, 1), 1, (1, 0, 0)), False),
        (lambda x: F.adaptive_avg_pool3d(x, (4, 3, 3)), False),
        (lambda x: x[:, :1] + torch.rand(1, 4, 1, 1), False),
        (lambda x: x + torch.rand(2, 4, 4, 6, 6), False),
        (lambda x: F.batch_norm(x, torch.rand(4), torch.rand(4)), True),
        (lambda x: F.batch_norm(x, None, None, training=True), False),
    ],
)
def test_operations_that_move_or_join_channels_are_told(what, apart):
    from torch.fx.experimental.proxy_tensor import make_fx

    x = torch.randn(4, 4, 6, 6)
    if apart is None:  # reflection of one axis of a map is no reading of its channels
        x, apart = torch.randn(4, 4, 6), True
    graph = make_fx(what)(x).graph
    shapes = {
        n: tuple(n.meta["val"].shape) for n in graph.nodes if isinstance(n.meta.get("val"), torch.Tensor)
    }
    found = [
        channels_apart(node, node.all_input_nodes[0], shapes)
        for node in graph.nodes
        if node.op == "call_function"
        and operation_name(node) in KNOWN - SHAPES
        and len(shapes.get(node.all_input_nodes[0], ())) > 2
    ]
    assert found
    assert all(found) is apart
