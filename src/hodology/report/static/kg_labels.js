// Names of edges where they fit: on their line, apart from nodes and from each other. What does not fit is told when
// its path is chosen. Nearer to the end where lines lie apart there is more room.
const LETTERS = 13, SPOTS = [0, 0.07, -0.07, 0.14, -0.14, 0.21, -0.21, 0.28, -0.28, 0.35, -0.35, 0.41];

function touches(a, b) { return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]; }

function halfHeight(node) { return Math.max(node.r, 1 + (LETTERS / 2) * node.lines.length); }

function nodeBoxes(nodes) { return nodes.map((node) => [node.x - node.half, node.y - halfHeight(node), node.end - 2, node.y + halfHeight(node)]); }

function clip(text, room, textWidth) {
  const letters = [...text];
  if (textWidth(text) <= room) return text;
  let left = letters.length - 1;
  while (left > 2 && textWidth(`${letters.slice(0, left).join("")}…`) > room) left -= 1;
  return `${letters.slice(0, left).join("").trimEnd()}…`;
}

// A name that is too wide goes on in a second line, where there is one, and is cut after that.
function fold(text, room, textWidth, twice) {
  const words = text.split(/\s+/);
  if (!twice || textWidth(text) <= room || words.length < 2) return [clip(text, room, textWidth)];
  let count = 1;
  while (count < words.length - 1 && textWidth(words.slice(0, count + 1).join(" ")) <= room) count += 1;
  return [words.slice(0, count), words.slice(count)].map((part) => clip(part.join(" "), room, textWidth));
}

function placeLabels(edges, place, taken, textWidth) {
  const fan = new Map();
  for (const route of place.routes.values()) for (const node of [route.low, route.high]) fan.set(node, (fan.get(node) ?? 0) + 1);
  const found = [];
  for (const edge of edges) {
    const { low, high, curve, between } = place.routes.get(edge), toward = (fan.get(low) ?? 0) > (fan.get(high) ?? 0) ? 1 : -1;
    const text = clip(edge.relation.title, between.length ? NAME : Math.max(LINK, high.x - high.half - low.end) - 14, textWidth), half = textWidth(text) / 2 + 3;
    const spots = [...curve.flat, ...curve.bends, curve.all[0], curve.all.at(-1)].flatMap((piece) => SPOTS.map((off) => pointOn(piece, 0.5 + toward * off)));
    for (const [x, y] of spots) {
      const box = [x - half, y - LETTERS / 2, x + half, y + LETTERS / 2];
      if (box[0] < 0 || box[1] < 0 || box[2] > place.width || taken.some((other) => touches(box, other))) continue;
      taken.push(box);
      found.push({ edge, text, x, y: y + 3.5 });
      break;
    }
  }
  return found;
}
