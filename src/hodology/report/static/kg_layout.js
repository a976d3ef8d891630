// Where nodes lie. A node's column is the place that it most often has on the paths, the source first and the target
// last. An edge that passes over columns holds a slot of its own in each of them, so that no line runs over a node.
// Columns are ordered by the mean place of their neighbours (barycentre), swept forth and back; the order with the
// fewest crossings is kept. Then each column is set as near to its neighbours as its slots allow.
const LEFT = 20, TOP = 40, BOTTOM = 12, ROW = 46, DENSE = 18, TALL = 440, SLOT = 15, NAME = 168, SHORT = 72, LINK = 84, LONG = 250, SWEEPS = 12;
const REACH = [1, 0.9, 1.2, 1.1]; // half the width of each shape, of its r

// The columns' captions, and the column of every node.
function columnsOf(graph, shown) {
  const near = shown.paths.filter((path) => path.kind === "neighbour"), ways = shown.paths.filter((path) => path.kind === "path");
  const sides = [graph.source, graph.target].map((end) => near.some((path) => path.steps.includes(end)));
  const last = Math.max(1 + sides[0] + sides[1], ...ways.map((path) => path.length));
  const votes = new Map([...shown.nodes].map((node) => [node, new Map()]));
  const vote = (node, column) => votes.get(node).set(column, (votes.get(node).get(column) ?? 0) + 1);
  for (const path of ways) path.steps.forEach((node, at) => vote(node, at));
  for (const path of near) for (const node of path.steps) vote(node, path.steps.includes(graph.source) ? 1 : last - 1);
  const best = (node) => [...votes.get(node)].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0][0];
  const wanted = new Map([...shown.nodes].map((node) => [node, node === graph.source ? 0 : node === graph.target ? last : clamp(best(node), 1, last - 1)]));
  const used = [...new Set(wanted.values())].sort((a, b) => a - b);
  const caption = (column) => (column === 0 ? "From" : column === last ? "To" : ways.length ? `Step ${column}` : `Neighbours of ${(column === 1 && sides[0] ? graph.source : graph.target).title}`);
  return { captions: used.map(caption), column: new Map([...wanted].map(([node, column]) => [node, used.indexOf(column)])) };
}

// A slot per node, and one per column that an edge passes over; each knows its neighbours on both sides.
function slotsOf(shown, column, row) {
  const columns = [], add = (at, slot) => { (columns[at] ??= []).push(slot); return slot; };
  const slots = new Map([...shown.nodes].map((node) => [node, add(column.get(node), { node, size: row, before: [], after: [], links: [], y: 0, rank: 0.5 })]));
  const routes = new Map();
  for (const edge of shown.edges) {
    const [low, high] = column.get(edge.head) <= column.get(edge.tail) ? [edge.head, edge.tail] : [edge.tail, edge.head];
    const between = [];
    for (let at = column.get(low) + 1; at < column.get(high); at++) between.push(add(at, { edge, size: SLOT, before: [], after: [], links: [], y: 0, rank: 0.5 }));
    slots.get(low).links.push(edge.relation.title);
    const chain = [slots.get(low), ...between, slots.get(high)];
    if (column.get(low) < column.get(high)) chain.slice(1).forEach((slot, at) => { slot.before.push(chain[at]); chain[at].after.push(slot); });
    routes.set(edge, { low, high, between });
  }
  return { columns, slots, routes };
}

function mean(slots, key) { return slots.reduce((sum, slot) => sum + slot[key], 0) / slots.length; }

function crossings(columns) {
  let count = 0;
  for (const column of columns) {
    const lines = column.flatMap((slot) => slot.after.map((other) => [slot.rank, other.rank]));
    for (let i = 0; i < lines.length; i++) for (let j = 0; j < i; j++) count += (lines[i][0] - lines[j][0]) * (lines[i][1] - lines[j][1]) < 0;
  }
  return count;
}

function orderColumns(columns) {
  const settle = (column) => column.forEach((slot, at) => { slot.rank = (at + 0.5) / column.length; });
  const sweep = (column, side) => {
    const pull = new Map(column.map((slot) => [slot, slot[side].length ? mean(slot[side], "rank") : slot.rank]));
    column.sort((a, b) => pull.get(a) - pull.get(b));
    settle(column);
  };
  columns.forEach(settle);
  let best = columns.map((column) => [...column]), fewest = crossings(columns);
  for (let round = 0; round < SWEEPS && fewest; round++) {
    if (round % 2) for (let at = columns.length - 2; at >= 0; at--) sweep(columns[at], "after");
    else for (let at = 1; at < columns.length; at++) sweep(columns[at], "before");
    const count = crossings(columns);
    if (count < fewest) [best, fewest] = [columns.map((column) => [...column]), count];
  }
  best.forEach((column, at) => { columns[at] = column; settle(column); });
}

// The places nearest to the wished ones (least squares) that keep the order and the distances: neighbours that want
// to be closer than allowed are pooled and move as one.
function spread(column, wish) {
  const offset = [0];
  for (let at = 1; at < column.length; at++) offset.push(offset[at - 1] + (column[at - 1].size + column[at].size) / 2);
  const pools = [];
  column.forEach((slot, at) => {
    let pool = { sum: wish(slot) - offset[at], count: 1 };
    while (pools.length && pools.at(-1).sum / pools.at(-1).count > pool.sum / pool.count) {
      const other = pools.pop();
      pool = { sum: pool.sum + other.sum, count: pool.count + other.count };
    }
    pools.push(pool);
  });
  let at = 0;
  for (const pool of pools) for (let left = pool.count; left; left--, at++) column[at].y = pool.sum / pool.count + offset[at];
}

function setHeights(columns) {
  for (const column of columns) spread(column, () => 0);
  const near = (slot) => [...slot.before, ...slot.after];
  for (let round = 0; round < 8; round++) {
    for (const column of round % 2 ? [...columns].reverse() : columns) spread(column, (slot) => (near(slot).length ? mean(near(slot), "y") : slot.y));
  }
  const all = columns.flat(), top = Math.min(...all.map((slot) => slot.y - slot.size / 2));
  for (const slot of all) slot.y += TOP - top;
  return Math.max(...all.map((slot) => slot.y + slot.size / 2)) + BOTTOM;
}

// Columns lie as far apart as their names and the room ask for. Names of nodes are cut until those of edges fit.
function setWidths(columns, row, room, textWidth) {
  const gaps = columns.length - 1, sum = (list) => list.reduce((total, value) => total + value, 0);
  const nodes = columns.map((column) => column.filter((slot) => slot.node).map((slot) => slot.node));
  const widths = (most) => nodes.map((list) => Math.max(0, ...list.flatMap((node) => fold(node.title, most, textWidth, row >= TWO_LINES)).map(textWidth)));
  const discs = nodes.map((list) => Math.max(0, ...list.map((node) => node.half)));
  const relations = [...new Set(columns.flat().flatMap((slot) => slot.links))].map(textWidth);
  const least = clamp(Math.max(0, ...relations) + 30, LINK, 116), left = room - LEFT - 2 * sum(discs) - 20 * (gaps + 1);
  let most = NAME, names = widths(NAME);
  while (most > SHORT && sum(names) + gaps * least > left) names = widths(most -= 8);
  const link = clamp((left - sum(names)) / gaps, least, LONG);
  let x = LEFT;
  return {
    most,
    spans: columns.map((_, at) => {
      const [left, middle] = [x, x + discs[at]], right = middle + discs[at] + names[at] + 18;
      x = right + link;
      return { left: left - 4, middle, right };
    }),
  };
}

// Gives the drawn nodes x, y and r, and the edges their route; returns the measures of the drawing, in pixels.
function arrange(graph, shown, room, textWidth) {
  const { captions, column } = columnsOf(graph, shown), counts = new Map();
  for (const at of column.values()) counts.set(at, (counts.get(at) ?? 0) + 1);
  const row = clamp(TALL / Math.max(...counts.values()), DENSE, ROW), largest = Math.min(14, 0.46 * row), smallest = Math.max(6.5, 0.55 * largest);
  const top = Math.log1p(Math.max(1, ...graph.nodes.map((node) => node.degree)));
  for (const node of shown.nodes) {
    node.r = smallest + ((largest - smallest) * Math.log1p(node.degree)) / top;
    node.half = REACH[node.kind.shape] * node.r;
  }
  const { columns, slots, routes } = slotsOf(shown, column, row);
  orderColumns(columns);
  const height = setHeights(columns), { spans, most } = setWidths(columns, row, room, textWidth);
  for (const [node, slot] of slots) Object.assign(node, { x: spans[column.get(node)].middle, y: slot.y, column: column.get(node) });
  return { columns: columns.map((list) => list.filter((slot) => slot.node).map((slot) => slot.node)), captions, spans, routes, most, row, height, width: spans.at(-1).right };
}
