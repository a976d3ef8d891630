// Representations in a plane: discs of the rows' set, squares of the columns'. Names that find no room are told when
// their point is chosen or under the pointer.
const SCATTER = { least: 200, most: 440, edge: 34, line: 15 };

function makeScatter(data, told) {
  const host = byId("plane");
  if (!host) return { show() {} };
  const short = [shorten(data.matrix.rows), shorten(data.matrix.columns)];
  const own = data.sets.length === 1, points = data.embedding.points.filter((point) => known(point.x) && known(point.y)).map((point) => {
    const first = point.set === data.sets[0].key, names = first ? data.matrix.rows : data.matrix.columns;
    const index = names.indexOf(point.name);
    return { ...point, first, index, short: (first ? short[0] : short[1])[index] };
  });
  const svg = draw("svg", { class: "plane", role: "img", "aria-label": `${points.length} representations in a plane.` });
  let [width, height, state, here] = [0, 0, null, null];
  host.append(svg);

  function isChosen(point) {
    const at = state.looked ?? state.chosen;
    return point.first ? point.index === at.row || (own && point.index === at.column) : point.index === at.column;
  }

  // Each name right, left, above or below its point, where it touches no other; the chosen ones first.
  function names(place, letters) {
    const taken = points.map((point) => [place.x(point) - 6, place.y(point) - 6, place.x(point) + 6, place.y(point) + 6]), found = [];
    const order = points.map((_, at) => at).sort((a, b) => isChosen(points[b]) + (b === here) - isChosen(points[a]) - (a === here));
    for (const at of order) {
      const point = points[at], text = cutMiddle(point.short, 150, letters), half = letters(text) / 2, [x, y] = [place.x(point), place.y(point)];
      const spots = [[x + 11 + half, y], [x - 11 - half, y], [x, y - 16], [x, y + 16], [x + 9 + half, y - 12], [x + 9 + half, y + 12], [x - 9 - half, y - 12], [x - 9 - half, y + 12]];
      const boxes = spots.map(([mx, my]) => [mx - half - 1, my - SCATTER.line / 2, mx + half + 1, my + SCATTER.line / 2]);
      const inside = (box) => box[0] >= 0 && box[2] <= width && box[1] >= 0 && box[3] <= height;
      let free = boxes.findIndex((box) => inside(box) && !taken.some((other, who) => who !== at && box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]));
      if (free < 0 && (isChosen(point) || at === here)) free = Math.max(boxes.findIndex(inside), 0);
      if (free < 0) continue;
      taken.push(boxes[free]);
      found.push([at, text, ...spots[free]]);
    }
    return found;
  }

  // As high as the points need at the full width.
  function tall() {
    const span = (key) => Math.max(...points.map((p) => p[key])) - Math.min(...points.map((p) => p[key])), edge = 2 * SCATTER.edge;
    return Math.round(clamp(edge + ((width - edge) * span("y")) / (span("x") || 1e-9) || 0, SCATTER.least, SCATTER.most));
  }

  function redraw() {
    width = Math.max(host.clientWidth, 200);
    height = tall();
    fill(svg, { width, height }, []);
    const place = fitPlane(points, width, height, SCATTER.edge), letters = textWidth(`12.5px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`);
    const shapes = points.map((point, at) => {
      const [x, y] = [place.x(point), place.y(point)], size = isChosen(point) ? 1.35 : 1;
      const shape = point.first ? draw("circle", { class: "of-a", cx: x, cy: y, r: 5 * size }) : draw("rect", { class: "of-b", x: x - 4.5 * size, y: y - 4.5 * size, width: 9 * size, height: 9 * size });
      const group = draw("g", { class: `spot${isChosen(point) ? " chosen" : ""}${at === here ? " here" : ""}`, "data-at": at }, draw("circle", { class: "touch", cx: x, cy: y, r: 11 }), shape, draw("title", {}, point.name));
      if (at === here) group.append(draw("circle", { class: "ring", cx: x, cy: y, r: 10 }));
      return group;
    });
    const texts = names(place, letters);
    svg.replaceChildren(...shapes, ...texts.map(([at, text, x, y]) => draw("text", { class: isChosen(points[at]) || at === here ? "chosen" : null, x, y: y + 4, "text-anchor": "middle" }, text)));
    const hidden = points.length - texts.length, gone = data.embedding.points.length - points.length;
    byId("plane-note").textContent = [hidden ? `${hidden} name${hidden === 1 ? "" : "s"} found no room: point at a mark to see its name.` : "", gone ? `${gone} representation${gone === 1 ? " has" : "s have"} no place.` : ""].join(" ").trim();
  }

  function choose(at, spoken) {
    const point = points[at], { row, column } = state.chosen;
    told.choose(point.first ? { row: point.index, column } : { row, column: point.index }, spoken);
  }

  const under = (event) => { const at = event.target.closest?.("[data-at]")?.dataset.at; return at === undefined ? null : Number(at); };
  svg.addEventListener("pointermove", (event) => { const at = under(event); if (at !== here) { here = at; redraw(); } });
  svg.addEventListener("pointerleave", () => { here = null; redraw(); });
  svg.addEventListener("click", (event) => { const at = under(event); if (at !== null) choose(at, false); });
  host.addEventListener("keydown", (event) => {
    const turn = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!points.length || event.altKey || event.ctrlKey || event.metaKey) return;
    if (turn) {
      here = ((here ?? (turn > 0 ? -1 : 0)) + turn + points.length) % points.length;
      told.say(`${points[here].name}, ${data.sets.find((part) => part.key === points[here].set).label}`);
      redraw();
    } else if ((event.key === "Enter" || event.key === " ") && here !== null) choose(here, true);
    else if (event.key === "Escape") { here = null; redraw(); }
    else return;
    event.preventDefault();
  });
  new ResizeObserver(() => { if (width && host.clientWidth !== width) redraw(); }).observe(host);
  return { show(next) { state = next; redraw(); } };
}
