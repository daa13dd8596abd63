"""Modules: the parameter tree, names and scopes, modes, tables."""

import copy
import gc

import numpy as np
import pytest

import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError


class Encoder(nn.Module):
    """Parameters and modules as attributes, in lists, in dicts, and a buffer."""

    def __init__(self):
        self.scale = nn.Parameter(np.ones(3))
        self.hidden = nn.Dense(2, 3, seed=0)
        self.blocks = [nn.Dense(3, 3, seed=1), nn.Sequential(nn.Dense(3, 3, seed=2), nn.Tanh())]
        self.heads = {"left": nn.Dense(3, 1, seed=3), "right": nn.Dense(3, 1, seed=4)}
        self.steps = nn.Buffer(0.0)
        self.free = Tensor([1.0], requires_grad=True)
        self.constant = Tensor([1.0])
        self.comment = "not a tensor"

    def forward(self, x):
        h = self.hidden(x) * self.scale
        for block in self.blocks:
            h = block(h)
        return self.heads["left"](h) + self.heads["right"](h) * self.free


PATHS = [
    "scale", "free", "hidden.weight", "hidden.bias", "blocks.0.weight", "blocks.0.bias", "blocks.1.layers.0.weight",
    "blocks.1.layers.0.bias", "heads.left.weight", "heads.left.bias", "heads.right.weight", "heads.right.bias",
]  # fmt: skip


def test_the_tree_is_found_without_a_base_constructor():
    model = Encoder()
    assert [path for path, _ in model.named_parameters()] == PATHS
    assert [path for path, _ in model.named_buffers()] == ["steps"]
    assert list(model.state()) == [*PATHS, "steps"]
    assert len(model.parameters()) == len(PATHS)
    assert all(isinstance(tensor, Tensor) for tensor in model.parameters())
    assert [path for path, _ in model.named_modules()] == [
        "", "hidden", "blocks.0", "blocks.1", "blocks.1.layers.0", "blocks.1.layers.1", "heads.left", "heads.right",
    ]  # fmt: skip


def test_paths_are_what_one_would_type():
    model = Encoder()
    named = dict(model.named_parameters())
    assert named["blocks.1.layers.0.weight"] is model.blocks[1][0].weight
    assert named["heads.left.bias"] is model.heads["left"].bias


def test_shared_parts_count_once():
    class Tied(nn.Module):
        def __init__(self):
            self.first = nn.Dense(2, 2)
            self.again = self.first
            self.weight = self.first.weight

    assert [path for path, _ in Tied().named_parameters()] == ["weight", "first.bias"]


def test_results_kept_in_attributes_are_no_parameters():
    model = nn.MLP([2, 3, 1])
    model.last = model(np.ones((1, 2)))
    assert "last" not in dict(model.named_parameters())


def test_a_module_may_hold_its_parent():
    parent, child = nn.Module(), nn.Module()
    parent.child, child.parent, child.weight = child, parent, nn.Parameter(1.0)
    assert [path for path, _ in parent.named_parameters()] == ["child.weight"]


def test_frozen_parameters_stay_parameters():
    model = nn.Dense(2, 1)
    model.bias.requires_grad = False
    assert [path for path, _ in model.named_parameters()] == ["weight", "bias"]


def test_names_and_scopes():
    model = Encoder()
    output = model(np.ones((1, 2)))
    assert [p.name for p in model.parameters()] == [
        "scale", "free", "hidden_weight", "hidden_bias", "blocks_0_weight", "blocks_0_bias", "blocks_1_dense_0_weight",
        "blocks_1_dense_0_bias", "heads_left_weight", "heads_left_bias", "heads_right_weight", "heads_right_bias",
    ]  # fmt: skip
    scopes = set()
    stack = [output]
    while stack:
        tensor = stack.pop()
        scopes.add(tensor.scope)
        stack += [item for item in tensor.inputs if isinstance(item, Tensor) and item.creator]
    assert scopes == {
        "", "hidden", "blocks_0", "blocks_1/Dense_0", "blocks_1/Tanh_0", "heads_left", "heads_right",
    }  # fmt: skip


def test_sequences_count_their_classes():
    model = nn.MLP([2, 3, 3, 1])
    assert [p.name for p in model.parameters()][::2] == ["dense_0_weight", "dense_1_weight", "dense_2_weight"]
    assert model(np.ones((1, 2))).scope == "Dense_2"


def test_a_layer_on_its_own_is_called_by_its_class():
    layer = nn.Dense(2, 3)
    assert layer(np.ones((1, 2))).scope == "Dense"
    model = nn.Sequential(layer)
    assert model(np.ones((1, 2))).scope == "Dense_0"
    assert layer.weight.name == "dense_0_weight"


def test_names_of_the_users_choice_are_kept():
    class Line(nn.Module):
        def __init__(self):
            self.slope = nn.Parameter(2.0, name="m")
            self.offset = nn.Parameter(1.0)

    model = Line()
    assert [p.name for p in model.parameters()] == ["m", "offset"]
    model.offset.name = "b"
    nn.Sequential(model).parameters()
    assert [p.name for p in model.parameters()] == ["m", "b"]


def test_layers_added_later_are_named_too():
    model = nn.Sequential(nn.Dense(2, 3))
    model(np.ones((1, 2)))
    model.add(nn.Tanh()).add(nn.Dense(3, 1))
    assert model(np.ones((1, 2))).scope == "Dense_1"
    assert model[2].weight.name == "dense_1_weight"


def test_modes_reach_every_module():
    model = Encoder()
    assert model.eval() is model
    assert not any(module.training for _, module in model.named_modules())
    model.train()
    assert all(module.training for _, module in model.named_modules())


def test_zero_grad():
    model = Encoder()
    model(np.ones((2, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_repr_is_a_tree():
    class Net(nn.Module):
        def __init__(self):
            self.body = nn.Sequential(nn.Dense(2, 3, bias=False), nn.LeakyReLU(0.1))
            self.head = nn.Dense(3, 1, init=nn.init.glorot_uniform)

    assert repr(Net()) == "\n".join(
        [
            "Net(",
            "  body: Sequential(",
            "    layers.0: Dense(2 -> 3, he, no bias)",
            "    layers.1: LeakyReLU(negative_slope=0.1)",
            "  )",
            "  head: Dense(3 -> 1, glorot_uniform)",
            ")",
        ]
    )


def test_summary_without_inputs_has_no_output_column():
    assert nn.MLP([2, 3, 1]).summary() == "\n".join(
        [
            "module    kind               parameters",
            "layers.0  Dense(2 -> 3, he)           9",
            "layers.1  Tanh()                      0",
            "layers.2  Dense(3 -> 1, he)           4",
            "total                                13",
        ]
    )


def test_observing_changes_nothing_and_ends():
    model = nn.MLP([2, 3, 1])
    x = np.ones((4, 2))
    before = model(x).data
    with nn.observe(model) as outputs:
        model(x)
    assert list(outputs) == ["layers.0", "layers.1", "layers.2", ""]
    np.testing.assert_array_equal(outputs[""].data, before)
    outputs.clear()
    model(x)
    assert outputs == {}
    assert "forward" not in vars(model)


def test_a_copy_shares_nothing():
    model = nn.MLP([2, 3, 1])
    model.steps = nn.Buffer(3.0)
    twin = copy.deepcopy(model)
    twin[0].weight.data = twin[0].weight.data + 1.0
    assert not np.array_equal(model[0].weight.data, twin[0].weight.data)
    assert list(twin.state()) == list(model.state())
    assert twin.steps.item() == 3.0


def test_a_module_without_forward():
    class Net(nn.Module):
        pass

    with pytest.raises(ArgumentError, match=r"Net has no forward method: define forward\(self, x\)"):
        Net()(1.0)


def test_a_forgotten_parent_constructor_is_explained():
    class Net(nn.Sequential):
        def __init__(self):
            self.extra = nn.Dense(2, 2)

    with pytest.raises(AttributeError) as caught:
        Net()(np.ones((1, 2)))
    assert str(caught.value) == (
        "Net has no attribute 'layers' (its attributes: extra). "
        "If a parent class sets it, call super().__init__() in Net.__init__"
    )


def test_networks_leave_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            model = nn.MLP([2, 3, 1])
            nn.mean_squared_error(model(np.ones((4, 2))), np.ones((4, 1))).backward()
            del model
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- what is no tree ---------------------------------------------------------------------------------------------------


def line(change):
    model = nn.Sequential(nn.Dense(2, 3, seed=0), nn.Tanh(), nn.Dense(3, 1, seed=1))
    change(model)
    return model


def holds_itself(container, put):
    def change(model):
        put(container, container)
        model.parts = container

    return change


def in_a_tuple(model):
    inner = []
    inner.append((inner,))
    model.parts = {"a": inner}


CIRCLES = {
    "list": (holds_itself([], list.append), "the list parts of Sequential holds itself, as parts.0"),
    "list of parameters": (holds_itself([nn.Parameter(1.0)], list.append), "holds itself, as parts.1"),
    "dict": (holds_itself({}, lambda d, x: d.update(me=x)), "the dict parts of Sequential holds itself, as parts.me"),
    "tuple in a list": (in_a_tuple, "the list parts.a of Sequential holds itself, as parts.a.0.0"),
    "its attributes": (lambda model: setattr(model, "all", model.__dict__), "the dict all of Sequential holds itself"),
    "in a layer": (lambda model: holds_itself([], list.append)(model[0]), "the list parts of Dense holds itself"),
}  # fmt: skip

USES = {
    "call": lambda model, path: model(np.ones((1, 2))),
    "named_parameters": lambda model, path: model.named_parameters(),
    "named_modules": lambda model, path: model.named_modules(),
    "state": lambda model, path: model.state(),
    "train": lambda model, path: nn.Module.train(model, False),
    "fit": lambda model, path: model.fit(np.ones((1, 2)), [[1.0]], loss=nn.MSE(), epochs=1),
    "predict": lambda model, path: model.predict(np.ones((1, 2))),
    "save": lambda model, path: model.save(path / "p.npy"),
    "summary": lambda model, path: model.summary(np.ones((1, 2))),
    "draw": lambda model, path: nn.draw(model),
    "observe": lambda model, path: nn.observe(model).__enter__(),
    "optimizer": lambda model, path: nn.SGD(model),
    "a copy": lambda model, path: copy.deepcopy(model).state(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("circle", CIRCLES)
def test_what_holds_itself_is_refused_by_name(circle, use, tmp_path):
    change, text = CIRCLES[circle]
    model = line(change)
    before = model[0].weight.numpy()
    with pytest.raises(ArgumentError) as caught:
        USES[use](model, tmp_path)
    assert text in str(caught.value)
    np.testing.assert_array_equal(model[0].weight.data, before)
    assert model.training and list(tmp_path.iterdir()) == []


MODULES = {
    "itself": lambda model: setattr(model, "me", model),
    "itself in a list": lambda model: setattr(model, "parts", [model]),
    "its parent": lambda model: setattr(model[0], "parent", model),
    "each other": lambda model: [setattr(model[0], "other", model[2]), setattr(model[2], "other", model[0])],
    "a holder": lambda model: setattr(model[0], "twin", nn.Sequential(model[0])),
}


@pytest.mark.parametrize("case", MODULES)
@pytest.mark.parametrize("use", USES)
def test_modules_that_hold_each_other_end_and_count_once(case, use, tmp_path):
    model, plain = line(MODULES[case]), line(lambda model: None)
    USES[use](model, tmp_path)
    USES[use](plain, tmp_path)
    x = np.ones((1, 2))
    np.testing.assert_array_equal(model.predict(x), plain.predict(x))
    assert {id(p) for p in model.parameters()} == {id(model[i].weight) for i in (0, 2)} | {
        id(model[i].bias) for i in (0, 2)
    }
    assert "Dense(2 -> 3" in repr(model)
    assert model._scope == plain._scope and model[0].weight.name.endswith("dense_0_weight")


def test_a_part_that_is_there_twice_is_no_circle():
    shared, pair = nn.Dense(2, 2, seed=0), [nn.Parameter(1.0)]
    model = line(lambda model: vars(model).update(a=[shared, [shared]], b=(pair, pair), c={"a": shared, "b": {}}))
    paths = [path for path, _ in model.named_parameters()]
    assert paths[0] == "b.0.0" and paths[-2:] == ["a.0.weight", "a.0.bias"] and len(paths) == 7


def test_modules_nested_very_deeply():
    model = nn.Dense(1, 1, seed=0)
    for _ in range(2000):
        model = nn.Sequential(model)
    ((path, _), (bias, _)) = model.named_parameters()
    assert path == "layers.0." * 2000 + "weight" and bias.endswith("bias")


class Cell(nn.Module):
    def __init__(self):
        self.p = nn.Parameter(1.0)


COLLIDING = {
    "1 and '1'": lambda model: setattr(model, "d", {1: nn.Parameter(1.0), "1": nn.Parameter(2.0)}),
    "True and 'True'": lambda model: setattr(model, "d", {True: nn.Parameter(1.0), "True": nn.Parameter(2.0)}),
    "None and 'None'": lambda model: setattr(model, "d", {None: nn.Parameter(1.0), "None": nn.Parameter(2.0)}),
    "a dot in a key": lambda model: setattr(model, "d", {"a.b": nn.Parameter(1.0), "a": {"b": nn.Parameter(2.0)}}),
    "buffers": lambda model: setattr(model, "d", {1: nn.Buffer(1.0), "1": nn.Buffer(2.0)}),
    "parameter and buffer": lambda model: setattr(model, "d", {1: nn.Parameter(1.0), "1": nn.Buffer(2.0)}),
    "modules": lambda model: setattr(model, "d", {1: nn.Tanh(), "1": nn.ReLU()}),
    "through a module": lambda model: setattr(model, "d", {"a.p": nn.Parameter(1.0), "a": Cell()}),
    "attributes": lambda model: vars(model).update({"d": [nn.Parameter(1.0)], "d.0": nn.Parameter(2.0)}),
}


@pytest.mark.parametrize("case", COLLIDING)
@pytest.mark.parametrize("use", ["save", "named_parameters", "state", "fit", "optimizer"])
def test_two_parts_of_one_path_are_refused(case, use, tmp_path):
    model = line(COLLIDING[case])
    if (case, use) in {("buffers", "named_parameters"), ("buffers", "optimizer")}:
        use = "state"
    with pytest.raises(ArgumentError, match="two parts of the model have the path d"):
        USES[use](model, tmp_path)
    assert list(tmp_path.iterdir()) == []
