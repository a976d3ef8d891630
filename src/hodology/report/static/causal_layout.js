// Where nodes lie. Layers are columns; within a column nodes are ordered by the mean place of their neighbours,
// weighted by effect (barycentre), swept forth and back, which leaves few crossings and strong edges nearly level.
// It is done here and not when the page is written: thinning the graph changes who has neighbours, and the thinned
// graph deserves an order of its own. 25 sweeps over 20,000 edges take a tenth of a second.
const LEFT = 26, TOP = 58, BOTTOM = 30, NARROW = 56, WIDE = 210, LOW = 200, HIGH = 560, ROW = 34, SPARSE = 46, DISC = 9, SMALL = 2.4, SWEEPS = 12;

function orderColumns(columns, edges) {
  for (const column of columns) for (const node of column) Object.assign(node, { before: [], after: [] });
  for (const edge of edges) {
    const weight = Math.max(edge.effect ?? 0, 1e-12);
    edge.to.before.push([edge.from, weight]);
    edge.from.after.push([edge.to, weight]);
  }
  const settle = (column) => column.forEach((node, at) => { node.rank = (at + 0.5) / column.length; });
  const pull = (node, side) => {
    let [sum, total] = [0, 0];
    for (const [other, weight] of node[side]) [sum, total] = [sum + weight * other.rank, total + weight];
    return total ? sum / total : node.rank;
  };
  const sweep = (column, side) => {
    for (const node of column) node.pull = pull(node, side);
    column.sort((a, b) => a.pull - b.pull);
    settle(column);
  };
  columns.forEach(settle);
  for (let round = 0; round < SWEEPS; round++) {
    for (let layer = 1; layer < columns.length; layer++) sweep(columns[layer], "before");
    for (let layer = columns.length - 2; layer >= 0; layer--) sweep(columns[layer], "after");
  }
  for (let layer = 1; layer < columns.length; layer++) sweep(columns[layer], "before");
}

// Gives the drawn nodes x, y and r, and returns the columns and the measures of the drawing. Widths are pixels.
function arrange(graph, edges, room, textWidth) {
  const columns = graph.layers.map(() => []), seen = new Set();
  for (const edge of edges) for (const node of [edge.from, edge.to]) seen.add(node);
  for (const node of graph.nodes) if (seen.has(node)) columns[node.layer].push(node);
  orderColumns(columns, edges);
  const [ends, name] = [columns.at(-1).map((node) => textWidth(node.unit)), textWidth(graph.layers.at(-1).label)];
  const right = clamp(Math.max(18, ...ends.map((width) => 18 + width), 6 + Math.min(name / 2, NARROW)), 28, 118);
  const gap = clamp((room - LEFT - right) / (columns.length - 1), NARROW, WIDE);
  const deepest = Math.max(...columns.map((column) => column.length));
  const height = clamp(ROW * deepest, LOW, HIGH);
  const top = Math.max(0, ...graph.nodes.map((node) => node.score ?? 0));
  const step = (layer) => Math.min(height / Math.max(columns[layer].length, 1), SPARSE);
  columns.forEach((column, layer) => {
    column.forEach((node, at) => {
      const share = node.score === null || !top ? 0.25 : clamp(node.score, 0, top) / top; // an area, not a radius
      node.x = LEFT + gap * layer;
      node.y = TOP + height / 2 + step(layer) * (at - (column.length - 1) / 2);
      node.r = Math.min(Math.max(DISC * Math.sqrt(share), SMALL), Math.max(0.55 * step(layer), 1.5));
    });
  });
  return { columns, step, gap, right, width: LEFT + gap * (columns.length - 1) + right, height: TOP + height + BOTTOM, base: TOP + height };
}

// The four points of an edge's curve. One that passes over layers bows outward, clear of the units in between.
function curveOf(edge, middle) {
  const { from, to } = edge, reach = 0.45 * (to.x - from.x), over = to.layer - from.layer - 1;
  const bow = over ? (from.y + to.y > 2 * middle ? 1 : -1) * (14 + 12 * over) : 0;
  return [from.x, from.y, from.x + reach, from.y + bow, to.x - reach, to.y + bow, to.x, to.y];
}
