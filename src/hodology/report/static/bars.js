// Bars with interval whiskers, a small chart per figure; the table below holds the same numbers.
function drawBars(data) {
  const host = byId("bars");
  for (const column of data.table.columns) host.append(chart(data, column));
}

function chart(data, column) {
  const rows = data.table.rows, width = 330, label = 118, line = 24;
  const cells = rows.map((row) => row[column.key]);
  const ends = cells.flatMap((cell) => [cell.estimate, cell.low, cell.high]).filter((v) => v !== null);
  const low = Math.min(0, ...ends), high = Math.max(0, ...ends), span = high - low || 1;
  const x = (value) => label + (value - low) / span * (width - label - 12);
  const height = line * rows.length + 22;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${column.label}, bars per method; numbers in the table below` });
  rows.forEach((row, index) => {
    const cell = cells[index], y = 4 + line * index;
    svg.append(draw("text", { class: "name", x: label - 8, y: y + 14, "text-anchor": "end" }, row.label));
    if (cell.estimate === null) return;
    const [a, b] = [x(0), x(cell.estimate)].sort((p, q) => p - q);
    svg.append(draw("rect", { x: a, y: y + 3, width: Math.max(b - a, 0.5), height: line - 10, style: `fill: var(--series-${index % 5})` },
      draw("title", {}, `${row.label}: ${figure(cell, column)}`)));
    if (cell.low !== null && cell.high !== null) {
      svg.append(draw("line", { class: "whisker", x1: x(cell.low), x2: x(cell.high), y1: y + 10, y2: y + 10 }));
    }
  });
  svg.append(draw("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: height - 18 }));
  for (const value of [low, high]) {
    if (Math.abs(x(value) - x(0)) < 46) continue; // would run into the zero
    svg.append(draw("text", { class: "tick", x: x(value), y: height - 4, "text-anchor": value === low ? "start" : "end" }, short(value, column)));
  }
  svg.append(draw("text", { class: "tick", x: x(0), y: height - 4, "text-anchor": "middle" }, "0"));
  const better = column.better === "lower" ? "lower: more influence" : "higher: more influence";
  return make("figure", {}, make("figcaption", {}, make("h3", {}, column.label), make("span", { class: "small soft" }, better)), svg);
}

function short(value, column) { return column.percent ? percent(value) : value.toPrecision(2); }

function figure(cell, column) {
  if (cell.estimate === null) return "";
  const text = short(cell.estimate, column);
  return cell.low === null ? text : `${text} (${short(cell.low, column)} to ${short(cell.high, column)})`;
}

function fillTable(data) {
  const table = byId("figures");
  table.append(make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "method"),
    ...data.table.columns.map((column) => make("th", { scope: "col", class: "number" }, column.label)))));
  const body = make("tbody");
  for (const row of data.table.rows) {
    body.append(make("tr", {}, make("th", { scope: "row" }, row.label),
      ...data.table.columns.map((column) => make("td", { class: "number" }, figure(row[column.key], column)))));
  }
  table.append(body);
}
