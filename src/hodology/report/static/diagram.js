// The path diagram. Layers are columns; the units that the class uses are discs, the most used on top; a unit that
// only the chosen input uses lies on the lowest line. Widths are real pixels, so that the letters keep their size.
const ROW = 25, TOP = 48, LEFT = 26, NARROWEST = 62, WIDEST = 170;

function makeDiagram(host, data, told) {
  let group = null, items = [], item = null, cursor = null, place = null, svg = null, discs = new Map();

  function measure() {
    const columns = data.layers.length;
    const room = Math.max(host.clientWidth - 2 * LEFT - 22, 0);
    const gap = columns > 1 ? clamp(room / (columns - 1), NARROWEST, WIDEST) : 0;
    const ranks = group.layers.map((units) => new Map(units.map(([unit], index) => [unit, index])));
    const deepest = Math.max(1, ...ranks.map((rank) => rank.size));
    const y = (layer, unit) => TOP + ROW * (ranks[layer].has(unit) ? ranks[layer].get(unit) : deepest + 0.4);
    return {
      ranks, deepest, y, x: (layer) => LEFT + gap * layer,
      width: Math.max(2 * LEFT + gap * (columns - 1) + 22, 120), height: TOP + ROW * (deepest + 0.4) + 20,
    };
  }

  function line(units) {
    // Layers without a unit are passed over.
    const points = units.map((unit, layer) => (unit === undefined ? null : [place.x(layer), place.y(layer, unit)])).filter(Boolean);
    return points.map(([x, y], index) => {
      if (index === 0) return `M${x} ${y}`;
      const [fromX, fromY] = points[index - 1], middle = (fromX + x) / 2;
      return `C${middle} ${fromY} ${middle} ${y} ${x} ${y}`;
    }).join("");
  }

  // The r-th units of all layers make one line; with one unit per layer that is the path itself.
  function lines(path) {
    const steps = path.map(asUnits);
    const most = Math.max(1, ...steps.map((units) => units.length));
    return Array.from({ length: most }, (_, rank) => line(steps.map((units) => units[rank])));
  }

  function redraw() {
    if (!group) return;
    place = measure();
    discs = new Map();
    svg = draw("svg", { class: "diagram", width: place.width, height: place.height, "aria-hidden": "true", focusable: "false" });
    const rest = TOP + ROW * (place.deepest + 0.4);
    svg.append(draw("text", { class: "caption", x: 0, y: 14 }, "layer"),
      draw("line", { class: "rest", x1: 0, x2: place.width, y1: rest, y2: rest }),
      draw("text", { class: "caption", x: 0, y: rest + 16 }, "other units"));
    data.layers.forEach((layer, index) => {
      const x = place.x(index);
      svg.append(draw("line", { class: "axis", x1: x, x2: x, y1: TOP - 12, y2: rest }),
        draw("text", { class: "layer", x, y: 30, "text-anchor": "middle" }, layer.label, draw("title", {}, layer.name)));
    });
    const routes = draw("g", { class: "routes" });
    routes.style.setProperty("--route", String(clamp(3 / Math.max(items.length, 1), 0.06, 0.35)));
    for (const other of items) for (const d of lines(other.path)) routes.append(draw("path", { class: "route", d }));
    svg.append(routes, draw("path", { class: "preferred", d: line(group.layers.map((units) => units[0]?.[0])) }), draw("g", { class: "over" }));
    group.layers.forEach((units, layer) => {
      units.forEach(([unit, share], index) => svg.append(disc(layer, unit, share, index === 0 ? "unit top" : "unit")));
    });
    svg.append(draw("g", { class: "extra" }));
    host.replaceChildren(svg);
    overlay();
  }

  function disc(layer, unit, share, kind) {
    const x = place.x(layer), y = place.y(layer, unit), r = 2.5 + 6.5 * Math.sqrt(clamp(share, 0, 1));
    const node = draw("g", { class: kind, "data-layer": layer, "data-unit": unit },
      draw("circle", { class: "touch", cx: x, cy: y, r: 12 }),
      draw("circle", { class: "disc", cx: x, cy: y, r: r.toFixed(1) }),
      draw("text", { x: (x + 0.7 * r + 4).toFixed(1), y: y - 6 }, String(unit))); // above the line that leaves the disc
    node.addEventListener("pointerenter", () => told.unit(layer, unit));
    node.addEventListener("pointerleave", () => told.unit(null, null));
    discs.set(`${layer}:${unit}`, node);
    return node;
  }

  // What is chosen lies over the drawing; the rest steps back.
  function overlay() {
    if (!svg) return;
    const over = svg.querySelector(".over"), extra = svg.querySelector(".extra");
    over.replaceChildren();
    extra.replaceChildren();
    for (const [key, node] of discs) {
      if (!node.isConnected) discs.delete(key);
      else node.classList.remove("own", "here");
    }
    svg.classList.toggle("busy", item !== null);
    if (item) {
      lines(item.path).forEach((d, rank) => over.append(draw("path", { class: rank ? "own more" : "own", d })));
      item.path.forEach((step, layer) => {
        for (const unit of asUnits(step)) {
          if (!place.ranks[layer].has(unit)) extra.append(disc(layer, unit, 0, "unit"));
          discs.get(`${layer}:${unit}`).classList.add("own");
        }
      });
    }
    if (cursor) discs.get(`${cursor.layer}:${group.layers[cursor.layer][cursor.rank][0]}`)?.classList.add("here");
  }

  function step(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move || !group.layers.some((units) => units.length)) return;
    event.preventDefault();
    let { layer, rank } = cursor ?? { layer: 0, rank: 0 };
    if (cursor) {
      const used = group.layers.map((units, index) => (units.length ? index : -1)).filter((index) => index >= 0);
      const ahead = move[0] > 0 ? used.find((index) => index > layer) : move[0] < 0 ? used.findLast((index) => index < layer) : layer;
      [layer, rank] = [ahead ?? layer, rank + move[1]];
    } else layer = group.layers.findIndex((units) => units.length);
    rank = clamp(rank, 0, group.layers[layer].length - 1);
    cursor = { layer, rank };
    overlay();
    host.scrollTo({ left: place.x(layer) - host.clientWidth / 2 });
    told.unit(layer, group.layers[layer][rank][0]);
  }

  host.addEventListener("keydown", step);
  host.addEventListener("blur", () => {
    if (!cursor) return;
    cursor = null;
    overlay();
    told.unit(null, null);
  });
  new ResizeObserver(() => { if (place && Math.abs(measure().width - place.width) > 1) redraw(); }).observe(host);
  return {
    showClass(next, shown) { [group, items, item, cursor] = [next, shown, null, null]; redraw(); },
    showItem(next) { item = next; overlay(); },
  };
}
