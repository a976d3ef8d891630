// What is known of the chosen pair, or of the one under the pointer.
function showCard(data, host, { row, column }) {
  const { matrix, measure, matches } = data, [a, b] = [data.sets[0], data.sets.at(-1)], p = matrix.p?.[row][column], place = placeOf(data, row, column);
  const units = (part, at) => { const n = part.representations[at].n_units; return known(n) ? `${n.toLocaleString("en")} unit${n === 1 ? "" : "s"}` : null; };
  const match = matches[row], best = match.column;
  const side = (label, name, more) => make("p", { class: "side" }, make("span", { class: "soft small" }, label), make("strong", {}, name), more ? make("span", { class: "soft small" }, more) : "");
  const parts = [
    side(a.label, matrix.rows[row], units(a, row)), side(b.label, matrix.columns[column], units(b, column)),
    terms([
      [measure.name, known(matrix.values[row][column]) ? number(matrix.values[row][column]) : "no value"], ["interval", interval(matrix, row, column)],
      ["p, corrected", known(p) ? number(p) : null], ["in its row", place && `${place[0].toLocaleString("en")} of ${place[1].toLocaleString("en")}`]]),
  ];
  if (best === null) parts.push(make("p", { class: "hint" }, `${matrix.rows[row]} has no value with any column.`));
  else {
    const within = interval(matrix, row, best), also = match.within.map((at) => matrix.columns[at]);
    parts.push(make("h3", { class: "minor-head" }, "Best of the row"), make("p", {}, `${matrix.columns[best]}: ${number(matrix.values[row][best])}${within ? ` (${within})` : ""}`));
    if (also.length) parts.push(make("p", { class: "hint" }, `Within that interval too: ${also.slice(0, 6).join(", ")}${also.length > 6 ? ` and ${also.length - 6} more` : ""}.`));
    else if (within && matrix.columns.length > 1) parts.push(make("p", { class: "hint" }, "No other column lies within that interval."));
  }
  host.replaceChildren(...parts);
}
