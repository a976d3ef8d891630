// Heat map of class similarity. A canvas, so that a thousand classes draw at once; the table beside it carries the
// same figures as text (the diagonal, always 1, is grey), and the arrow keys move a mark over the cells.
function drawSimilarity(data, onSelect) {
  const host = byId("similarity");
  const matrix = data.similarity;
  if (!matrix || matrix.length < 2) {
    host.closest("section").hidden = true;
    return { mark() {} };
  }
  const count = matrix.length;
  const edge = count <= 24 ? 44 : 0; // room for names, when they can be read
  const cell = Math.max(1, Math.floor(440 / count));
  const size = edge + cell * count;
  const canvas = make("canvas", { class: "heat", width: size, height: size, tabindex: 0, role: "img",
    "aria-label": `Cosine similarity of the unit use of ${count} classes; arrow keys move, Enter selects the class.` });
  const status = byId("similarity-status");
  let [row, column] = [0, 1];
  const highest = Math.max(1e-9, ...matrix.map((line, i) => Math.max(0, ...line.filter((_, j) => j !== i))));

  function paint() {
    const style = getComputedStyle(document.documentElement);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, size, size);
    context.fillStyle = style.getPropertyValue("--faint");
    context.fillRect(edge, edge, cell * count, cell * count);
    context.fillStyle = style.getPropertyValue("--accent");
    for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) {
      if (i === j) continue;
      context.globalAlpha = Math.min(1, matrix[i][j] / highest) ** 0.8;
      context.fillRect(edge + j * cell, edge + i * cell, cell, cell);
    }
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--rule");
    for (let i = 0; i < count; i++) context.fillRect(edge + i * cell, edge + i * cell, cell, cell);
    if (edge) names(context, style);
    context.strokeStyle = style.getPropertyValue("--strong");
    context.lineWidth = 2;
    context.strokeRect(edge + column * cell + 1, edge + row * cell + 1, Math.max(cell - 2, 2), Math.max(cell - 2, 2));
  }

  function names(context, style) {
    context.fillStyle = style.getPropertyValue("--soft");
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    data.classes.forEach((group, index) => {
      const middle = edge + (index + 0.5) * cell;
      context.textAlign = "right";
      context.fillText(group.name, edge - 6, middle, edge - 8);
      context.textAlign = "center";
      context.fillText(group.name, middle, edge - 10, cell - 2);
    });
  }

  function say() {
    const [a, b] = [data.classes[row], data.classes[column]];
    status.textContent = `${a.name} and ${b.name}: ${matrix[row][column].toFixed(3)}`;
  }

  function move(i, j) {
    row = Math.max(0, Math.min(count - 1, i));
    column = Math.max(0, Math.min(count - 1, j));
    paint();
    say();
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientY - box.top, event.clientX - box.left].map((v, k) => Math.floor((v / (k ? box.width : box.height) * size - edge) / cell));
  }

  canvas.addEventListener("mousemove", (event) => move(...at(event)));
  canvas.addEventListener("click", (event) => { move(...at(event)); onSelect(row); });
  canvas.addEventListener("focus", say);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) { move(row + step[0], column + step[1]); event.preventDefault(); }
    if (event.key === "Enter") onSelect(row);
  });
  document.addEventListener("themechange", paint);
  host.replaceChildren(canvas);
  paint();
  return { mark(index) { nearest(data, matrix, index, onSelect); move(index, column === index ? (index + 1) % count : column); } };
}

function nearest(data, matrix, index, onSelect) {
  const order = matrix[index].map((value, other) => [value, other]).filter(([, other]) => other !== index)
    .sort((a, b) => b[0] - a[0]).slice(0, 10);
  const body = make("tbody");
  for (const [value, other] of order) {
    const button = make("button", { type: "button", class: "small" }, data.classes[other].name);
    button.addEventListener("click", () => onSelect(other));
    body.append(make("tr", {}, make("td", {}, button), make("td", { class: "number" }, value.toFixed(3))));
  }
  byId("nearest").replaceChildren(make("table", {},
    make("caption", { class: "small soft" }, `Nearest to ${data.classes[index].name}`),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "class"), make("th", { scope: "col", class: "number" }, "cosine"))), body));
}
