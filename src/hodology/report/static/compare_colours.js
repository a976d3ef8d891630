// Colours of similarities and dissimilarities. One hue whose lightness falls steadily; below zero another one, so that
// the two are told apart by eyes that see no red or no green. Read from the style, for light and dark.
function makePalette() {
  const style = getComputedStyle(document.documentElement), read = (name) => style.getPropertyValue(name).trim();
  const parts = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const ramp = (...names) => names.map((name) => parts(read(name)));
  const above = ramp("--cell-none", "--cell-some", "--cell-most"), below = ramp("--cell-none", "--cell-against", "--cell-opposed");
  const between = (stops, share) => {
    const at = clamp(share, 0, 1) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2);
    return stops[k].map((value, part) => Math.round(value + (stops[k + 1][part] - value) * (at - k)));
  };
  return {
    above: (share) => between(above, share),
    // From -1 to 1.
    signed: (share) => (share < 0 ? between(below, -share) : between(above, share)),
    blank: parts(read("--rule")), paper: read("--paper"), ink: read("--ink"), soft: read("--soft"), strong: read("--strong"), font: read("--sans"),
  };
}

function light(rgb) {
  return rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
}

// Black or white, whichever stands out more.
function inkOn(rgb) { return light(rgb) > 0.179 ? "#000000" : "#ffffff"; }

// What a value is painted with: from zero (both ways when there are values below it), or over the values' own span.
function makeScale(values, palette, kind) {
  const found = values.filter(known);
  let [low, high] = found.length ? [Math.min(...found), Math.max(...found)] : [0, 1];
  if (kind === "zero") {
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    const both = low < 0;
    [low, high] = [both ? -most : 0, most];
    return { low, high, of: (value) => (both ? palette.signed(value / most) : palette.above(value / most)) };
  }
  if (high === low) [low, high] = [low - 0.5, high + 0.5];
  return { low, high, of: (value) => palette.above((value - low) / (high - low)) };
}

function drawScale(scale, { width = 132, height = 10 } = {}) {
  const canvas = make("canvas", { width, height, "aria-hidden": "true" }), pen = canvas.getContext("2d");
  for (let x = 0; x < width; x++) {
    pen.fillStyle = `rgb(${scale.of(scale.low + ((scale.high - scale.low) * x) / (width - 1)).join(" ")})`;
    pen.fillRect(x, 0, 1, height);
  }
  return canvas;
}

// The canvas at the screen's own resolution; the pen counts in pixels of the page.
function sizeCanvas(canvas, width, height) {
  const dots = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * dots), Math.round(height * dots)];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  const pen = canvas.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  return pen;
}
