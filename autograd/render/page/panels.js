// Beside the graph: the slider through the moments, and what moves with it.

const SMALL = 56, MEDIUM = 120, LARGE = 320, CURVE = { height: 124, left: 46, right: 10, top: 10, bottom: 22 };
const painters = []; // each moves one panel to a moment
const painted = []; // each draws what changes with the theme only
let running = 0;

function buildTraining() {
  const pane = $("#training");
  if (moments < 2 && !data.panels.length) return;
  pane.hidden = false;
  document.body.classList.add("with-training");
  if (moments > 1)
    pane.append(h("div", { id: "moments" },
      h("button", { type: "button", id: "run", "aria-label": "Play the run", title: "Play the run (p)", onclick: () => run() }, "▶"),
      h("input", { id: "moment", type: "range", min: 0, max: moments - 1, value: state.moment, "aria-label": data.unit,
        oninput: event => setMoment(Number(event.target.value)) }),
      h("output", { id: "moment-text", for: "moment" })));
  const build = { curve: buildCurve, maps: buildMaps, arrays: buildArrays };
  for (const panel of data.panels) pane.append(build[panel.kind](panel));
  for (const draw of painted) draw();
}

function setMoment(moment) {
  state.moment = Math.max(0, Math.min(moments - 1, moment));
  update();
}

// The whole run in ten seconds, however fast the screen is.
function run(on = !running) {
  cancelAnimationFrame(running);
  running = 0;
  const button = $("#run");
  if (on) {
    const from = state.moment >= moments - 1 ? 0 : state.moment, start = performance.now();
    const next = now => {
      setMoment(from + Math.floor((now - start) / 10000 * moments));
      if (state.moment < moments - 1) running = requestAnimationFrame(next);
      else run(false);
    };
    running = requestAnimationFrame(next);
  }
  button.textContent = running ? "❚❚" : "▶";
  button.setAttribute("aria-label", running ? "Pause the run" : "Play the run");
}

const epochWords = moment => `${data.unit} ${data.moments[moment]} of ${data.moments[moments - 1]}`;

function paintTraining() {
  if (moments > 1) {
    const slider = $("#moment");
    slider.value = state.moment;
    slider.setAttribute("aria-valuetext", epochWords(state.moment));
    $("#moment-text").textContent = epochWords(state.moment);
  }
  for (const paint of painters) paint(state.moment);
}

const figure = (panel, ...inside) => h("figure", { class: `panel ${panel.kind}` }, h("figcaption", {}, panel.title), inside,
  panel.note ? h("p", { class: "facts" }, panel.note) : null);

// ---- curves --------------------------------------------------------------------------------------------------------

const svg = (tag, attributes = {}, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};

function buildCurve(panel) {
  const x = take(panel.x), lines = Object.entries(panel.lines).map(([name, place]) => [name, take(place)]);
  const finite = lines.flatMap(([, line]) => [...line].filter(Number.isFinite));
  const low = Math.min(...finite), high = Math.max(...finite), log = low > 0 && high / low > 20;
  const holder = h("div", { class: "plot" }), readout = h("p", { class: "readout" });
  const along = y => (log ? Math.log(y / low) / Math.log(high / low || 2) : (y - Math.min(0, low)) / ((high - Math.min(0, low)) || 1));
  let width = 0, cursor = null, dots = [];
  const px = at => CURVE.left + (width - CURVE.left - CURVE.right) * (at - x[0]) / ((x[x.length - 1] - x[0]) || 1);
  const py = y => CURVE.top + (CURVE.height - CURVE.top - CURVE.bottom) * (1 - along(y));
  const draw = () => {
    width = holder.clientWidth || 380;
    const picture = svg("svg", { width, height: CURVE.height, role: "img", "aria-label": `${panel.title}: from ${words(lines[0][1][0])} to ${words(lines[0][1][lines[0][1].length - 1])}` });
    const ticks = log ? [low, Math.sqrt(low * high), high] : [Math.min(0, low), (Math.min(0, low) + high) / 2, high];
    let digits = 2; // as many as it takes to tell the lines apart
    while (digits < 6 && new Set(ticks.map(tick => words(tick, digits))).size < new Set(ticks).size) digits += 1;
    for (const tick of ticks) {
      picture.append(svg("line", { class: "grid", x1: CURVE.left, x2: width - CURVE.right, y1: py(tick), y2: py(tick) }));
      picture.append(svg("text", { x: CURVE.left - 5, y: py(tick) + 4, "text-anchor": "end" }, words(tick, digits)));
    }
    for (const share of [0, 0.5, 1]) {
      const at = x[Math.round(share * (x.length - 1))];
      picture.append(svg("text", { x: px(at), y: CURVE.height - 6, "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" }, words(at)));
    }
    lines.forEach(([, line], i) => {
      let path = "", pen = "M";
      line.forEach((y, k) => {
        if (!Number.isFinite(y) || (log && y <= 0)) pen = "M";
        else { path += `${pen}${px(x[k]).toFixed(1)} ${py(y).toFixed(1)}`; pen = "L"; }
      });
      picture.append(svg("path", { class: `line line-${i}`, d: path }));
    });
    cursor = svg("line", { class: "cursor", y1: CURVE.top, y2: CURVE.height - CURVE.bottom });
    dots = lines.map((_, i) => svg("circle", { class: `dot line-${i}`, r: 4 }));
    picture.append(cursor, ...dots);
    holder.replaceChildren(picture);
  };
  const nearest = when => {
    let best = 0;
    for (let k = 1; k < x.length; k++) if (Math.abs(x[k] - when) < Math.abs(x[best] - when)) best = k;
    return best;
  };
  const paint = moment => {
    const k = nearest(data.moments[moment]), at = px(x[k]);
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    const texts = lines.map(([name, line], i) => {
      let last = k; // a line with a gap here, such as the loss after the last epoch, shows what was there before
      while (last > 0 && Number.isNaN(line[last])) last--;
      dots[i].setAttribute("cx", px(x[last]));
      dots[i].setAttribute("cy", Number.isFinite(line[last]) ? py(line[last]) : -99);
      return `${name} ${words(line[last])}${last < k ? ` (last measured in ${data.unit} ${x[last]})` : ""}`;
    });
    readout.textContent = texts.join(" · ") + (log ? " (log scale)" : "");
  };
  const pick = event => {
    if (!event.buttons || moments < 2) return;
    const share = (event.clientX - holder.getBoundingClientRect().x - CURVE.left) / (width - CURVE.left - CURVE.right);
    const when = x[0] + Math.max(0, Math.min(1, share)) * (x[x.length - 1] - x[0]);
    let best = 0;
    data.moments.forEach((each, i) => { if (Math.abs(each - when) < Math.abs(data.moments[best] - when)) best = i; });
    setMoment(best);
  };
  holder.addEventListener("pointerdown", pick);
  holder.addEventListener("pointermove", pick);
  new ResizeObserver(() => { if (holder.clientWidth !== width) { draw(); paint(state.moment); } }).observe(holder);
  painters.push(moment => { if (!cursor) draw(); paint(moment); });
  return figure(panel, holder, readout);
}

// ---- maps of the plane -----------------------------------------------------------------------------------------------

function buildMaps(panel) {
  const names = Object.keys(panel.maps), alone = names.length === 1, sharp = devicePixelRatio > 1 ? 2 : 1;
  const marked = panel.points.length > 0, kind = alone ? "large" : marked ? "medium" : "small";
  const cells = names.map((name, number) => {
    const place = panel.maps[name], [rows, columns] = place.table;
    const canvas = h("canvas", { role: "img", "aria-label": `${panel.title} ${name}` });
    const small = document.createElement("canvas");
    small.width = columns;
    small.height = rows;
    const side = { small: SMALL, medium: MEDIUM, large: LARGE }[kind];
    canvas.width = side * sharp;
    canvas.height = Math.round(side * sharp * (alone ? Math.min(1, (panel.extent[3] - panel.extent[2]) / (panel.extent[1] - panel.extent[0])) : 1));
    painters.push(moment => paintMap(panel, place, canvas, small, moment));
    const marks = marked ? h("canvas", { class: "marks", width: canvas.width, height: canvas.height, "aria-hidden": "true" }) : null;
    if (marks) painted.push(() => points(marks.getContext("2d"), panel, alone ? 1 : number, marks.width, marks.height));
    return h("div", { class: "map" }, h("div", { class: "sheet" }, canvas, marks), alone ? null : h("span", {}, name));
  });
  const scale = h("p", { class: "facts scale" }, h("span", { class: "ramp", "aria-hidden": "true" }),
    `${words(panel.centre - panel.spread, 3)} … ${words(panel.centre, 3)} … ${words(panel.centre + panel.spread, 3)}`);
  return figure(panel, h("div", { class: `tiles ${kind}` }, cells), scale);
}

// From -1 to 1. Bytes hold the square root, so that they are finest where a contour is.
const share = byte => (byte / 127.5 - 1) * Math.abs(byte / 127.5 - 1);

function paintMap(panel, place, canvas, small, moment) {
  const bytes = take(place), [rows, columns] = place.table, start = moment * rows * columns;
  const context = small.getContext("2d"), image = context.createImageData(columns, rows);
  image.data.fill(255);
  for (let r = 0; r < rows; r++) // the first row of the data is the lowest of the picture
    for (let c = 0; c < columns; c++) shade(share(bytes[start + r * columns + c]), image.data, 4 * ((rows - 1 - r) * columns + c));
  context.putImageData(image, 0, 0);
  const paper = canvas.getContext("2d"), { width, height } = canvas;
  paper.imageSmoothingEnabled = true;
  // Samples stand at the edges of the area, pixels do not: half a pixel more on every side.
  const dx = width / (columns - 1) / 2, dy = height / (rows - 1) / 2;
  paper.drawImage(small, -dx, -dy, width + 2 * dx, height + 2 * dy);
  if (panel.contour) {
    paper.strokeStyle = `rgb(${shades.ink})`;
    paper.lineWidth = Math.max(1.5, width / 160);
    contour(paper, (r, c) => share(bytes[start + r * columns + c]), rows, columns, width / (columns - 1), height / (rows - 1), height);
  }
}

// The line along which a function on a grid is zero: two crossings on the edges of a square are joined.
function contour(paper, f, rows, columns, dx, dy, height) {
  paper.beginPath();
  for (let r = 0; r + 1 < rows; r++)
    for (let c = 0; c + 1 < columns; c++) {
      const corners = [[c, r, f(r, c)], [c + 1, r, f(r, c + 1)], [c + 1, r + 1, f(r + 1, c + 1)], [c, r + 1, f(r + 1, c)]], crossings = [];
      for (let i = 0; i < 4; i++) {
        const [x0, y0, a] = corners[i], [x1, y1, b] = corners[(i + 1) % 4];
        if (a < 0 !== b < 0) crossings.push([x0 + (x1 - x0) * a / (a - b), y0 + (y1 - y0) * a / (a - b)]);
      }
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        paper.moveTo(crossings[i][0] * dx, height - crossings[i][1] * dy);
        paper.lineTo(crossings[i + 1][0] * dx, height - crossings[i + 1][1] * dy);
      }
    }
  paper.stroke();
}

// Classes differ by colour and by shape.
function points(paper, panel, inside, width, height) {
  const [x0, x1, y0, y1] = panel.extent, size = Math.max(1.8, width / 110);
  paper.clearRect(0, 0, width, height);
  paper.lineWidth = 1;
  for (const [x, y, side] of panel.points) {
    const within = side === inside;
    const px = (x - x0) / (x1 - x0) * width, py = height - (y - y0) / (y1 - y0) * height;
    paper.beginPath();
    if (within) {
      paper.moveTo(px, py - 1.3 * size);
      paper.lineTo(px + 1.2 * size, py + size);
      paper.lineTo(px - 1.2 * size, py + size);
      paper.closePath();
    } else paper.arc(px, py, size, 0, 7);
    paper.fillStyle = `rgb(${shades[within ? "parameter-line" : "input-line"]})`;
    paper.strokeStyle = `rgb(${shades.paper})`;
    paper.fill();
    paper.stroke();
  }
}

// ---- arrays and their gradients ----------------------------------------------------------------------------------------

function buildArrays(panel) {
  const head = h("tr", {}, h("th", {}, ""), h("th", {}, "weights"), h("th", { class: "grad" }, "gradients"));
  const rows = panel.rows.map(row => {
    const cells = ["value", "grad"].map(what => {
      const place = row[what], canvas = h("canvas", { role: "img", "aria-label": `${what} of ${row.name}` }), text = h("small", { "data-row": row.name, "data-what": what });
      const [, columns] = place.table, numbers = take(place);
      canvas.style.width = `${Math.max(10, Math.min(124, columns * 12))}px`;
      canvas.style.height = `${Math.max(10, Math.min(96, place.table[0] * 12))}px`;
      let most = 0; // weights can be compared between moments by their colours; gradients fade, so each moment has its own
      for (const number of numbers) if (Math.abs(number) > most && Math.abs(number) < Infinity) most = Math.abs(number);
      painters.push(moment => {
        const table = tableOf(place, moment);
        paintHeat(canvas, table, (what === "value" ? most : largest(table)) || 1);
        text.textContent = table.count === 1 ? words(table.at(0)) : `norm ${words(norm(table))}`;
      });
      return h("td", { class: what }, canvas, text);
    });
    return h("tr", {}, h("th", { scope: "row" }, row.name, h("small", {}, shapeText(row.shape))), cells);
  });
  return figure(panel, h("table", { class: "arrays" }, h("thead", {}, head), h("tbody", {}, rows)));
}
