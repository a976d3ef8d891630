// The path diagram: layers are columns, the units that a class uses are nodes, most used on top.
const ROW = 27, TOP = 46, LEFT = 34;

function asUnits(step) { return Array.isArray(step) ? step : [step]; }

function layout(data, chosen) {
  const columns = data.layers.length;
  const gap = Math.max(70, Math.min(150, (1040 - 2 * LEFT) / Math.max(columns - 1, 1)));
  const rows = chosen.layers.map((units) => new Map(units.map(([unit, share], index) => [unit, { index, share }])));
  const deepest = Math.max(...rows.map((row) => row.size), 1);
  const width = 2 * LEFT + gap * Math.max(columns - 1, 1) + 20;
  return {
    rows, width, height: TOP + ROW * (deepest + 1) + 12, deepest,
    x: (layer) => LEFT + gap * layer,
    y: (layer, unit) => TOP + ROW * (rows[layer].has(unit) ? rows[layer].get(unit).index : deepest),
  };
}

function curve(place, a, b) {
  const [x0, y0] = a, [x1, y1] = b, middle = (x0 + x1) / 2;
  return `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
}

function routeOf(place, path) {
  // A path of k units a layer is drawn through its best one.
  const points = path.map((step, layer) => [place.x(layer), place.y(layer, asUnits(step)[0])]);
  return points.slice(1).map((point, index) => curve(place, points[index], point)).join("");
}

function drawDiagram(host, data, chosen, items, item) {
  const place = layout(data, chosen);
  const title = item
    ? `Path of ${item.id}: ${item.path.map((step) => asUnits(step).join("+")).join(", ")}`
    : `Preferred path of class ${chosen.name}: ${chosen.layers.map((units) => units[0][0]).join(", ")}`;
  const svg = draw("svg", {
    class: "diagram", viewBox: `0 0 ${place.width} ${place.height}`, width: place.width, height: place.height, role: "img",
  }, draw("title", {}, title));
  data.layers.forEach((layer, index) => {
    const x = place.x(index);
    svg.append(draw("line", { class: "column", x1: x, x2: x, y1: TOP - 14, y2: place.height - 8 }));
    svg.append(draw("text", { class: "head", x, y: 18, "text-anchor": "middle" }, layer.label, draw("title", {}, layer.name)));
  });
  for (const other of items) svg.append(draw("path", { class: "route", d: routeOf(place, other.path) }));
  svg.append(draw("path", { class: "preferred", d: routeOf(place, chosen.layers.map((units) => units[0][0])) }));
  if (item) svg.append(draw("path", { class: "own", d: routeOf(place, item.path) }));
  place.rows.forEach((row, layer) => {
    const own = new Set(item ? asUnits(item.path[layer]) : []);
    for (const [unit, { share }] of row) addUnit(svg, place, layer, unit, share, own.has(unit));
    for (const unit of own) if (!row.has(unit)) addUnit(svg, place, layer, unit, 0, true);
  });
  host.replaceChildren(svg);
}

function addUnit(svg, place, layer, unit, share, own) {
  const x = place.x(layer), y = place.y(layer, unit), radius = 2.5 + 7 * Math.sqrt(share);
  const kind = own ? " own" : "";
  svg.append(
    draw("circle", { class: "unit" + kind, cx: x, cy: y, r: radius.toFixed(1) },
      draw("title", {}, `unit ${unit}: ${percent(share, 0)} of the class`)),
    draw("text", { class: own ? "own" : "", x: x + radius + 4, y: y + 4 }, String(unit)));
}
