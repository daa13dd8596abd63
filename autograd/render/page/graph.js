// The graph: which view is shown, what stands in its nodes, panning, zooming, finding, folding.

const stage = $("#stage"), world = $("#world"), overlay = $("#overlay");
const state = { view: null, step: 0, moment: moments - 1, selected: null, entry: 0, whole: true };
const eye = { x: 0, y: 0, scale: 1 };
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// What belongs to a view but not to the data: elements and lookups.
function wire(view) {
  view.byId = new Map(view.nodes.map(node => [node.id, node]));
  view.into = new Map(view.nodes.map(node => [node.id, []]));
  view.from = new Map(view.nodes.map(node => [node.id, []]));
  for (const edge of view.edges) {
    view.into.get(edge.head).push(edge);
    view.from.get(edge.tail).push(edge);
  }
  view.closed = new Set(Object.values(view.folded));
  plan(view);
}

const short = text => (text.length > 28 ? `${text.slice(0, 27)}…` : text);
const label = node => short(node.name) || (node.output ? "output" : `#${node.id.slice(1)}`);
const isOperation = node => node.kind === "operation" || node.kind === "folded";
const hasGrad = node => node.id in data.arrays.grad && node.shape !== null;

function show(view, keep) {
  if (!view.byId) wire(view);
  state.view = view;
  const before = world.querySelector("svg");
  if (!view.picture && view.svg) {
    const holder = document.createElement("div");
    holder.innerHTML = take(view.svg); // made by Graphviz, with every word escaped
    view.picture = holder.firstElementChild;
  }
  view.picture ||= before;
  before.replaceWith(view.picture);
  overlay.replaceChildren();
  view.elements = new Map();
  for (const node of view.nodes) dress(view, node);
  view.lines = new Map(view.edges.map(edge => [edge.id, world.querySelector(`#${edge.id}`)]));
  for (const group of view.groups) foldButton(group.path, group.label, world.querySelector(`#${group.id}`), false);
  for (const [id, path] of Object.entries(view.folded))
    foldButton(path, path.split("/").pop(), world.querySelector(`#${id}`), true);
  $("#notes").textContent = view.notes.join(" · ");
  $("#fold-all").disabled = data.views.length < 2;
  if (!view.byId.has(state.selected)) state.selected = keep && view.byId.has(keep) ? keep : outputOf(view).id;
}

const first = data.views[0];
const outputOf = view => view.nodes.find(node => node.output) || view.nodes[view.nodes.length - 1];

// Where an element of the picture is, in the pixels of the world.
function boxOf(element) {
  const box = element.getBBox(), graph = world.querySelector("svg > g").transform.baseVal.consolidate().matrix;
  return { x: box.x + graph.e, y: box.y + graph.f, width: box.width, height: box.height };
}

function dress(view, node) {
  const element = world.querySelector(`#${node.id}`);
  element.classList.add("node");
  const facts = [node.name, node.op || node.kind, shapeText(node.shape), node.scope, node.source].filter(Boolean).join("\n");
  if (!element.querySelector("title")) element.prepend(svg("title", {}, facts));
  element.onclick = () => { if (!moved) select(node.id, false); };
  const parts = { element, slots: {} };
  if (!node.name && !node.output && !(node.notes || []).includes(label(node))) { // what the formulas call it
    const box = boxOf(element);
    overlay.append(h("small", { class: "tag", "aria-hidden": "true", style: `left:${box.x + 5}px;top:${box.y + 4}px` }, label(node)));
  }
  for (const [what, [x, y, width, height]] of Object.entries(view.slots[node.id] || {})) {
    const slot = h("div", { class: `slot ${what}`, style: `left:${x}px;top:${y}px;width:${width}px;height:${height}px` });
    const table = arrayOf(what, node.id, 0);
    if (!table) continue;
    slot.dataset.node = node.id;
    if (table.count === 1) slot.classList.add("number");
    else if (table.count <= 12 && table.columns <= 3) {
      slot.classList.add("cells");
      slot.style.gridTemplateColumns = `repeat(${table.columns}, 1fr)`;
      for (let i = 0; i < table.count; i++) slot.append(h("span"));
    } else if (table.count) slot.append(h("canvas"));
    else slot.textContent = "empty";
    parts.slots[what] = slot;
    overlay.append(slot);
  }
  view.elements.set(node.id, parts);
}

// What does not change is not written again: every writing is painted again.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fillSlot(slot, table, seen) {
  slot.classList.toggle("waiting", !seen);
  if (!table.count) return;
  if (slot.classList.contains("number")) {
    write(slot, seen ? (slot.classList.contains("grad") ? "∇ " : "") + words(table.at(0)) : "");
    return;
  }
  const scale = largest(table) || 1;
  if (slot.classList.contains("cells"))
    for (let i = 0, cell = slot.firstChild; cell; i++, cell = cell.nextSibling) {
      write(cell, seen ? words(table.at(i), 3) : "");
      const colour = seen ? css(table.at(i) / scale) : "";
      if (cell.dataset.colour !== colour) cell.style.background = cell.dataset.colour = colour;
    }
  else if (seen) paintHeat(slot.firstChild, table, scale);
}

// ---- panning and zooming -----------------------------------------------------------------------------------------

let moved = false, resting = 0;

// While it moves the world is a layer of its own, which is fast; at rest it is drawn again, which is sharp.
function look(smooth = false) {
  world.style.transition = smooth && !calm.matches ? "transform .25s" : "none";
  world.style.willChange = "transform";
  world.style.transform = `translate(${eye.x}px, ${eye.y}px) scale(${eye.scale})`;
  clearTimeout(resting);
  resting = setTimeout(() => { world.style.willChange = "auto"; }, 300);
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(6, Math.max(0.05, eye.scale * factor)), ratio = scale / eye.scale;
  eye.x = x - (x - eye.x) * ratio;
  eye.y = y - (y - eye.y) * ratio;
  eye.scale = scale;
  fromAfar = false;
  look();
}

const pictureSize = () => {
  const box = world.querySelector("svg").viewBox.baseVal;
  return [box.width, box.height];
};

function fit(smooth = true) {
  const [width, height] = pictureSize();
  eye.scale = Math.min(1.5, (stage.clientWidth - 16) / width, (stage.clientHeight - 16) / height);
  eye.x = (stage.clientWidth - width * eye.scale) / 2;
  eye.y = (stage.clientHeight - height * eye.scale) / 2;
  fromAfar = true;
  look(smooth);
}

// From the whole graph, which may be too small to read, down to one node; and back if the reader did not interfere.
const READABLE = 0.75; // of the size in which its letters are 9 to 11 pixels high
let fromAfar = true;

function approach(id, smooth = true) {
  if (eye.scale < READABLE && fromAfar) {
    const box = boxOf(state.view.elements.get(id).element);
    eye.scale = Math.min(1.1, (stage.clientWidth - 16) / box.width);
    eye.x = stage.clientWidth / 2 - (box.x + box.width / 2) * eye.scale;
    eye.y = stage.clientHeight / 2 - (box.y + box.height / 2) * eye.scale;
    // No more empty room than there must be; on the right the buttons need some.
    const [width, height] = pictureSize(), buttons = $("#zoom").offsetWidth + 16;
    const within = (at, size, length, end = 8) => (length < size - 8 - end ? at : Math.min(8, Math.max(size - length - end, at)));
    eye.x = within(eye.x, stage.clientWidth, width * eye.scale, buttons);
    eye.y = within(eye.y, stage.clientHeight, height * eye.scale);
    look(smooth);
  } else follow(id);
}

// The first look: the whole graph, unless it could not be read.
function arrive() {
  fit(false);
  approach(state.selected, false);
}

// Move as little as it takes to see a node with some room around it.
function follow(id, smooth = true) {
  const box = boxOf(state.view.elements.get(id).element), room = 12;
  const axis = (at, size, place, length) => {
    const low = at + place * eye.scale, high = low + length * eye.scale;
    if (low >= room / 2 && high <= size - room / 2) return at;
    return size / 2 - (place + length / 2) * eye.scale;
  };
  const x = axis(eye.x, stage.clientWidth, box.x, box.width), y = axis(eye.y, stage.clientHeight, box.y, box.height);
  if (x === eye.x && y === eye.y) return;
  [eye.x, eye.y] = [x, y];
  look(smooth);
}

// What gets the focus must be seen. The browser may scroll for that, which here is a move of the eye.
overlay.addEventListener("focusin", event => {
  stage.scrollTo(0, 0);
  const own = event.target.getBoundingClientRect(), frame = stage.getBoundingClientRect();
  if (own.left >= frame.left && own.right <= frame.right && own.top >= frame.top && own.bottom <= frame.bottom) return;
  eye.x += frame.left + frame.width / 2 - own.left;
  eye.y += frame.top + frame.height / 2 - own.top;
  fromAfar = false;
  look();
});
stage.addEventListener("scroll", () => stage.scrollTo(0, 0));

const fingers = new Map();

stage.addEventListener("pointerdown", event => {
  fingers.set(event.pointerId, event);
  moved = false;
});

addEventListener("pointermove", event => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  if (!moved && Math.hypot(dx, dy) < 4) return;
  if (!moved) stage.setPointerCapture(event.pointerId);
  moved = true;
  stage.classList.add("dragged");
  if (fingers.size === 2) {
    const other = [...fingers.values()].find(finger => finger.pointerId !== event.pointerId), frame = stage.getBoundingClientRect();
    const apart = finger => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY) || 1;
    zoom(apart(event) / apart(before), other.clientX - frame.x, other.clientY - frame.y);
  } else {
    eye.x += dx;
    eye.y += dy;
    fromAfar = false;
    look();
  }
  fingers.set(event.pointerId, event);
});

for (const end of ["pointerup", "pointercancel"])
  addEventListener(end, event => {
    fingers.delete(event.pointerId);
    stage.classList.remove("dragged");
    setTimeout(() => { moved = false; });
  });

stage.addEventListener("wheel", event => {
  // Where the page itself scrolls, a turn of the wheel is meant for the page unless Ctrl is held.
  if (document.documentElement.scrollHeight > innerHeight + 1 && !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const frame = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 500), event.clientX - frame.x, event.clientY - frame.y);
}, { passive: false });

// ---- folding -----------------------------------------------------------------------------------------------------

function foldButton(path, name, element, closed) {
  const box = boxOf(element), sign = closed ? "+" : "−", verb = closed ? "Open" : "Fold";
  const foldings = data.views.map(view => Object.values(view.folded)).filter(folded => folded.includes(path));
  if (!closed && !foldings.length) return;
  const others = foldings.length && !foldings.some(folded => folded.length === 1) ? " and all of its depth" : "";
  overlay.append(h("button", {
    type: "button", class: "fold", "data-path": path, "aria-expanded": String(!closed), "aria-label": `${verb} ${name}${others}`,
    title: `${verb} ${path}${others}`, style: `left:${box.x + box.width - (closed ? 10 : 20)}px;top:${box.y + (closed ? -9 : 2)}px`,
    onclick: event => { event.stopPropagation(); foldScope(path, !closed); },
  }, sign));
}

// Of the views in which the scope is as wanted, the one that is most like what is shown.
function foldScope(path, close) {
  for (const view of data.views) if (!view.byId) wire(view);
  const now = state.view.closed, inside = other => other.startsWith(path + "/");
  const difference = view => [...view.closed].filter(each => !now.has(each) && each !== path).length +
    [...now].filter(each => !view.closed.has(each) && each !== path && !inside(each)).length;
  const wanted = data.views.filter(view => view.closed.has(path) === close);
  if (wanted.length) change(wanted.reduce((best, view) => (difference(view) < difference(best) ? view : best)), path);
}

function foldAll() {
  for (const view of data.views) if (!view.byId) wire(view);
  const sizes = data.views.map(view => view.nodes.length);
  const smallest = data.views[sizes.indexOf(Math.min(...sizes))];
  change(state.view === smallest ? first : smallest);
}

// Show another view without losing the place: the step stays at the operation where it was.
function change(view, path) {
  const at = placeOf(state.view, state.step), before = state.selected;
  show(view, before);
  state.step = stepAt(view, at);
  const anchor = Object.entries(view.folded).find(([, each]) => each === path)?.[0] || state.selected;
  update();
  if (fromAfar) fit(false);
  else follow(anchor, false);
  if (path) [...overlay.querySelectorAll(".fold")].find(button => button.dataset.path === path)?.focus({ preventScroll: true });
}

// ---- choosing and finding ------------------------------------------------------------------------------------------

function select(id, look = true) {
  if (state.selected !== id) state.entry = 0;
  state.selected = id;
  if (look) approach(id);
  update();
}

let hits = [], hit = -1;

// The better a node fits, the earlier it comes: its name, what it does, where it belongs, the user's line.
function find(text) {
  const wanted = text.trim().toLowerCase();
  const fits = node => {
    const fields = [[node.name, node.symbol, node.op, `#${node.id.slice(1)}`], [node.scope, node.kind], [node.source]];
    const own = fields[0].filter(Boolean).map(field => field.toLowerCase());
    if (own.includes(wanted)) return 0;
    return 1 + [own, ...fields.slice(1)].findIndex(some => some.some(field => field && field.toLowerCase().includes(wanted))) || Infinity;
  };
  const rank = new Map(wanted ? state.view.nodes.map(node => [node.id, fits(node)]) : []);
  hits = [...rank.keys()].filter(id => rank.get(id) < Infinity).sort((one, other) => rank.get(one) - rank.get(other));
  hit = -1;
  for (const [id, { element }] of state.view.elements) {
    element.classList.toggle("found", hits.includes(id));
    element.classList.toggle("passed", wanted !== "" && !hits.includes(id));
  }
  $("#found").textContent = !wanted ? "" : hits.length ? `${hits.length} found` : "none";
  if (hits.length) nextHit(1);
}

function nextHit(by) {
  if (!hits.length) return;
  hit = (hit + by + hits.length) % hits.length;
  $("#found").textContent = `${hit + 1} of ${hits.length}`;
  select(hits[hit]);
}

$("#search").addEventListener("input", event => find(event.target.value));
$("#search").addEventListener("keydown", event => {
  if (event.key === "Enter") nextHit(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") {
    event.target.value = "";
    find("");
    stage.focus();
  }
});
