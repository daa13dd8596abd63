// Putting it together: one update for every change, keys, theme, help.

let asked = 0;

// All changes before the next frame are painted together.
function update() {
  if (!asked) asked = requestAnimationFrame(paint);
}

function paint() {
  asked = 0;
  const { view, step } = state, slider = $("#step"), text = stepWords();
  slider.max = view.steps;
  slider.value = step;
  slider.setAttribute("aria-valuetext", text);
  $("#step-text").textContent = text;
  $("#track-forward").style.width = `${100 * view.forward.length / (view.steps || 1)}%`;
  $("#stepper").classList.toggle("back", !state.whole && step > view.forward.length);
  paintGraph();
  paintDetails();
  paintTraining();
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function recolour() {
  readColours();
  for (const draw of painted) draw();
  update();
}

function switchTheme() {
  const root = document.documentElement, now = root.dataset.theme === "auto" ? (dark.matches ? "dark" : "light") : root.dataset.theme;
  root.dataset.theme = now === "dark" ? "light" : "dark";
  recolour();
}

const KEYS = [
  ["→  ←", "one step on, one back"], ["Home  End", "first and last step"], ["space", "play the steps"],
  ["↑  ↓", "to the first input of the chosen node, to its first user"], ["/", "find a node; Enter goes to the next"],
  ["+  −  0", "zoom in, out, whole graph"], ["f", "fold or open all scopes"],
  ["PageUp  PageDown", `one ${data.unit} back, one on; with Shift ten`], ["p", "play the run"], ["t", "light or dark"], ["Esc", "close this"],
];

function help() {
  const dialog = $("#keys"), box = name => h("span", { class: `badge ${name}` }, name);
  dialog.replaceChildren(
    h("h2", {}, "Keys"), h("dl", {}, KEYS.filter(([keys]) => moments > 1 || !/Page|^p$/.test(keys)).flatMap(([keys, does]) => [h("dt", {}, keys), h("dd", {}, does)])),
    h("h2", {}, "Colours"), h("p", {}, box("input"), " ", box("parameter"), " ", box("operation"), " ", box("output")),
    h("p", {}, h("span", { class: "ramp", "aria-hidden": "true" }), " blue is negative, orange positive; the stronger, the larger. On the left in a node stands its value, on the right, framed, its gradient (∇): how fast the output changes with it."),
    h("p", {}, "After a backward step an edge is the wider, the larger the gradient that came back through it. What has no name is called by its number, such as #3, which stands in the corner of its node."),
    h("form", { method: "dialog" }, h("button", {}, "Close")));
  dialog.showModal();
}

function walkEdges(down) {
  const { view, selected } = state, edges = down ? view.from.get(selected) : view.into.get(selected);
  if (edges.length) select(down ? edges[0].head : edges[0].tail);
}

const ACTIONS = {
  ArrowRight: () => stepOn(), ArrowLeft: () => go(state.step - 1), Home: () => go(0), End: () => go(state.view.steps, true),
  ArrowUp: () => walkEdges(false), ArrowDown: () => walkEdges(true), " ": () => play(),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit(), f: () => foldAll(), t: () => switchTheme(),
  "/": () => $("#search").focus(), "?": () => help(),
  PageDown: event => setMoment(state.moment + (event.shiftKey ? 10 : 1)),
  PageUp: event => setMoment(state.moment - (event.shiftKey ? 10 : 1)),
  p: () => moments > 1 && run(),
};

addEventListener("keydown", event => {
  const own = event.target, typing = own.matches?.("input[type=search]"), sliding = own.matches?.("input[type=range]");
  if (!state.view || typing || event.ctrlKey || event.metaKey || event.altKey || $("#keys").open) return;
  if (sliding && /^(Arrow|Home|End|Page)/.test(event.key)) return; // sliders know these keys themselves
  if (event.key === " " && own.matches?.("button")) return;
  const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
  if (/^(ArrowUp|ArrowDown|Page)/.test(event.key) && own !== stage && (own !== document.body || scrolls)) return;
  if (/^Page/.test(event.key) && moments < 2) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

function listen() {
  $("#step").addEventListener("input", event => go(Number(event.target.value)));
  $("#play").addEventListener("click", () => play());
  $("#theme").addEventListener("click", switchTheme);
  $("#help").addEventListener("click", help);
  dark.addEventListener("change", recolour);
  const steps = { first: () => go(0), back: () => go(state.step - 1), on: stepOn, last: () => go(state.view.steps, true) };
  for (const button of document.querySelectorAll("[data-step]")) button.addEventListener("click", steps[button.dataset.step]);
  const zooms = { in: () => zoom(1.25), out: () => zoom(0.8), fit: () => fit(), fold: () => foldAll() };
  for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", zooms[button.dataset.do]);
  new ResizeObserver(() => (fromAfar && !nodeNow() ? arrive() : look())).observe(stage);
}

async function start() {
  try {
    await unpack();
  } catch (error) {
    $("#step-text").textContent = `The numbers of this page could not be unpacked (${error.message}); it needs a browser of 2023 or later.`;
    return;
  }
  readColours();
  show(first);
  state.step = first.steps;
  buildTraining();
  listen();
  arrive();
  paint();
  document.body.classList.add("ready");
}

start();
