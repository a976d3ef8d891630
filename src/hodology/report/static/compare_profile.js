// Similarity of rows over the columns in their order: a line for each row that is drawn, a band for the chosen one.
const CHART = { left: 48, right: 14, top: 14, height: 250, tints: 8, told: 6 };

// A row's colour and dash, by its place among all rows: eight colours, then again with dashes.
function tintOf(row) { return `tint-${row % CHART.tints} dash-${Math.floor(row / CHART.tints) % 3}`; }

function makeProfile(data, told) {
  const host = byId("profile"), own = data.sets.length === 1, { rows, columns, low, high } = data.matrix, svg = draw("svg", { class: "chart", role: "img" });
  const names = shorten(columns), values = data.matrix.values.map((line, row) => line.map((value, column) => (own && row === column ? null : value)));
  const ends = [values, low, high].filter(Boolean).flat(2).filter(known);
  let [bottom, top, width, state, shown] = [0, 1, 0, { chosen: { row: 0, column: 0 }, looked: null }, new Set()];
  host.append(svg);

  const x = (column) => CHART.left + ((width - CHART.left - CHART.right) * (columns.length > 1 ? column + 0.25 : 0.5)) / Math.max(columns.length - 0.5, 1);
  const y = (value) => CHART.top + (CHART.height * (top - value)) / (top - bottom);
  const at = (column, value) => `${x(column).toFixed(1)} ${y(value).toFixed(1)}`;

  // Runs of columns that have a value: a line does not jump over a hole.
  function runs(line) {
    const found = [];
    line.forEach((value, column) => {
      if (!known(value)) return;
      if (column && known(line[column - 1])) found.at(-1).push(column);
      else found.push([column]);
    });
    return found;
  }

  function curve(row, main) {
    const path = runs(values[row]).map((run) => `M${run.map((column) => at(column, values[row][column])).join("L")}`).join("");
    const group = draw("g", { class: `${tintOf(row)}${main ? " main" : ""}`, "data-row": row }, draw("path", { class: "curve", d: path }));
    if (main || columns.length === 1) values[row].forEach((value, column) => {
      if (known(value)) group.append(draw("circle", { class: "point", cx: x(column).toFixed(1), cy: y(value).toFixed(1), r: columns.length > 40 ? 2 : 3.2 }));
    });
    return group;
  }

  // The interval, a band where neighbours have one and a whisker where a column stands alone.
  function band(row) {
    const sure = columns.map((_, column) => (known(values[row][column]) && known(low?.[row][column]) && known(high?.[row][column]) ? 1 : null));
    return draw("g", { class: tintOf(row) }, ...runs(sure).map((run) => (run.length > 1
      ? draw("path", { class: "band", d: `M${run.map((c) => at(c, high[row][c])).join("L")}L${[...run].reverse().map((c) => at(c, low[row][c])).join("L")}Z` })
      : draw("path", { class: "sure", d: `M${at(run[0], low[row][run[0]])}L${at(run[0], high[row][run[0]])}` }))));
  }

  // Names under the axis, every one that has room, on end where they are long.
  function axis() {
    const pen = textWidth(`12px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`), step = columns.length > 1 ? x(1) - x(0) : width;
    const widest = Math.max(...names.map(pen)), flat = widest <= step - 8, every = Math.ceil(15 / step), down = CHART.top + CHART.height;
    const long = flat ? 14 : Math.min(widest, width < 520 ? 84 : 130);
    const texts = names.map((name, column) => {
      const last = columns.length - 1, crowds = column < last && last - column < every;
      if (!flat && (crowds || (column % every && column !== last))) return "";
      const text = flat ? name : cutMiddle(name, long, pen);
      return draw("text", flat ? { x: x(column), y: down + 18, "text-anchor": "middle" } : { transform: `translate(${x(column) + 4} ${down + 8}) rotate(-90)`, "text-anchor": "end" }, text);
    });
    return [texts, down + long + 16];
  }

  // From zero, or from the lowest to the highest of all rows and their intervals, with a little air.
  function bounds() {
    const [low, high] = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1], air = Math.max(high - low, 1e-6) * 0.06;
    [bottom, top] = byId("range").value === "span" ? [low - air, high + air] : [Math.min(0, low), Math.max(high, Math.min(0, low) + 0.1)];
  }

  function redraw() {
    bounds();
    width = Math.max(host.clientWidth, 200);
    const { row } = state.chosen, column = (state.looked ?? state.chosen).column, [texts, height] = axis(), best = data.matches[row].column;
    fill(svg, { width, height }, []);
    svg.setAttribute("aria-label", `${rows[row]} over ${columns.length} columns, ${best === null ? "without a value" : `best at ${columns[best]}, ${number(values[row][best])}`}.`);
    svg.replaceChildren(
      ...roundSteps(bottom, top).flatMap((value) => [
        draw("line", { class: value === 0 ? "zero" : "grid", x1: CHART.left, x2: width - CHART.right, y1: y(value), y2: y(value) }),
        draw("text", { x: CHART.left - 8, y: y(value) + 4, "text-anchor": "end" }, value === 0 ? "0" : String(value).replace("-", "\u2212"))]),
      draw("line", { class: "now", x1: x(column), x2: x(column), y1: CHART.top, y2: CHART.top + CHART.height }),
      ...texts, band(row), ...[...shown].filter((other) => other !== row).map((other) => curve(other, false)), curve(row, true),
      ...(best === null ? [] : [draw("circle", { class: "ring", cx: x(best), cy: y(values[row][best]), r: 7 })]));
    read(column);
  }

  function read(column) {
    const { row } = state.chosen, others = [...shown].filter((other) => other !== row && known(values[other][column])).sort((a, b) => values[b][column] - values[a][column]);
    const within = interval(data.matrix, row, column), words = [`${rows[row]} ${number(values[row][column])}${within ? ` (${within})` : ""}`, ...others.slice(0, CHART.told).map((other) => `${rows[other]} ${number(values[other][column])}`)];
    const more = others.length - CHART.told;
    byId("profile-said").replaceChildren(make("strong", {}, columns[column]), ` ${words.join(" · ")}${more > 0 ? ` · ${more} more` : ""}`);
  }

  function under(event) {
    const left = event.clientX - svg.getBoundingClientRect().left, step = columns.length > 1 ? x(1) - x(0) : 1;
    return clamp(Math.round((left - x(0)) / step), 0, columns.length - 1);
  }

  svg.addEventListener("pointermove", (event) => told.look({ row: state.chosen.row, column: under(event) }));
  svg.addEventListener("pointerleave", () => told.look(null));
  svg.addEventListener("click", (event) => {
    const line = event.target.closest("[data-row]");
    told.choose({ row: line ? Number(line.dataset.row) : state.chosen.row, column: under(event) }, false);
  });
  host.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key], { row, column } = state.chosen;
    if (!turn || event.altKey || event.ctrlKey || event.metaKey) return;
    told.choose({ row: clamp(row + turn[0], 0, rows.length - 1), column: clamp(column + turn[1], 0, columns.length - 1) }, true);
    event.preventDefault();
  });
  byId("range").addEventListener("input", redraw);
  new ResizeObserver(() => { if (width && host.clientWidth !== width) redraw(); }).observe(host);
  return { show(next) { state = next; redraw(); }, draw(drawn) { shown = drawn; redraw(); } };
}
