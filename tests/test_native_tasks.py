"""Kinds of tasks: every equation gets the first that supports it, lowering changes nothing that it is given, rooms one way."""

import graphlib

import numpy as np
import pytest

import autograd as ag
from autograd.backends.native.lower import lower
from autograd.backends.native.schedule.row_fusion import RowFusion
from autograd.backends.native.tasks.copies import Copy, View
from autograd.backends.native.tasks.fallback import Fallback
from autograd.backends.native.tasks.gather import Gather, IndexCheck
from autograd.backends.native.tasks.loops import Loop
from autograd.backends.native.tasks.matmul import Matmul
from autograd.backends.native.tasks.random import Random
from autograd.backends.native.tasks.scan import Scan
from autograd.backends.native.tasks.small import InRegisters
from tests.test_structure import ROOT, imports, python_files, target

WIDE = np.ones((300, 300))
NATIVE = "autograd.backends.native"
ROOMS = ("ir", "tasks", "schedule", "lower", "explain")  # imports go from later ones to earlier ones


def lowered(function, *args):
    return lower(ag.trace(function, *args), frozenset(), {})


@pytest.mark.parametrize(
    ("function", "argument", "kinds"),
    [
        (lambda x: x * 2, np.ones(3), {InRegisters}),
        (lambda x: ag.exp(x).sum(axis=0), WIDE, {Loop}),
        (lambda x: x @ x, WIDE, {Matmul}),
        (lambda x: x.T @ x, WIDE, {View, Matmul}),
        (lambda x: x.T.reshape(100, 900) * 2, WIDE, {View, Copy, Loop}),
        (lambda x: ag.concatenate([x, x]), WIDE, {Copy}),
        (lambda x: x[np.array([1, -1, 7])], WIDE, {IndexCheck, Gather}),
        (lambda x: ag.cumsum(x, axis=0), WIDE, {Scan}),
        (lambda x: ag.cumsum(x.astype(np.longdouble), axis=0), WIDE, {Fallback}),
        (lambda x: ag.einsum("ij,kj->ik", x, x), WIDE, {Fallback}),
    ],
    ids=["registers", "loop", "matmul", "view", "copy", "join", "gather", "scan", "dtype", "fallback"],
)
def test_each_equation_gets_its_kind_of_task(function, argument, kinds):
    tasks = lowered(function, argument).buffers.tasks
    assert {type(task) for task in tasks} == kinds
    assert all(task.describe("op").endswith(("op", ")")) and task.cost() >= 0 for task in tasks)


def test_random_numbers_are_drawn_in_machine_code():
    rng = np.random.default_rng(0)
    tasks = lowered(lambda x: x * rng.random(x.shape), WIDE).buffers.tasks
    assert {type(task) for task in tasks} == {Random, Loop}


def test_layers_are_fused_row_by_row():
    weight = np.ones((64, 64))
    tasks = lowered(lambda x: ag.tanh(ag.tanh(x @ weight) @ weight), np.ones((1000, 64))).buffers.tasks
    (fused,) = (task for task in tasks if isinstance(task, RowFusion))
    assert fused.rows() == 1000 and fused.cost() == sum(member.cost() for member in fused.members)


def test_lowering_is_repeatable_and_leaves_the_graph_as_it_is():
    graph = ag.trace(lambda x: (ag.tanh(x.T.reshape(100, 900)) @ np.ones((900, 9)), x), WIDE)
    before = str(graph)
    texts = {lower(graph, frozenset({0}), {1: 0}).module.text("") for _ in range(2)}
    assert len(texts) == 1 and str(graph) == before


def test_imports_inside_go_one_way_even_where_only_type_checkers_look():
    graph: dict[str, set[str]] = {}
    wrong = []
    for path in python_files(NATIVE.replace(".", "/")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        source = path.read_text(encoding="utf-8")
        assert "TYPE_CHECKING" not in source, module
        found = {target(i) for i in imports(source, ".".join(path.relative_to(ROOT).parent.parts))}
        graph[module] = {name for name in found if name.startswith(NATIVE)} - {module}
        own = module.removeprefix(NATIVE).split(".")[1:2]
        for name in graph[module]:
            room = name.removeprefix(NATIVE).split(".")[1:2]
            if own and own[0] in ROOMS and (room[0] not in ROOMS or ROOMS.index(room[0]) > ROOMS.index(own[0])):
                wrong.append(f"{module} imports {name}")
    graphlib.TopologicalSorter(graph).prepare()  # raises where there is a circle
    assert wrong == []
