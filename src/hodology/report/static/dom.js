// Small helpers. Text always goes in as text nodes or attributes, never as markup, so that names are inert.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function byId(id) { return document.getElementById(id); }

function clamp(value, low, high) { return Math.max(low, Math.min(high, value)); }

function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits).replace("-", "\u2212")} %`;
}

function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const size = Number(Math.abs(value).toPrecision(digits)); // as number() in render.py writes it
  const sign = value < 0 ? "\u2212" : "";
  if (size === 0) return "0";
  if (size < 1e-3 || Math.abs(value) >= 1e6) return sign + size.toExponential(digits - 2).replace(/e([+-])(\d)$/, "e$10$2");
  return sign + (size >= 10 ** (digits - 1) ? Math.round(Math.abs(value)).toLocaleString("en") : size.toPrecision(digits));
}

// A path's step is one unit, or the list of units that the path takes in that layer.
function asUnits(step) { return Array.isArray(step) ? step : [step]; }

function pathText(path) { return path.map((step) => asUnits(step).join("+")).join(" → "); }

// A row of terms and values for a description list; values that are not known are left out.
function terms(pairs) {
  const list = make("dl");
  for (const [term, value] of pairs) {
    if (value !== null && value !== undefined) list.append(make("dt", {}, term), make("dd", {}, value));
  }
  return list;
}
