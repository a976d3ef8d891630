// The lines. Each leaves its left node behind the node's name, runs level past the names of the column, and comes in
// level at the front of its right node, so that it covers none; over a column that it passes it has its own slot. Lines that join the same two nodes
// bow apart. A curve is a list of cubic pieces, four points each.
function bowsOf(routes) {
  const groups = new Map(), bows = new Map();
  for (const [edge, route] of routes) {
    const key = JSON.stringify([route.low.id, route.high.id].sort());
    groups.set(key, [...(groups.get(key) ?? []), edge]);
  }
  for (const group of groups.values()) group.forEach((edge, at) => bows.set(edge, at - (group.length - 1) / 2));
  return bows;
}

function level(from, to, bow = 0) { // a piece that starts and ends level
  const reach = 0.5 * (to[0] - from[0]);
  return [...from, from[0] + reach, from[1] + bow, to[0] - reach, to[1] + bow, ...to];
}

function straight(from, to) { return [...from, from[0] + (to[0] - from[0]) / 3, from[1] + (to[1] - from[1]) / 3, to[0] - (to[0] - from[0]) / 3, to[1] - (to[1] - from[1]) / 3, ...to]; }

// The pieces of a line: `all` in order, `flat` those that run level over a column, `bends` those between columns.
function curveOf(edge, place, bow) {
  const { low, high, between } = place.routes.get(edge), port = Math.sign(bow) * Math.min(5 * Math.abs(bow), 0.6 * low.r, 0.6 * high.r);
  const [from, to] = [place.spans[low.column], place.spans[high.column]], start = [low.end, low.y + port], behind = [from.right, start[1]];
  if (edge.spoke && low.column !== high.column) {
    const only = [straight(start, [high.x - high.half - 3, high.y + port])];
    return { all: only, flat: [], bends: only };
  }
  if (low.column === high.column) { // round the names of the column, on their right
    const back = [from.right, high.y + port], out = from.right + (16 + 14 * Math.abs(bow) + 0.06 * Math.abs(low.y - high.y)) / 0.75;
    const arc = [...behind, out, behind[1], out, back[1], ...back];
    return { all: [straight(start, behind), arc, straight(back, [high.end, back[1]])], flat: [], bends: [arc] };
  }
  const [flat, bends] = [[], []], before = [to.left, high.y + port];
  let at = behind;
  between.forEach((slot, index) => {
    const span = place.spans[low.column + 1 + index];
    bends.push(level(at, [span.left, slot.y]));
    flat.push(straight([span.left, slot.y], [span.right, slot.y]));
    at = [span.right, slot.y];
  });
  bends.push(level(at, before, between.length ? 0 : 16 * bow));
  const middle = bends.flatMap((bend, index) => (index < flat.length ? [bend, flat[index]] : [bend]));
  return { all: [straight(start, behind), ...middle, straight(before, [high.x - high.half - 3, before[1]])], flat, bends };
}

function lineText(curve) {
  const text = (values) => values.map((value) => value.toFixed(1)).join(" ");
  return `M${text(curve.all[0].slice(0, 2))}${curve.all.map((piece) => `C${text(piece.slice(2))}`).join("")}`;
}

function pointOn(piece, t) {
  const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
  return [0, 1].map((k) => a * piece[k] + b * piece[2 + k] + c * piece[4 + k] + d * piece[6 + k]);
}

// The head of the arrow lies at the edge's tail node, the one that it points to. Lines come in level, but for spokes.
function arrowText(edge, curve, route) {
  const last = route.high === edge.tail, piece = last ? curve.all.at(-1) : curve.all[0], tip = last ? piece.slice(6) : piece.slice(0, 2);
  const back = last ? piece.slice(0, 2) : piece.slice(6), size = Math.hypot(tip[0] - back[0], tip[1] - back[1]);
  const leveled = [last && route.low.column !== route.high.column ? 1 : -1, 0];
  const [x, y] = edge.spoke && size ? [(tip[0] - back[0]) / size, (tip[1] - back[1]) / size] : leveled;
  const corner = (side) => `${(tip[0] - 8 * x + side * 3.6 * y).toFixed(1)} ${(tip[1] - 8 * y - side * 3.6 * x).toFixed(1)}`;
  return `M${tip[0].toFixed(1)} ${tip[1].toFixed(1)}L${corner(1)}L${corner(-1)}Z`;
}
