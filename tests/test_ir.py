"""The graph program: what `verify` refuses, how it prints, how its values are named."""

from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core import errors
from autograd.core.primitive import REGISTRY
from autograd.ir.graph import Eqn, Graph, Literal, Var, spec, verify
from autograd.ir.printer import identifier, param_text, unique_names

GOLDEN = Path(__file__).parent / "golden"
F64 = np.dtype(np.float64)
ADD, SUM = REGISTRY["add"], REGISTRY["sum"]


def xor_step():
    """The step of the second seed's network: two sigmoid layers, squared error, gradient descent."""
    w1, b1 = Tensor(np.arange(6.0).reshape(2, 3) / 6, True, name="w1"), Tensor(np.zeros(3), True, name="b1")
    w2, b2 = Tensor(np.arange(3.0).reshape(3, 1) / 3, True, name="w2"), Tensor(np.zeros(1), True, name="b2")
    optimizer = nn.optim.SGD([w1, b1, w2, b2], learning_rate=0.5)

    def step(x, y):
        h = ag.sigmoid(x @ w1 + b1)
        p = ag.sigmoid(h @ w2 + b2)
        loss = ((p - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, [w1, b1, w2, b2]


def without_places(text):
    """The listing without the files and lines of this test, which change whenever the test does."""
    return "\n".join(line.split("  #")[0].rstrip() for line in text.splitlines()) + "\n"


def check_golden(name, text):
    path = GOLDEN / name
    assert text == path.read_text(encoding="utf-8"), f"{name} differs; if the new text is better, write it there"


def test_the_listing_of_the_xor_step():
    graph = ag.trace(xor_step()[0], *map(Tensor, nn.data.xor()))
    check_golden("xor_graph.txt", without_places(repr(graph)))


def test_the_listing_of_the_optimised_xor_step():
    step = ag.compile(xor_step()[0], backend="numpy")
    step(*map(Tensor, nn.data.xor()))
    check_golden("xor_optimised.txt", without_places(repr(step.graph)))


def test_equations_say_where_they_come_from():
    graph = ag.trace(xor_step()[0], *map(Tensor, nn.data.xor()))
    assert {Path(eqn.site[0]).name for eqn in graph.eqns if eqn.phase != "update"} == {Path(__file__).name}
    assert list(dict.fromkeys(eqn.phase for eqn in graph.eqns)) == ["forward", "backward", "update"]
    assert f"{Path(__file__).name}:" in repr(graph)


def test_the_listing_is_the_same_every_time():
    assert (
        repr(ag.trace(xor_step()[0], *map(Tensor, nn.data.xor()))).split("#")[0]
        == (repr(ag.trace(xor_step()[0], *map(Tensor, nn.data.xor()))).split("#")[0])
    )


def var(name, shape=(3,), dtype=F64):
    return Var(shape, np.dtype(dtype), name)


def build(inputs, eqns, outputs, constants=(), labels=None):
    return Graph("g", tuple(inputs), dict(constants), tuple(eqns), tuple(outputs), labels or ("return",) * len(outputs))


A, B, C = var("a"), var("b"), var("c")
GOOD = Eqn(C, ADD, (A, B))


def test_a_right_graph_passes():
    graph = build([A, B], [GOOD], [C])
    assert verify(graph) is graph


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (build([A], [GOOD], [C]), "equation 0 .*b: f64.3. is used before it is defined"),
        (build([A, B], [Eqn(var("d"), ADD, (A, C)), GOOD], [C]), "c: .* is used before"),
        (build([A, B], [GOOD, GOOD], [C]), "equation 1 .*defined twice"),
        (build([A, B], [Eqn(A, ADD, (A, B))], [A]), "defined twice"),
        (build([A, A, B], [GOOD], [C]), "listed twice"),
        (build([A, B], [GOOD], [C], {A: np.ones(3)}), "listed twice"),
        (build([A, B], [], [C]), "output c: .* never defined"),
        (build([A, B], [GOOD], [C], labels=("return", "return")), "1 outputs but 2 labels"),
        (build([A, B], [Eqn(var("c", (4,)), ADD, (A, B))], []), r"gives shape \(3,\)"),
        (build([A, B], [Eqn(var("c", (3,), np.float32), ADD, (A, B))], []), "gives shape .* float64"),
        (build([A], [Eqn(var("c", ()), SUM, (A,), {"axis": (0,), "keepdims": True})], []), r"gives shape \(1,\)"),
    ],
    ids=["unknown", "late", "twice", "input", "inputs", "constant", "output", "labels", "shape", "dtype", "settings"],
)
def test_each_kind_of_broken_graph_is_refused(graph, message):
    with pytest.raises(errors.GraphError, match=message):
        verify(graph)


def test_names_are_unique_and_identifiers():
    names = ["h", "h", "h_2", "", "", "t1", "3d", "a.b", "a-b", "class", "ünï", "__x__", "x" * 100, "h"]
    graph = build([var(name) for name in names], [], [])
    given = list(unique_names(graph, frozenset({"class"})).values())
    assert len(set(given)) == len(names)
    assert all(name.isidentifier() and name != "class" for name in given)
    assert given[0] == "h"
    assert identifier("layers.0/weight") == "layers_0_weight"


def test_literals_know_what_they_are():
    keys = [Literal(v).key() for v in (0.0, -0.0, 0, False, np.float64(0), np.float32(0))]
    assert len(set(keys)) == len(keys)
    assert Literal(float("nan")).key() == Literal(float("nan")).key()
    assert spec(Literal(2)) is int
    assert spec(Literal(np.float32(2))) == ((), np.float32)
    assert repr(Literal(np.float32(0.5))) == "float32(0.5)"


def test_settings_read_like_python():
    assert (
        param_text((slice(1, None), slice(None, None, -1), Ellipsis, None, 3, F64))
        == "(1:, ::-1, ..., None, 3, float64)"
    )
    assert param_text((2,)) == "(2,)"
