// The steps: values appear forward, gradients flow backward, and the numbers of the step that is shown.

// The order of the steps of a view: operation by operation, then the same way back.
function plan(view) {
  view.forward = view.nodes.filter(isOperation).map(node => node.id);
  view.backward = view.forward.filter(id => hasGrad(view.byId.get(id))).reverse();
  if (data.backward) view.backward = [];
  view.steps = view.forward.length + view.backward.length;
  view.computed = new Map(view.forward.map((id, i) => [id, i + 1]));
  view.returned = new Map(view.backward.map((id, i) => [id, view.forward.length + i + 1]));
  // The gradient of a node is complete after the last of the steps that send something to it.
  view.complete = new Map();
  for (const node of view.nodes) {
    if (!hasGrad(node)) continue;
    const from = view.from.get(node.id).map(edge => view.returned.get(edge.head) || 0);
    view.complete.set(node.id, node.output ? view.forward.length + 1 : Math.max(0, ...from) || Infinity);
  }
}

// The node that the picture is about; none where the whole is shown.
const nodeNow = () => (state.whole ? null : nodeOf(state.view, state.step));
const hasValue = (view, id, step) => step >= (view.computed.get(id) || 0);
const hasArrived = (view, id, step) => step >= (view.complete.get(id) ?? Infinity);

// The node that a step is about: null before the first one.
const nodeOf = (view, step) => (step === 0 ? null : step <= view.forward.length ? view.forward[step - 1] : view.backward[step - view.forward.length - 1]);

function placeOf(view, step) {
  if (step === 0 || state.whole) return { end: step !== 0 };
  return { back: step > view.forward.length, id: Number(nodeOf(view, step).slice(1)) };
}

function stepAt(view, place) {
  if ("end" in place) return place.end ? view.steps : 0;
  const order = place.back ? view.backward : view.forward, base = place.back ? view.forward.length : 0;
  const index = order.findIndex(id => (place.back ? Number(id.slice(1)) <= place.id : Number(id.slice(1)) >= place.id));
  return base + (index < 0 ? order.length : index + 1);
}

function go(step, whole = false) {
  const { view } = state;
  state.step = Math.max(0, Math.min(view.steps, step));
  state.whole = whole;
  const id = whole ? outputOf(view).id : nodeNow() || view.forward[0] || state.selected;
  if (state.selected !== id) state.entry = 0;
  state.selected = id;
  if (nodeNow()) approach(id);
  else if (fromAfar) arrive();
  else if (!whole) follow(id);
  update();
  $("#live").textContent = $("#step-text").textContent;
}

// Past the end the walk begins again.
const stepOn = () => go(state.step >= state.view.steps ? 0 : state.step + 1);

let timer = 0;

function play(on = !timer) {
  clearInterval(timer);
  timer = 0;
  if (on) {
    if (state.step >= state.view.steps) go(0);
    timer = setInterval(() => { if (state.step >= state.view.steps) play(false); else go(state.step + 1); }, 900);
  }
  $("#play").textContent = timer ? "❚❚" : "▶";
  $("#play").setAttribute("aria-label", timer ? "Pause" : "Play the steps");
}

function stepWords() {
  const { view, step } = state, forward = view.forward.length, id = nodeOf(view, step);
  if (!view.steps) return "No operation led to this value, so there is nothing to step through.";
  if (step === 0) return "Only inputs and parameters are there. → computes the first operation.";
  if (state.whole) return `All values ${view.backward.length ? "and gradients " : ""}are there. → starts over, ← one step back, 0 shows the whole graph.`;
  const node = view.byId.get(id), what = `${node.symbol} ${label(node)}`.trim(), end = step === view.steps ? " That was the last step." : "";
  return step <= forward ? `Forward, ${step} of ${forward}: ${what} is computed.${end}`
    : `Backward, ${step - forward} of ${view.backward.length}: the gradient goes through ${what}.${end}`;
}

// ---- the picture at a step ---------------------------------------------------------------------------------------

function paintGraph() {
  const { view, step, moment } = state, now = nodeNow(), back = step > view.forward.length, walking = now !== null;
  for (const node of view.nodes) {
    const { element, slots } = view.elements.get(node.id);
    if (slots.value) fillSlot(slots.value, arrayOf("value", node.id, moment), hasValue(view, node.id, step));
    if (slots.grad) fillSlot(slots.grad, arrayOf("grad", node.id, moment), hasArrived(view, node.id, step));
    element.classList.toggle("ahead", !hasValue(view, node.id, step));
    element.classList.toggle("current", walking && node.id === now);
    element.classList.toggle("back", back);
    element.classList.toggle("selected", node.id === state.selected);
  }
  const sizes = new Map(), norms = view.edges.filter(edge => edge.carries).map(edge => {
    const part = partOf(edge, moment), size = part ? norm(part) : 0;
    sizes.set(edge, size);
    return Number.isFinite(size) ? size : 0;
  });
  const most = Math.max(0, ...norms);
  for (const edge of view.edges) {
    const line = view.lines.get(edge.id), size = sizes.get(edge);
    const flowed = size !== undefined && step >= (view.returned.get(edge.head) ?? Infinity);
    const flow = flowed && size > 0 && most > 0 ? Math.max(0, 1 + Math.log10(size / most) / 3) : 0;
    const look = flowed ? `var(--flow-${Math.round(4 * flow)}) ${(1 + 2.5 * flow).toFixed(1)}` : " ";
    if (line.dataset.look !== look) {
      line.dataset.look = look;
      ["--flow", "--wide"].forEach((name, i) => line.style.setProperty(name, look.split(" ")[i]));
    }
    line.classList.toggle("flowed", flowed);
    line.classList.toggle("ahead", !hasValue(view, edge.head, step));
    line.classList.toggle("giving", walking && !back && edge.head === now);
    line.classList.toggle("taking", walking && back && edge.head === now && edge.carries);
  }
  chips(walking && back ? view.into.get(now).filter(edge => edge.carries) : []);
}

// What comes back through an edge: all that its tail gets, unless that is the sum of several.
const partOf = (edge, moment) => arrayOf("part", edge.key, moment) || arrayOf("grad", edge.tail, moment);

// Beside the edges that a gradient flows through: g × local derivative = contribution.
function chips(edges) {
  for (const old of [...overlay.querySelectorAll(".chip")]) old.remove();
  const placed = edges.map(edge => {
    const path = state.view.lines.get(edge.id).querySelector("path"), middle = path.getPointAtLength(path.getTotalLength() * 0.45);
    const shift = world.querySelector("svg > g").transform.baseVal.consolidate().matrix, part = partOf(edge, state.moment);
    const g = arrayOf("grad", edge.head, state.moment), factor = arrayOf("factor", edge.key, state.moment);
    const rule = factor ? `g × ${wrapped(edge.derivative)}` : edge.derivative;
    const text = part.count === 1 && g.count === 1 && factor ? `${words(g.at(0))} × ${signed(words(factor.at(0)), 1)} = ${words(part.at(0))}`
      : `${rule}${rule && ", "}norm ${words(norm(part))}`;
    const chip = h("div", { class: "chip", "data-edge": edge.id }, text), x = middle.x + shift.e;
    chip.style.top = `${middle.y + shift.f}px`;
    overlay.append(chip);
    return { chip, x, half: chip.offsetWidth / 2 + 2 };
  });
  placed.sort((one, other) => one.x - other.x);
  placed.forEach((each, i) => { // side by side, as little as it takes from where they belong
    const before = placed[i - 1], lap = before ? before.x + before.half + each.half - each.x : 0;
    if (lap > 0) {
      for (const earlier of placed.slice(0, i)) earlier.x -= lap / 2;
      each.x += lap / 2;
    }
  });
  for (const { chip, x } of placed) chip.style.left = `${x}px`;
}

// ---- the numbers of a node -----------------------------------------------------------------------------------------

const MOST_TERMS = 6;
const shapeText = shape => (shape === null || !shape.length ? "" : `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`);

// What the letters in a local derivative stand for, where they are not the names of nodes.
function where(view, edge) {
  const head = view.byId.get(edge.head), meant = place => (place < 0 ? label(head) : operandText(view, head.operands[place]));
  return edge.letters.map(([letter, place]) => [letter, meant(place)]).filter(([letter, name]) => letter !== name)
    .map(([letter, name]) => `${letter} is ${name}`).join(", ");
}

// The names of the operands in the formula of a node.
const operandText = (view, operand) => (typeof operand === "string" ? operand : label(view.byId.get(operand.id)));

function formula(node, texts) {
  if (node.kind === "folded") return `${node.symbol}(${texts.join(", ")})`;
  if (texts.length === 2 && node.infix) return `${texts[0]} ${node.symbol} ${texts[1]}`;
  if (texts.length === 1 && node.infix) return `${node.symbol}${texts[0]}`;
  return `${node.symbol}(${[...texts, node.params].filter(Boolean).join(", ")})`;
}

// Positions in row-major order, and back; broadcasting looks at the last axes first.
const spread = (index, shape) => shape.reduceRight(([rest, axes], size) => [Math.floor(rest / size), [rest % size, ...axes]], [index, []])[1];
const gather = (axes, shape) => shape.reduce((index, size, i) => index * size + (size === 1 ? 0 : axes[axes.length - shape.length + i]), 0);
const sized = shape => shape.reduce((all, size) => all * size, 1);

const signed = (text, i) => (i && /^-/.test(text) ? `(${text})` : text);

function sum(terms) {
  const seen = terms.slice(0, MOST_TERMS), rest = terms.length - seen.length;
  return seen.map(signed).join(" + ") + (rest ? ` + … ${rest} more` : "");
}

// The sizes in a matrix product; a vector on the left is a row, one on the right a column.
const product = (left, right) => ({ rows: left.length === 2 ? left[0] : 1, inner: left[left.length - 1], columns: right.length === 2 ? right[1] : 1 });

// The formula of one entry with the numbers in it; empty where an operation mixes entries in ways of its own.
function entryForward(view, node, entry, moment) {
  const value = arrayOf("value", node.id, moment);
  if (!value || value.blocks || node.kind === "folded" || !value.count) return "";
  const inputs = node.operands.map(operand => (typeof operand === "string" ? { text: operand }
    : { table: arrayOf("value", operand.id, moment), shape: view.byId.get(operand.id).shape }));
  if (inputs.some(input => !input.text && (!input.table || input.table.blocks))) return "";
  const axes = spread(entry, node.shape), result = words(value.at(entry));
  if (node.rule === "elementwise") {
    const texts = inputs.map(input => input.text ?? words(input.table.at(gather(axes, input.shape))));
    return `${formula(node, texts.map((text, i) => (node.infix ? signed(text, i || inputs.length === 1) : text)))} = ${result}`;
  }
  if (node.op === "matmul" && inputs.every(input => input.table && input.shape.length <= 2)) {
    const [left, right] = inputs, { inner, columns } = product(left.shape, right.shape), terms = [];
    const i = left.shape.length === 2 ? axes[0] : 0, j = right.shape.length === 2 ? axes[axes.length - 1] : 0;
    for (let k = 0; k < inner; k++) {
      const [a, b] = [words(left.table.at(i * inner + k)), words(right.table.at(k * columns + j))];
      terms.push(`${signed(a, terms.length)}·${signed(b, 1)}`);
    }
    return `${sum(terms)} = ${result}`;
  }
  if (node.op === "sum" && inputs[0].table) {
    const { shape, table } = inputs[0], kept = shape.map((size, axis) => (node.axes.includes(axis) ? 1 : size)), terms = [];
    for (let k = 0; k < sized(shape); k++) if (gather(spread(k, shape), kept) === entry) terms.push(words(table.at(k)));
    return terms.length ? `${sum(terms)} = ${result}` : "";
  }
  return "";
}

// g × local derivative = contribution, for one entry of what comes back through an edge.
function entryBackward(view, edge, entry, moment) {
  const tail = view.byId.get(edge.tail), head = view.byId.get(edge.head), part = partOf(edge, moment);
  const g = arrayOf("grad", edge.head, moment), factor = arrayOf("factor", edge.key, moment);
  if (!part || !g || part.blocks || g.blocks || !part.count) return "";
  const result = words(part.at(entry)), times = (a, b) => `${words(a)} × ${signed(words(b), 1)}`, terms = [];
  if (factor && !factor.blocks) {
    for (let k = 0; k < sized(head.shape); k++)
      if (gather(spread(k, head.shape), tail.shape) === entry) terms.push(times(g.at(k), factor.at(k)));
    return `${terms.length > 1 ? sum(terms) : terms[0]} = ${result}`;
  }
  const shapes = head.operands.map(operand => operand.id && view.byId.get(operand.id).shape);
  if (head.op === "matmul" && shapes.every(shape => shape && shape.length <= 2)) {
    const position = Number(edge.key.split(":")[1]), other = arrayOf("value", head.operands[1 - position].id, moment);
    const { rows, inner, columns } = product(...shapes);
    if (other.blocks) return "";
    const outer = position === 0 ? Math.floor(entry / inner) : entry % columns, k = position === 0 ? entry % inner : Math.floor(entry / columns);
    if (position === 0) for (let j = 0; j < columns; j++) terms.push(times(g.at(outer * columns + j), other.at(k * columns + j)));
    else for (let i = 0; i < rows; i++) terms.push(times(g.at(i * columns + outer), other.at(i * inner + k)));
    return `${sum(terms)} = ${result}`;
  }
  if (head.op === "sum") return `${words(g.at(g.count === 1 ? 0 : gather(spread(entry, tail.shape), tail.shape.map((size, axis) => (head.axes.includes(axis) ? 1 : size)))))} × 1 = ${result}`;
  return "";
}
