// All pairs as a heat map on a canvas. The best of a row has a frame, what its interval does not tell from it a dot.
const LARGEST = 58, NAMED = 11, WORDS = 150, TALLEST = 26;

function makeHeat(data, told) {
  const canvas = byId("heat"), room = byId("heat-room"), { values } = data.matrix, own = data.sets.length === 1;
  const rows = shorten(data.matrix.rows), columns = shorten(data.matrix.columns);
  let palette = null, scale = null, box = null, chosen = { row: 0, column: 0 }, looked = null, painted = 0;

  function layout() {
    const width = textWidth(`12px ${palette.font}`), space = room.clientWidth, narrow = space < 520;
    const left = Math.min(Math.ceil(Math.max(...rows.map(width))) + 12, narrow ? 92 : WORDS);
    const cell = Math.min(Math.max((space - left - 4) / columns.length, 3), LARGEST), w = cell >= 4 ? Math.floor(cell) : cell;
    const tall = rows.length * 22 <= 620 ? 22 : NAMED, h = clamp(w, Math.min(tall, TALLEST), Math.max(TALLEST, Math.min(w, 36)));
    const flat = Math.max(...columns.map(width)) <= w - 6;
    const top = w < NAMED ? 4 : flat ? 22 : Math.min(Math.ceil(Math.max(...columns.map(width))) + 12, narrow ? 92 : WORDS);
    const named = { rows: h >= NAMED, columns: w >= NAMED };
    return { left, top, w, h, flat, named, width };
  }

  function paint() {
    box = layout();
    const { left, top, w, h } = box, pen = sizeCanvas(canvas, left + w * columns.length + 3, top + h * rows.length + 3);
    values.forEach((line, row) => line.forEach((value, column) => {
      const [x, y] = [left + column * w, top + row * h];
      if (!known(value)) return hole(pen, x, y, w, h);
      const colour = own && row === column ? palette.blank : scale.of(value);
      pen.fillStyle = `rgb(${colour.join(" ")})`;
      pen.fillRect(x, y, w > 8 ? w - 1 : w, h > 8 ? h - 1 : h);
      marks(pen, row, column, x, y, inkOn(colour), value);
    }));
    names(pen);
    frame(pen, chosen, palette.strong, 2.5);
    if (looked) frame(pen, looked, palette.ink, 1.5);
    canvas.dataset.box = [left, top, w, h].join(" ");
    painted += 1;
  }

  // A pair without a value: crossed out, never a colour.
  function hole(pen, x, y, w, h) {
    pen.fillStyle = `rgb(${palette.blank.join(" ")})`;
    pen.fillRect(x, y, w > 8 ? w - 1 : w, h > 8 ? h - 1 : h);
    if (w < 8 || h < 8) return;
    pen.strokeStyle = palette.soft;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x + 3, y + h - 4);
    pen.lineTo(x + w - 4, y + 3);
    pen.stroke();
  }

  function marks(pen, row, column, x, y, ink, value) {
    const { w, h } = box, small = Math.min(w, h), match = data.matches[row], best = match.column === column, words = w >= 36 && h >= 17;
    pen.fillStyle = pen.strokeStyle = ink;
    if (words) {
      pen.font = `${best ? "600 " : ""}12px ${palette.font}`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(value.toFixed(2).replace("-", "\u2212"), x + (w - 1) / 2, y + h / 2);
    }
    if (best) {
      pen.lineWidth = small > 14 ? 1.5 : 1;
      const off = small > 14 ? 2.5 : small > 7 ? 1.5 : 0.5;
      pen.strokeRect(x + off, y + off, w - 1 - 2 * off, h - 1 - 2 * off);
    } else if (match.within.includes(column)) {
      pen.beginPath();
      if (words) pen.arc(x + w - 6, y + 5, 2, 0, 7);
      else pen.arc(x + w / 2 - 0.5, y + h / 2 - 0.5, clamp(small / 6, 0.8, 2.6), 0, 7);
      pen.fill();
    }
  }

  function names(pen) {
    const { left, top, w, h, flat, named, width } = box, at = looked ?? chosen;
    const font = (yes, size) => `${yes ? "600 " : ""}${Math.min(12, size)}px ${palette.font}`;
    pen.textBaseline = "middle";
    rows.forEach((name, row) => {
      if (!named.rows && row !== at.row) return;
      pen.font = font(row === at.row, h >= NAMED ? h : 12);
      pen.fillStyle = row === at.row ? palette.ink : palette.soft;
      pen.textAlign = "right";
      pen.fillText(cutMiddle(name, left - 10, (text) => pen.measureText(text).width), left - 6, top + (row + 0.5) * h);
    });
    columns.forEach((name, column) => {
      if (!named.columns) return;
      pen.font = font(column === at.column, w);
      pen.fillStyle = column === at.column ? palette.ink : palette.soft;
      pen.save();
      pen.translate(left + (column + 0.5) * w, top - 6);
      pen.textAlign = flat ? "center" : "left";
      if (flat) pen.translate(0, -6);
      else pen.rotate(-Math.PI / 2);
      pen.fillText(flat ? name : cutMiddle(name, top - 10, (text) => pen.measureText(text).width), 0, 0);
      pen.restore();
    });
  }

  function frame(pen, { row, column }, colour, line) {
    const { left, top, w, h } = box, [wide, high] = [Math.max(w, 8), Math.max(h, 8)];
    pen.strokeStyle = colour;
    pen.lineWidth = line;
    pen.strokeRect(left + column * w - (wide - w) / 2 - 0.5, top + row * h - (high - h) / 2 - 0.5, wide, high);
  }

  function legend() {
    const key = (...shapes) => draw("svg", { width: 16, height: 16, "aria-hidden": "true" }, ...shapes);
    const holes = values.flat().some((value) => !known(value));
    byId("heat-legend").replaceChildren(
      make("li", { class: "scale" }, make("span", { class: "low" }, number(scale.low, 2)), drawScale(scale), make("span", { class: "high" }, number(scale.high, 2))),
      make("li", {}, key(draw("rect", { class: "key-best", x: 2, y: 2, width: 12, height: 12 })), "best of its row"),
      data.matrix.low ? make("li", {}, key(draw("circle", { class: "key-dot", cx: 8, cy: 8, r: 2.6 })), "within the interval of the best") : "",
      own ? make("li", {}, key(draw("rect", { class: "key-hole", x: 1, y: 1, width: 14, height: 14 })), "with itself") : "",
      holes ? make("li", {}, key(draw("rect", { class: "key-hole", x: 1, y: 1, width: 14, height: 14 }), draw("path", { class: "key-cross", d: "M4 12L12 4" })), "no value") : "");
  }

  function renew() {
    palette = makePalette();
    const counted = values.flatMap((line, row) => line.filter((_, column) => !(own && row === column)));
    scale = makeScale(own && rows.length > 1 ? counted : values.flat(), palette, byId("range").value);
    legend();
    paint();
  }

  function under(event) {
    const area = canvas.getBoundingClientRect(), [x, y] = [event.clientX - area.left - box.left, event.clientY - area.top - box.top];
    const [row, column] = [Math.floor(y / box.h), Math.floor(x / box.w)];
    return row >= 0 && row < rows.length && column >= 0 && column < columns.length ? { row, column } : null;
  }

  canvas.addEventListener("pointermove", (event) => told.look(under(event)));
  canvas.addEventListener("pointerleave", () => told.look(null));
  canvas.addEventListener("click", (event) => { const at = under(event); if (at) told.choose(at, false); });
  canvas.addEventListener("keydown", (event) => {
    const { row, column } = chosen, last = columns.length - 1;
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [row, 0], End: [row, last], Enter: [row, data.matches[row].column ?? column], " ": [row, data.matches[row].column ?? column],
    }[event.key];
    if (!to || event.altKey || event.ctrlKey || event.metaKey) return;
    told.choose({ row: clamp(to[0], 0, rows.length - 1), column: clamp(to[1], 0, last) }, true);
    event.preventDefault();
  });
  byId("range").addEventListener("input", renew);
  document.addEventListener("themechange", renew);
  new ResizeObserver(() => { if (palette) paint(); }).observe(room);
  return { show(state) { ({ chosen, looked } = state); if (palette) paint(); else renew(); } };
}
