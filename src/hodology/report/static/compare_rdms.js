// The dissimilarities of the two chosen representations, side by side, and their stimuli in a plane. A pair of stimuli
// under the pointer in one of them is shown in both.
const WIDEST = 460;

// The full matrix from the triangle that the page holds, and the rank of each pair of stimuli, 0 to 1, ties shared.
function openMatrix(packed) {
  const bytes = Uint8Array.from(atob(packed.triangle), (letter) => letter.charCodeAt(0)), view = new DataView(bytes.buffer), n = packed.n;
  const values = new Float32Array(n * n), pairs = [];
  for (let i = 0, k = 0; i < n; i++) for (let j = i; j < n; j++, k++) {
    values[i * n + j] = values[j * n + i] = view.getFloat32(4 * k, true);
    if (i !== j && !Number.isNaN(values[i * n + j])) pairs.push(i * n + j);
  }
  pairs.sort((a, b) => values[a] - values[b]);
  const ranks = new Float32Array(n * n).fill(NaN);
  for (let from = 0, to = 0; from < pairs.length; from = to) {
    while (to < pairs.length && values[pairs[to]] === values[pairs[from]]) to += 1;
    for (let k = from; k < to; k++) {
      const [i, j] = [Math.floor(pairs[k] / n), pairs[k] % n];
      ranks[i * n + j] = ranks[j * n + i] = (from + 1 + to) / 2 / pairs.length;
    }
  }
  const low = pairs.length ? values[pairs[0]] : 0, high = pairs.length ? values[pairs.at(-1)] : 1;
  return { n, values, ranks, low, high };
}

function makeRdms(data, told) {
  if (!byId("rdms")) return { show() {} };
  const opened = new Map(), { stimuli } = data, pair = { i: null, j: null };
  let ranked = true, palette = makePalette();
  const sides = ["row", "column"].map((name, index) => {
    const part = data.sets.at(index ? -1 : 0), select = byId(`rdm-${name}`), canvas = byId(`rdm-${name}-map`);
    const side = { name, part, select, canvas, at: 0, matrix: null, cell: 1, places: makePlaces(byId(`rdm-${name}-places`), stimuli) };
    select.append(...part.representations.map((one, at) => make("option", { value: at }, one.name)));
    select.addEventListener("input", () => told[name](Number(select.value)));
    canvas.addEventListener("pointermove", (event) => {
      const area = canvas.getBoundingClientRect();
      point(side, Math.floor((event.clientY - area.top) / side.cell), Math.floor((event.clientX - area.left) / side.cell));
    });
    canvas.addEventListener("keydown", (event) => {
      const turn = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!turn || event.altKey || event.ctrlKey || event.metaKey) return;
      point(side, (pair.i ?? 0) + turn[0], (pair.j ?? 0) + turn[1]);
      event.preventDefault();
    });
    return side;
  });

  function open(one) {
    if (one.rdm && !opened.has(one)) opened.set(one, openMatrix(one.rdm));
    return opened.get(one) ?? null;
  }

  function point(side, i, j) {
    if (!side.matrix) return;
    [pair.i, pair.j] = [clamp(i, 0, side.matrix.n - 1), clamp(j, 0, side.matrix.n - 1)];
    paint();
    read();
  }

  // An entry may stand for a block of stimuli.
  function block(index, n) { return [Math.floor((index * stimuli.length) / n), Math.floor(((index + 1) * stimuli.length) / n) - 1]; }

  function label(index, n) {
    const [from, to] = block(index, n);
    return from === to ? stimuli[from] : `${stimuli[from]} to ${stimuli[to]}`;
  }

  function read() {
    const n = sides.find((side) => side.matrix)?.matrix.n;
    if (n === undefined || pair.i === null) return;
    const words = sides.filter((side) => side.matrix).map((side) => {
      const { values, ranks } = side.matrix, at = pair.i * n + pair.j, name = side.part.representations[side.at].name;
      if (Number.isNaN(values[at])) return `${name}: not known`;
      return `${name}: ${number(values[at])}${Number.isNaN(ranks[at]) ? "" : `, rank ${percent(ranks[at], 0)}`}`;
    });
    byId("rdm-said").replaceChildren(make("strong", {}, pair.i === pair.j ? `${label(pair.i, n)} with itself` : `${label(pair.i, n)} and ${label(pair.j, n)}`), ` ${words.join(" · ")}`);
  }

  function field(matrix) {
    const { n, values, ranks, low, high } = matrix, canvas = make("canvas", { width: n, height: n }), pen = canvas.getContext("2d"), pixels = pen.createImageData(n, n);
    for (let k = 0; k < n * n; k++) {
      const own = Math.floor(k / n) === k % n, value = ranked ? (own ? 0 : ranks[k]) : (values[k] - low) / (high - low || 1);
      pixels.data.set([...(Number.isNaN(value) ? palette.blank : palette.above(value)), 255], 4 * k);
    }
    pen.putImageData(pixels, 0, 0);
    return canvas;
  }

  function paint() {
    for (const side of sides) {
      const { canvas, matrix } = side;
      if (!matrix) continue;
      const room = Math.min(WIDEST, canvas.parentElement.clientWidth);
      side.cell = room >= matrix.n ? Math.max(Math.floor(room / matrix.n), 1) : room / matrix.n;
      const size = side.cell * matrix.n, pen = sizeCanvas(canvas, size, size);
      pen.imageSmoothingEnabled = size < matrix.n;
      pen.drawImage(side.field, 0, 0, size, size);
      if (pair.i === null) continue;
      const wide = Math.max(side.cell, 7);
      for (const [i, j, line] of [[pair.i, pair.j, 2], [pair.j, pair.i, 1]]) {
        pen.strokeStyle = palette.strong;
        pen.lineWidth = line;
        pen.strokeRect(j * side.cell - (wide - side.cell) / 2, i * side.cell - (wide - side.cell) / 2, wide, wide);
      }
      side.places.mark([pair.i, pair.j].map((index) => block(index, matrix.n)));
    }
  }

  function renew() {
    for (const side of sides) {
      const one = side.part.representations[side.at], { matrix } = side;
      byId(`rdm-${side.name}-none`).hidden = Boolean(matrix);
      side.canvas.hidden = byId(`rdm-${side.name}-scale`).hidden = !matrix;
      byId(`rdm-${side.name}-note`).textContent = side.part.label;
      side.places.show(one.points ?? []);
      if (!matrix) continue;
      side.field = field(matrix);
      const [low, high] = ranked ? ["most similar", "most different"] : [`similar, ${number(matrix.low)}`, `${number(matrix.high)}, different`];
      byId(`rdm-${side.name}-scale`).replaceChildren(make("span", {}, low), drawScale({ low: 0, high: 1, of: palette.above }), make("span", {}, high));
    }
    paint();
    read();
  }

  byId("rdm-kind").addEventListener("input", () => { ranked = byId("rdm-kind").value === "ranks"; renew(); });
  document.addEventListener("themechange", () => { palette = makePalette(); renew(); });
  new ResizeObserver(paint).observe(byId("rdms"));
  return {
    show({ chosen }) {
      const next = [chosen.row, chosen.column];
      if (sides.every((side, index) => side.field !== undefined && side.at === next[index])) return;
      sides.forEach((side, index) => {
        side.at = next[index];
        side.select.value = String(side.at);
        side.matrix = open(side.part.representations[side.at]);
        side.field ??= null;
      });
      renew();
    },
  };
}
