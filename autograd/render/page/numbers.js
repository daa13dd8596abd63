// Numbers: out of the pack, into words, into colours.

const data = JSON.parse(document.getElementById("data").textContent);
const moments = data.moments.length;
const $ = selector => document.querySelector(selector);

// An element with attributes and children; texts are never read as HTML.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

let packed; // all bytes, once they are unpacked

async function unpack() {
  const bytes = Uint8Array.from(atob($("#pack").textContent), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  packed = new Uint8Array(await new Response(stream).arrayBuffer());
}

const read = new Map();

// The array that a place in the data stands for: floats (entries × moments), bytes (moments × entries) or a text.
function take(place) {
  if (read.has(place)) return read.get(place);
  const { kind, at, count } = place;
  let result;
  if (kind === "t") result = new TextDecoder().decode(packed.subarray(at, at + count));
  else if (kind === "u") {
    result = packed.slice(at, at + count);
    const size = place.table[0] * place.table[1];
    for (let i = size; i < count; i++) result[i] += result[i - size];
  } else {
    const width = data.width, bytes = new Uint8Array(count * width);
    for (let b = 0; b < width; b++)
      for (let i = 0, from = at + b * count; i < count; i++) bytes[i * width + b] = packed[from + i];
    result = width === 8 ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
  }
  read.set(place, result);
  return result;
}

// One array at one moment: { rows, columns, at(i), count, blocks }, null where there is none.
function arrayOf(what, key, moment) {
  const place = (data.arrays[what] || {})[key];
  if (!place) return null;
  if ("constant" in place) return { constant: true, at: () => place.constant };
  return tableOf(place, moment);
}

function tableOf(place, moment) {
  const numbers = take(place), [rows, columns] = place.table;
  return { rows, columns, count: rows * columns, blocks: "norm" in place, whole: place.norm && take(place.norm)[moment], at: i => numbers[i * moments + moment] };
}

// As Python's format(value, ".4g") writes it.
function words(value, digits = 4) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return "0";
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power), strip = text => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (Number.isInteger(value) && Math.abs(value) < 10 ** digits) return String(value);
  if (exponent < -4 || exponent >= digits)
    return `${strip(mantissa)}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  return strip(value.toFixed(Math.max(0, digits - 1 - exponent)));
}

function largest(table) {
  let most = 0;
  for (let i = 0; i < table.count; i++) {
    const size = Math.abs(table.at(i));
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

// Of all entries, also where only means of blocks are here.
function norm(table) {
  if (table.blocks) return table.whole;
  let sum = 0;
  for (let i = 0; i < table.count; i++) sum += table.at(i) ** 2;
  return Math.sqrt(sum);
}

// The ends and the middle of the scale for signed numbers, and the other colours that canvases need.
const shades = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["heat-m5", "heat-0", "heat-5", "nan", "ink", "quiet", "paper", "input-line", "parameter-line"]) {
    const colour = style.getPropertyValue(`--${name}`).trim();
    shades[name] = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
  }
}

// The colour of a number between -1 and 1.
function shade(share, out, at) {
  if (Number.isNaN(share)) { out.set(shades.nan, at); return; }
  const end = share < 0 ? shades["heat-m5"] : shades["heat-5"], middle = shades["heat-0"];
  const part = Math.min(1, Math.abs(share));
  for (let c = 0; c < 3; c++) out[at + c] = middle[c] + (end[c] - middle[c]) * part;
}

const one = new Uint8ClampedArray(3);

function css(share) {
  shade(share, one, 0);
  return `rgb(${one[0]} ${one[1]} ${one[2]})`;
}

// Paint a table as a heat map, one pixel per entry; the style sheet makes the pixels large.
function paintHeat(canvas, table, scale) {
  if (canvas.width !== table.columns || canvas.height !== table.rows) {
    canvas.width = table.columns;
    canvas.height = table.rows;
  }
  const context = canvas.getContext("2d"), image = context.createImageData(table.columns, table.rows);
  image.data.fill(255);
  for (let i = 0; i < table.count; i++) shade(table.at(i) / scale, image.data, 4 * i);
  context.putImageData(image, 0, 0);
}
