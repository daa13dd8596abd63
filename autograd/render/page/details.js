// The numbers of the node that is chosen: its formula, its value, the gradient that arrives and what goes on from it.

const MOST_ROWS = 12, MOST_COLUMNS = 16;

const wrapped = rule => (/^[\w.]+(\([^()]*\))?$/.test(rule) ? rule : `(${rule})`);

function paintDetails() {
  const { view, step, moment } = state, node = view.byId.get(state.selected), pane = $("#details");
  const scrolled = [...pane.querySelectorAll(".scroll")].map(part => part.scrollLeft), same = pane.dataset.node === node.id;
  const focused = document.activeElement?.closest?.("#details table")?.dataset.what;
  const computed = hasValue(view, node.id, step), arrived = hasArrived(view, node.id, step);
  const facts = [shapeText(node.shape), node.dtype, node.params, ...(node.notes || [])].filter(Boolean).join(" · ");
  const kind = node.output ? "output" : isOperation(node) ? "" : node.kind;
  const parts = [
    h("h2", {}, h("span", { class: `badge ${node.kind}` }, node.symbol || kind || node.kind), " ",
      h("span", { class: "name" }, node.name || label(node)), kind && node.symbol && kind !== label(node) ? h("small", {}, ` ${kind}`) : null),
    h("p", { class: "facts" }, facts),
    node.scope || node.source ? h("p", { class: "facts source" }, [node.scope, node.source].filter(Boolean).join(" · ")) : null,
  ];
  const value = arrayOf("value", node.id, moment), grad = arrayOf("grad", node.id, moment);
  if (value && node.shape !== null) parts.push(...valuePart(view, node, value, computed, moment));
  if (grad) parts.push(...gradPart(view, node, grad, arrived, moment));
  else if (data.backward && node.output) parts.push(h("p", { class: "facts" }, data.backward));
  else if (!data.backward && !hasGrad(node)) parts.push(h("p", { class: "facts" }, "No gradient is asked for here."));
  pane.replaceChildren(...parts.filter(Boolean));
  pane.dataset.node = node.id;
  if (same) pane.querySelectorAll(".scroll").forEach((part, i) => { part.scrollLeft = scrolled[i] || 0; });
  for (const cell of pane.querySelectorAll(".chosen")) reveal(cell);
  if (focused) pane.querySelector(`table[data-what=${focused}]`)?.focus({ preventScroll: true });
}

// Scroll sideways to a cell, and nothing else.
function reveal(cell) {
  const frame = cell.closest(".scroll"), left = cell.offsetLeft - frame.offsetLeft;
  if (left < frame.scrollLeft) frame.scrollLeft = left - 4;
  else if (left + cell.offsetWidth > frame.scrollLeft + frame.clientWidth) frame.scrollLeft = left + cell.offsetWidth - frame.clientWidth + 4;
}

const index = (node, entry) => (node.shape.length ? `[${spread(entry, node.shape).join(", ")}]` : "");

function valuePart(view, node, value, computed, moment) {
  const parts = [h("h3", {}, "Value")], operands = node.operands.map(operand => operandText(view, operand));
  if (isOperation(node)) parts.push(h("p", { class: "formula" }, `${label(node)} = ${formula(node, operands)}`));
  if (!computed) return [...parts, h("p", { class: "facts" }, "Not computed yet.")];
  const filled = isOperation(node) ? entryForward(view, node, state.entry, moment) : "";
  if (filled) parts.push(h("p", { class: "formula filled", id: "forward-numbers" }, entryLabel(node), filled));
  parts.push(numbersTable(node, value, "value"));
  return parts;
}

const entryLabel = node => (node.shape.length ? h("small", {}, `entry ${index(node, state.entry)}: `) : null);

function gradPart(view, node, grad, arrived, moment) {
  const parts = [h("h3", { class: "grad" }, "Gradient ", h("small", {}, `∂ ${label(outputOf(view))} / ∂ ${label(node)}`))];
  const uses = view.from.get(node.id).filter(edge => edge.carries);
  const done = uses.filter(edge => state.step >= (view.returned.get(edge.head) ?? Infinity));
  if (!arrived && !done.length) return [...parts, h("p", { class: "facts" }, "No gradient has arrived yet.")];
  if (uses.length > 1) {
    parts.push(h("p", { class: "facts" }, `Contributions from ${uses.length} uses add up${arrived ? "" : `; ${done.length} have arrived`}:`));
    parts.push(h("ul", { class: "sums" }, done.map(edge => edgeItem(view, edge, moment, label(view.byId.get(edge.head)), "from"))));
  }
  if (arrived) parts.push(numbersTable(node, grad, "grad"));
  const onward = arrived ? view.into.get(node.id).filter(edge => edge.carries) : [];
  if (onward.length && state.step >= (view.returned.get(node.id) ?? Infinity)) {
    parts.push(h("h3", { class: "grad" }, "Goes on as ", h("small", {}, "g × local derivative = contribution")));
    parts.push(h("ul", { class: "sums", id: "onward" }, onward.map(edge => edgeItem(view, edge, moment, label(view.byId.get(edge.tail)), "to"))));
  }
  return parts;
}

function edgeItem(view, edge, moment, name, direction) {
  const tail = view.byId.get(edge.tail), part = partOf(edge, moment), factor = arrayOf("factor", edge.key, moment);
  const entry = part.count > state.entry && edge.tail === state.selected ? state.entry : 0;
  const filled = entryBackward(view, edge, entry, moment);
  const rule = edge.derivative ? (factor ? `g × ${wrapped(edge.derivative)}` : edge.derivative) : "";
  return h("li", { "data-edge": edge.key },
    h("span", { class: "facts" }, `${direction} `), h("b", {}, name), rule ? h("span", { class: "rule" }, `  ${rule}`) : null,
    rule && where(view, edge) ? h("small", {}, `  ${where(view, edge)}`) : null,
    h("div", { class: "formula filled" }, tail.shape.length && filled ? h("small", {}, `entry ${index(tail, entry)}: `) : null,
      filled || `norm ${words(norm(part))}`));
}

// The entries as a table in heat colours; one of them is chosen, by a click or the arrow keys.
function numbersTable(node, table, what) {
  if (table.count === 1 && !node.shape.length) return h("p", { class: `single ${what}`, id: `${what}-number` }, words(table.at(0), 6));
  if (!table.count) return h("p", { class: "facts" }, "No entries.");
  const scale = largest(table) || 1, chosen = table.blocks ? -1 : Math.min(state.entry, table.count - 1);
  const [row, column] = [Math.floor(Math.max(0, chosen) / table.columns), Math.max(0, chosen) % table.columns];
  const top = Math.max(0, Math.min(row - MOST_ROWS + 3, table.rows - MOST_ROWS)), left = Math.max(0, Math.min(column - MOST_COLUMNS + 3, table.columns - MOST_COLUMNS));
  const bottom = Math.min(table.rows, top + MOST_ROWS), right = Math.min(table.columns, left + MOST_COLUMNS);
  const rows = [];
  for (let r = top; r < bottom; r++) {
    const cells = [];
    for (let c = left; c < right; c++) {
      const i = r * table.columns + c;
      cells.push(h("td", { style: `background:${css(table.at(i) / scale)}`, title: `[${node.shape.length === 1 ? c : `${r}, ${c}`}] = ${table.at(i)}`,
        "data-entry": i, class: i === chosen ? "chosen" : null }, words(table.at(i), 4)));
    }
    rows.push(h("tr", {}, cells));
  }
  const part = bottom - top < table.rows || right - left < table.columns;
  const caption = `${part ? `rows ${top}–${bottom - 1} of ${table.rows}, columns ${left}–${right - 1} of ${table.columns}` : ""}` +
    `${table.blocks ? `${part ? "; " : ""}each number is the mean of a block of ${shapeText(node.shape)}` : ""}`;
  const name = `${what === "value" ? "Value" : "Gradient"} of ${label(node)}`;
  return h("div", { class: "scroll" }, h("table", {
    class: `numbers ${what}`, "data-what": what, tabindex: 0, "aria-label": `${name}; arrow keys choose an entry`,
    onclick: event => { const at = event.target.dataset.entry; if (at && !table.blocks) choose(Number(at)); },
    onkeydown: event => {
      const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -table.columns, ArrowDown: table.columns }[event.key];
      if (!by || table.blocks) return;
      event.preventDefault();
      event.stopPropagation();
      const entry = Math.min(state.entry, table.count - 1) + by; // not what this table shows: keys may be faster than frames
      if (entry >= 0 && entry < table.count) choose(entry);
    },
  }, h("tbody", {}, rows)), h("p", { class: "facts" }, [caption, `norm ${words(norm(table))}`].filter(Boolean).join(" · ")));
}

function choose(entry) {
  state.entry = entry;
  const node = state.view.byId.get(state.selected), table = arrayOf("value", node.id, state.moment);
  update();
  $("#live").textContent = `${label(node)} ${index(node, entry)} is ${words(table.at(entry))}`;
}
