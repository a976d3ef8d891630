// What is said of a pair, in words, and how names are cut to their room.
function known(value) { return value !== null && value !== undefined; }

function interval(matrix, row, column) {
  const [low, high] = [matrix.low?.[row][column], matrix.high?.[row][column]];
  return known(low) && known(high) ? `${number(low)} to ${number(high)}` : null;
}

function pairText(data, row, column) {
  const { matrix } = data, p = matrix.p?.[row][column], within = interval(matrix, row, column);
  const words = [`${matrix.rows[row]} and ${matrix.columns[column]}: ${number(matrix.values[row][column])}`];
  if (within) words.push(`interval ${within}`);
  if (known(p)) words.push(`corrected p ${number(p)}`);
  if (data.matches[row].column === column) words.push("best of its row");
  else if (data.matches[row].within.includes(column)) words.push("within the interval of the best");
  return words.join(", ");
}

// The place of a column among those of its row, 1 for the best; a set's own diagonal does not count.
function placeOf(data, row, column) {
  const value = data.matrix.values[row][column], own = data.sets.length === 1;
  if (!known(value) || (own && row === column)) return null;
  const others = data.matrix.values[row].filter((other, at) => known(other) && !(own && at === row));
  return [1 + others.filter((other) => other > value).length, others.length];
}

function cut(text, room, width) {
  if (width(text) <= room) return text;
  const letters = [...text];
  let count = letters.length;
  while (count > 1 && width(`${letters.slice(0, count).join("")}…`) > room) count -= 1;
  return `${letters.slice(0, count).join("")}…`;
}

// Names of layers differ at their ends: the middle goes.
function cutMiddle(text, room, width) {
  if (width(text) <= room) return text;
  const letters = [...text];
  let count = letters.length - 1;
  const both = () => `${letters.slice(0, Math.floor(count / 2)).join("")}…${letters.slice(letters.length - Math.ceil(count / 2)).join("")}`;
  while (count > 2 && width(both()) > room) count -= 1;
  return both();
}

const SHORT = 14;

// Names without what all of them begin and end with, up to whole words: what is left tells them apart.
function shorten(names) {
  if (names.length < 2 || names.every((name) => name.length <= SHORT)) return names;
  const common = (texts) => {
    let count = 0;
    while (count < texts[0].length && texts.every((text) => text[count] === texts[0][count])) count += 1;
    while (count && /[\p{L}\p{N}]/u.test(texts[0][count - 1])) count -= 1;
    return count > 5 ? count : 0;
  };
  const turned = (text) => [...text].reverse().join(""), start = common(names), ends = names.map((name) => name.slice(start));
  const end = Math.min(common(ends.map(turned)), Math.min(...ends.map((text) => text.length)) - 1);
  return end < 0 ? names : ends.map((text) => `${start ? "…" : ""}${end ? `${text.slice(0, text.length - end)}…` : text}`);
}

// Round steps of an axis from low to high, some five of them.
function roundSteps(low, high) {
  const rough = (high - low) / 5 || 1, size = 10 ** Math.floor(Math.log10(rough)), by = [1, 2, 5, 10].map((k) => k * size).find((step) => step >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / by - 1e-9); at * by <= high + by * 1e-9; at++) found.push(Number((at * by).toPrecision(6)));
  return found;
}

function textWidth(font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  return (text) => pen.measureText(text).width;
}
