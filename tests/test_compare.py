"""`compare`: matching by name, verdicts, and a name for every seeded mistake of `tests/mistakes.py`."""

from xml.etree import ElementTree

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor, compare, keep_grads
from autograd.checking.report import MAP_COLUMNS, MAP_ROWS, SHADES, heat_map
from autograd.core.errors import ArgumentError, GradientError, GraphError
from tests.mistakes import MISTAKES, NETWORKS, correct_forms, run_backward, run_forward

RIGHT = ("identical", "equal within rounding")


def by_hand(network, changes, seed=0, dtype=np.float64):
    loss, tensors = run_forward(network, seed, dtype)
    return loss, {"d" + name: g for name, g in run_backward(network, tensors, changes).items()}


def named(report):
    return report[report.first].diagnosis.kind if report.first else None


# ----- diagnoses -----
@pytest.mark.parametrize(("network", "right", "wrong", "kind"), MISTAKES)
def test_every_seeded_mistake_is_named(network, right, wrong, kind):
    loss, manual = by_hand(network, {right: wrong})
    report = compare(manual, loss)
    assert not report
    assert named(report) == kind, report
    others = [row for row in report.rows if row.verdict == "wrong" and row.name != report.first]
    assert {row.diagnosis.kind for row in others} <= {"follows"}
    if right.split(" = ")[0] in manual:
        assert report.first == right.split(" = ")[0]


def test_mistakes_are_named_when_only_the_parameters_are_compared():
    reached = right = 0
    for network, old, new, kind in MISTAKES:
        loss, manual = by_hand(network, {old: new})
        report = compare({name: g for name, g in manual.items() if name[1:] in NETWORKS[network].parameters}, loss)
        if not report:
            reached += 1
            right += named(report) == kind
    assert reached == right == 52  # one stops the derivation before it reaches any parameter


def test_no_false_alarm_on_derivations_in_other_forms():
    written = set()
    for network, changes, seed in correct_forms(200):
        loss, manual = by_hand(network, changes, seed)
        report = compare(manual, loss)
        assert {row.verdict for row in report.rows} <= set(RIGHT), f"{network} {changes}\n{report}"
        assert report and report.first is None and all(row.diagnosis is None for row in report.rows)
        written.add((network, *changes.values()))
    assert len(written) > 80  # the others repeat a form for other weights


def test_no_false_alarm_in_single_precision():
    for network, changes, seed in correct_forms(60):
        loss, manual = by_hand(network, changes, seed, np.float32)
        report = compare(manual, loss)
        assert {row.verdict for row in report.rows} <= set(RIGHT), f"{network} {changes}\n{report}"


def test_two_mistakes_are_both_named_the_first_in_backward_order_first():
    changes = {"dW3 = h2.T @ dz3": "dW3 = dz3.T @ h2", "dz2 = dh2 * (1 - h2 ** 2)": "dz2 = dh2"}
    loss, manual = by_hand("tanh", changes)
    report = compare(manual, loss)
    assert (report["dW3"].diagnosis.kind, report["dz2"].diagnosis.kind) == ("transposed", "derivative missing")
    assert report["dW1"].diagnosis.kind == "follows"
    assert report.first == "dW3"
    assert "dW3: fix first" in str(report)


def test_lost_keepdims_that_broadcast_without_an_error():
    x = Tensor(np.random.default_rng(0).normal(size=(4, 4)), requires_grad=True, name="x")
    total = ag.sum(x * x, axis=1)
    loss = ag.sum(total**2)
    dtotal = 2 * total.data
    report = compare({"dtotal": dtotal, "dx": 2 * x.data * dtotal}, loss)
    assert named(report) == "keepdims"


def test_a_sum_over_the_wrong_axis_of_a_square():
    rng = np.random.default_rng(0)
    x, b = Tensor(rng.normal(size=(4, 4))), Tensor(np.zeros(4), requires_grad=True, name="b")
    loss = ag.sum((x + b) ** 2)
    assert named(compare({"db": (2 * x.data).sum(1)}, loss)) == "wrong axis"


def test_a_gradient_of_two_passes_is_the_engines_not_yours():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with keep_grads():
        for _ in range(2):
            loss = (w * w).sum()
            loss.backward()
    report = compare({"dw": 2 * w.data})
    assert named(report) == "stale"
    assert compare({"dw": 2 * w.data}, loss)


def test_single_precision_is_no_mistake():
    loss, manual = by_hand("tanh", {})
    rounded = {name: g.astype(np.float32).astype(np.float64) for name, g in manual.items()}
    report = compare(rounded, loss, rtol=1e-12)
    assert report.ok
    assert {row.verdict for row in report.rows} == {"close"}
    assert {row.diagnosis.kind for row in report.rows} == {"float32"}
    single = compare({name: g.astype(np.float32) for name, g in manual.items()}, loss)
    assert {row.verdict for row in single.rows} <= set(RIGHT)


# ----- verdicts -----
def test_verdicts_and_figures():
    x = Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    loss = (x**2).sum()
    right = 2 * x.data
    assert compare({"dx": right}, loss)["dx"].verdict == "identical"
    nearly = compare({"dx": np.nextafter(right, 9)}, loss)["dx"]
    assert (nearly.verdict, nearly.ulps) == ("equal within rounding", 1.0)
    assert compare({"dx": right * (1 + 1e-9)}, loss)["dx"].verdict == "close"
    off = right.copy()
    off[2] += 1.0
    row = compare({"dx": off}, loss)["dx"]
    assert (row.verdict, row.index, row.given, row.expected) == ("wrong", (2,), 7.0, 6.0)
    assert (row.absolute, row.bad) == (1.0, 0.25)
    assert compare({"dx": off}, loss, atol=1.0).ok
    assert compare({"dx": right * 1.01}, loss, rtol=0.02).ok


def test_shapes_come_first():
    mean = Tensor(np.ones((1, 64)), requires_grad=True)
    loss = (mean * np.ones((32, 64))).sum()
    report = compare({"dmean": np.full(64, 32.0)}, loss)
    row = report["dmean"]
    assert (row.verdict, row.shape, row.expected_shape, row.diagnosis.kind) == ("wrong", (64,), (1, 64), "shape")
    assert "reshape(1, 64)" in str(report)


def test_nan_is_wrong_except_where_the_gradient_is_nan_too():
    x = Tensor([1.0, 4.0], requires_grad=True)
    report = compare({"dx": np.array([np.nan, 0.25])}, ag.sqrt(x).sum())
    assert (report["dx"].verdict, report["dx"].index, named(report)) == ("wrong", (0,), "not finite")
    lost = compare({"dx": [np.nan, 1.0]}, {"dx": np.array([np.nan, 1.0])})
    assert lost["dx"].verdict == "identical"


# ----- matching -----
def test_names_of_tensors_of_variables_and_of_parameters():
    model = nn.MLP([2, 3, 1], activation=nn.Tanh, seed=0)
    x = Tensor(np.ones((4, 2)))
    with keep_grads():
        hidden = model(x)
        loss = (hidden * hidden).mean()
        loss.backward()
    assert compare({"dhidden": hidden.grad, "loss": 1.0})
    weight = model.layers[0].weight
    for name in ("layers.0.weight", "dlayers.0.weight", "grad_layers_0_weight", "model.layers.0.weight", "dweight"):
        assert compare({name: weight.grad})[name].verdict == "identical", name
    assert compare({"layers.0.weight": weight.grad}, model)
    assert compare({weight.name: weight.grad}, loss)


def test_a_dict_of_arrays_or_tensors():
    w = Tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    assert compare({"dw": [2.0, 4.0]}, {"dw": w.grad}) and compare({"dw": [2.0, 4.0]}, {"w": w})
    other = np.arange(6.0).reshape(2, 3)
    kinds = [
        named(compare({"g": g}, {"g": other})) for g in (-other, 6 * other, other.T, other.ravel(), np.ones((2, 3)))
    ]
    assert kinds == ["sign", "factor", "transposed", "shape", "unknown"]


def test_unknown_names_are_refused_with_the_nearest():
    weights = Tensor([1.0], requires_grad=True)
    loss = weights.sum()
    with pytest.raises(ArgumentError, match="did you mean weights"):
        compare({"dweigths": [1.0]}, loss)
    with pytest.raises(ArgumentError, match=r"call loss.backward\(\) first"):
        compare({"dweights": [1.0]}, {"weights": weights})
    with pytest.raises(ArgumentError, match="a loss, a module or a dict"):
        compare({"dweights": [1.0]}, 3)
    with pytest.raises(ArgumentError, match="no array of real numbers"):
        compare({"dweights": "one"}, loss)
    with pytest.raises(ArgumentError, match="no array of real numbers"):
        compare({"dweights": [[1.0], [2.0, 3.0]]}, loss)
    loss.backward()
    with pytest.raises(GraphError, match="freed"):
        compare({"dweights": [1.0]}, loss)


def test_results_without_kept_gradients_say_how_to_keep_them():
    w = Tensor([1.0], requires_grad=True)
    square = w * w
    square.sum().backward()
    with pytest.raises(ArgumentError, match="keep_grads"):
        compare({"dsquare": [1.0]})


# ----- the report -----
def test_the_report_as_text_html_and_error():
    loss, manual = by_hand("xor", {"dW1 = X.T @ dz1": "dW1 = X.T @ -dz1"})
    report = compare(manual, loss)
    assert "the sign is flipped" in str(report) and "wrong" in str(report)
    page = report._repr_html_()
    assert page.count("<tr>") == len(report.rows) + 1 and "the sign is flipped" in page
    with pytest.raises(GradientError, match="1 gradient is wrong"):
        report.raise_if_wrong()
    compare({"dW2": manual["dW2"]}, loss).raise_if_wrong()
    with pytest.raises(ArgumentError, match="no gradient 'W7'"):
        report["W7"]


def test_the_map_shows_where_a_gradient_is_wrong():
    w = Tensor(np.ones((3, 4)), requires_grad=True, name="w")
    wrong = np.ones((3, 4))
    wrong[1, 2], wrong[2, 0] = 1.4, 0.9
    report = compare({"dw": wrong}, w.sum())
    assert report["dw"].heat == ("····", "··█·", "░···")
    assert "    ··█·\n    ░···\n    (· right, █ off by up to 0.4)" in str(report)
    assert "2 of 12 (17%)" in str(report)
    page = ElementTree.fromstring(f"<div>{report._repr_html_()}</div>")
    pictures = [element for element in page.iter() if element.tag.endswith("svg")]
    cells = [rect.attrib for rect in pictures[0] if rect.tag.endswith("rect")]
    assert [(cell.get("x"), cell.get("y")) for cell in cells] == [(None, None), ("14", "7"), ("0", "14")]
    assert len({cell["fill"] for cell in cells}) == 3
    assert "prefers-color-scheme:dark" in page.find(".//style").text
    assert compare({"dw": np.ones((3, 4))}, w.sum())["dw"].heat == ()


@pytest.mark.parametrize("shape", [(1000,), (100, 70), (5, 4, 40), (9, 33), (8, 32), (1, 1, 2)])
def test_maps_are_thinned_to_blocks_that_keep_their_largest_error(shape):
    error = np.zeros(shape)
    place = tuple(n // 2 for n in shape)
    error[place] = 3.0
    lines = heat_map(error, error > 0)
    assert len(lines) <= MAP_ROWS and {len(line) for line in lines} == {min(shape[-1], MAP_COLUMNS)}
    assert "".join(lines).count(SHADES[-1]) == 1 and {*"".join(lines)} == {SHADES[0], SHADES[-1]}
    everywhere = heat_map(np.ones(shape), np.ones(shape, bool))
    assert {*"".join(everywhere)} == {SHADES[-1]}


def test_the_map_of_nan():
    assert heat_map(np.array([np.nan, 1.0, 2.0, 4.0]), np.array([True, False, True, True])) == ("█·▒█",)


def test_what_hides_mistakes_is_noted():
    x = Tensor(np.ones((5, 3)))
    for W, b, noted in ((0.0, 0.0, True), (0.1, 0.0, False)):
        W1 = Tensor(np.full((3, 2), 0.3), requires_grad=True, name="W1")
        W2 = Tensor(np.full((2, 1), W), requires_grad=True, name="W2")
        b2 = Tensor(np.full(1, b), requires_grad=True, name="b2")
        loss = (ag.tanh(x @ W1) @ W2 + b2).sum()
        report = compare({"db2": [5.0]}, loss)
        assert report and report.notes == [note for note in report.notes if "W2 is all zero" in note]
        assert bool(report.notes) == ("note: W2 is all zero" in str(report)) == noted
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    with ag.scope("Dropout_0"):
        y = w * np.array([0.0, 2.0])
    assert "dropout is on" in str(compare({"dw": [0.0, 2.0]}, y.sum()))


# ----- generated backpropagation, as if a person had written it -----
def test_the_source_of_a_compiled_step_passes_and_its_mistakes_are_named():
    rng = np.random.default_rng(0)
    w = Tensor(rng.normal(size=(2, 3)), requires_grad=True, name="w")
    v = Tensor(rng.normal(size=(3, 1)), requires_grad=True, name="v")
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))

    @ag.compile(backend="numpy")
    def step(x, y):
        w.grad = v.grad = None
        loss = ((ag.tanh(x @ w) @ v - y) ** 2).mean()
        loss.backward()
        return loss

    step(x, y)
    values = {"x": x, "y": y, "w": w.numpy(), "v": v.numpy()}

    def gradients(text):
        space = {}
        exec(text, space)
        results = space["step"](*(values[var.name] for var in step.graph.inputs))
        return dict(zip((var.name for var in step.graph.outputs), results, strict=True))

    loss = ((ag.tanh(x @ w) @ v - y) ** 2).mean()
    found = gradients(step.source)
    assert set(found) == {"loss", "grad_w", "grad_v"}
    grads = {name: found[name] for name in ("grad_w", "grad_v")}
    report = compare(grads, loss)
    assert {row.verdict for row in report.rows} <= set(RIGHT)
    for right, wrong, kind in (("= 1 - ", "= 1 - 0 * ", "derivative missing"), ("= 0.4 * ", "= 2.0 * ", "factor")):
        assert step.source.count(right) == 1
        broken = gradients(step.source.replace(right, wrong))
        assert named(compare({name: broken[name] for name in grads}, loss)) == kind
