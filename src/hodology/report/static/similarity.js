// Heat map of class similarity on a canvas (a thousand classes are a million cells), with names where they can be
// read, and the classes nearest to the chosen one as a list. The diagonal is always 1 and left grey.
const SIDE = 480, NAMED = 30, TABLED = 50;

function makeSimilarity(data, onSelect) {
  const matrix = data.similarity, count = data.classes.length, canvas = byId("heat");
  if (!canvas) return { mark() {} };
  let chosen = 0, row = 0, column = Math.min(1, count - 1), edge = 0, cell = 1, colours = null, field = null;
  const top = highest();

  function highest() {
    let most = 0;
    for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) if (i !== j && matrix[i][j] > most) most = matrix[i][j];
    return most || 1;
  }

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    const parts = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
    const [low, high] = [parts(read("--faint")), parts(read("--accent"))];
    const of = (share) => low.map((value, k) => Math.round(value + (high[k] - value) * clamp(share, 0, 1) ** 0.75));
    return { of, blank: parts(read("--rule")), ink: read("--ink"), soft: read("--soft"), strong: read("--strong"), font: read("--sans") };
  }

  // One pixel per cell; the browser enlarges it.
  function paintField() {
    field = make("canvas", { width: count, height: count });
    const context = field.getContext("2d"), pixels = context.createImageData(count, count);
    for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) {
      const value = matrix[i][j], [red, green, blue] = i === j || value === null ? colours.blank : colours.of(value / top);
      pixels.data.set([red, green, blue, 255], 4 * (i * count + j));
    }
    context.putImageData(pixels, 0, 0);
  }

  function fit(context, text, room) {
    if (context.measureText(text).width <= room) return text;
    let end = text.length;
    while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end -= 1;
    return `${text.slice(0, end)}…`;
  }

  function paint() {
    const room = Math.min(SIDE, canvas.parentElement.clientWidth), dots = window.devicePixelRatio || 1;
    const context = canvas.getContext("2d"), font = `12px ${colours.font}`;
    context.font = font;
    const widest = count <= NAMED ? Math.max(...data.classes.map((group) => context.measureText(group.name).width)) : 0;
    edge = count <= NAMED ? clamp(Math.ceil(widest) + 10, 22, 92) : 0;
    cell = count <= room - edge ? Math.max(1, Math.floor((room - edge) / count)) : (room - edge) / count;
    const size = edge + cell * count;
    [canvas.width, canvas.height] = [Math.round(size * dots), Math.round(size * dots)];
    canvas.style.width = `${size}px`;
    canvas.style.height = `${size}px`;
    context.setTransform(dots, 0, 0, dots, 0, 0);
    context.imageSmoothingEnabled = count > size;
    context.drawImage(field, edge, edge, cell * count, cell * count);
    if (edge) names(context, font);
    context.strokeStyle = colours.ink;
    context.lineWidth = 1;
    context.strokeRect(edge + 0.5, edge + chosen * cell + 0.5, cell * count - 1, Math.max(cell - 1, 1));
    context.strokeStyle = colours.strong;
    context.lineWidth = 2;
    const mark = Math.max(cell, 6), shift = (mark - cell) / 2;
    context.strokeRect(edge + column * cell - shift + 1, edge + row * cell - shift + 1, mark - 2, mark - 2);
  }

  function names(context, font) {
    const flat = Math.max(...data.classes.map((group) => context.measureText(group.name).width)) <= cell - 4;
    context.font = font;
    context.textBaseline = "middle";
    data.classes.forEach((group, index) => {
      const middle = edge + (index + 0.5) * cell;
      context.fillStyle = index === chosen ? colours.ink : colours.soft;
      context.textAlign = "right";
      context.fillText(fit(context, group.name, edge - 8), edge - 6, middle);
      context.save();
      context.translate(middle, edge - 6);
      context.textAlign = flat ? "center" : "left";
      if (flat) context.translate(0, -6);
      else context.rotate(-Math.PI / 2);
      context.fillText(fit(context, group.name, flat ? cell : edge - 8), 0, 0);
      context.restore();
    });
  }

  function renew() {
    colours = palette();
    paintField();
    paint();
    const scale = byId("scale"), context = scale.getContext("2d");
    for (let x = 0; x < scale.width; x++) {
      context.fillStyle = `rgb(${colours.of(x / (scale.width - 1)).join(" ")})`;
      context.fillRect(x, 0, 1, scale.height);
    }
  }

  function move(i, j) {
    [row, column] = [clamp(i, 0, count - 1), clamp(j, 0, count - 1)];
    byId("cell").textContent = `${data.classes[row].name} and ${data.classes[column].name}: ${number(matrix[row][column])}`;
    paint();
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [Math.floor((event.clientY - box.top - edge) / cell), Math.floor((event.clientX - box.left - edge) / cell)];
  }

  canvas.addEventListener("pointermove", (event) => move(...at(event)));
  canvas.addEventListener("click", (event) => { move(...at(event)); onSelect(row); });
  canvas.addEventListener("focus", () => move(row, column));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) move(row + step[0], column + step[1]);
    else if (event.key === "Enter" || event.key === " ") onSelect(row);
    else return;
    event.preventDefault();
  });
  document.addEventListener("themechange", renew);
  new ResizeObserver(() => { if (colours) paint(); }).observe(canvas.parentElement);
  byId("scale-low").textContent = "0";
  byId("scale-high").textContent = number(top, 2);
  byId("matrix").addEventListener("toggle", () => { if (byId("matrix").open) fillMatrix(data, chosen); });
  renew();
  return {
    mark(index) {
      chosen = index;
      row = index;
      if (column === row) column = count > 1 ? (row + 1) % count : row;
      listNearest(data, index, onSelect);
      if (byId("matrix").open) fillMatrix(data, index);
      move(row, column);
    },
  };
}

function ranked(data, index) {
  return data.similarity[index].map((value, other) => [value ?? 0, other]).filter(([, other]) => other !== index).sort((a, b) => b[0] - a[0]);
}

function listNearest(data, index, onSelect) {
  byId("nearest-title").textContent = `Nearest to ${data.classes[index].name}`;
  byId("nearest").replaceChildren(...ranked(data, index).slice(0, 20).map(([value, other]) => {
    const button = make("button", { type: "button" }, make("span", { class: "name" }, data.classes[other].name),
      draw("svg", { class: "much", "aria-hidden": "true" }, draw("rect", { width: `${100 * clamp(value, 0, 1)}%`, height: "6" })),
      make("span", { class: "value" }, value.toFixed(3)));
    button.addEventListener("click", () => onSelect(other));
    return make("li", {}, button);
  }));
}

// All classes when they fit a table; else every class by nearness to the chosen one, the first hundred.
function fillMatrix(data, index) {
  const small = data.classes.length <= TABLED;
  const columns = small ? data.classes.map((_, other) => other) : [index];
  const rows = small ? columns : ranked(data, index).slice(0, 100).map(([, other]) => other);
  const head = make("tr", {}, make("th", { scope: "col" }, "class"), ...columns.map((j) => make("th", { scope: "col", class: "number" }, data.classes[j].name)));
  const body = rows.map((i) => make("tr", {}, make("th", { scope: "row" }, data.classes[i].name),
    ...columns.map((j) => make("td", { class: "number" }, data.similarity[i][j] === null ? "–" : data.similarity[i][j].toFixed(3)))));
  byId("matrix-table").replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}
