// The best paths as a list, and the edges as a table that can be sorted.
const PATHS = 50, ROWS = 500;

function makePaths(host, note, graph, told) {
  const shown = graph.paths.slice(0, PATHS), top = Math.max(0, ...shown.map((path) => path.score));
  let chosen = -1, active = 0;

  // One place per layer; a layer that the path passes over has a dash.
  function words(path) {
    const units = graph.layers.map((_, layer) => path.nodes.find((node) => node.layer === layer)?.unit ?? "–");
    return units.slice(path.nodes[0].layer, path.nodes.at(-1).layer + 1).join(" → ");
  }

  function choose(index, aloud = true) {
    chosen = index;
    options.forEach((node, other) => node.setAttribute("aria-selected", String(other === index)));
    if (aloud) told.path(index < 0 ? null : shown[index]);
  }

  function rove(index) {
    options[active].setAttribute("tabindex", "-1");
    active = index;
    options[active].setAttribute("tabindex", "0");
    options[active].focus({ preventScroll: true });
    options[active].scrollIntoView({ block: "nearest" });
  }

  const options = shown.map((path, index) => {
    const node = make("div", { role: "option", tabindex: index ? -1 : 0, "aria-selected": "false", "aria-label": `Path ${index + 1}, score ${number(path.score)}: ${path.nodes.map((step) => nameOf(graph, step)).join(", ")}` },
      make("span", { class: "rank" }, String(index + 1)), make("span", { class: "units", title: path.nodes.map((step) => nameOf(graph, step)).join(" → ") }, words(path)),
      draw("svg", { class: "much", "aria-hidden": "true" }, draw("rect", { width: `${top > 0 ? (100 * clamp(path.score, 0, top)) / top : 0}%`, height: "6" })),
      make("span", { class: "value" }, number(path.score)));
    node.addEventListener("click", () => { rove(index); choose(chosen === index ? -1 : index); });
    return node;
  });
  host.replaceChildren(...options);
  host.addEventListener("keydown", (event) => {
    const to = { ArrowRight: active + 1, ArrowDown: active + 1, ArrowLeft: active - 1, ArrowUp: active - 1, Home: 0, End: options.length - 1 }[event.key];
    if (to !== undefined) {
      rove(clamp(to, 0, options.length - 1));
      choose(active);
    } else if (event.key === "Enter" || event.key === " ") choose(chosen === active ? -1 : active);
    else if (event.key === "Escape") choose(-1);
    else return;
    event.preventDefault();
  });
  note.textContent = graph.paths.length > PATHS ? `The best ${PATHS} of ${graph.paths.length.toLocaleString("en")}.` : "";
  note.hidden = !note.textContent;
  return { clear() { choose(-1, false); } };
}

function makeEdgeTable(host, note, graph) {
  const collator = new Intl.Collator("en", { numeric: true });
  const byNode = (end) => (a, b) => end(a).layer - end(b).layer || collator.compare(end(a).unit, end(b).unit);
  const missing = (value) => value ?? Infinity;
  const columns = [
    { label: "From", text: (edge) => nameOf(graph, edge.from), order: byNode((edge) => edge.from), first: 1 },
    { label: "To", text: (edge) => nameOf(graph, edge.to), order: byNode((edge) => edge.to), first: 1 },
    { label: "Kind", text: (edge) => edge.kind, order: (a, b) => collator.compare(a.kind, b.kind), first: 1 },
    { label: `Effect, ${graph.data.effect_unit}`, text: (edge) => number(edge.effect), order: (a, b) => a.effect - b.effect, first: -1, figure: true },
    { label: "Interval", text: interval, order: (a, b) => (a.low ?? -Infinity) - (b.low ?? -Infinity), first: -1, figure: true },
    { label: "p", text: (edge) => number(edge.p, 2), order: (a, b) => missing(a.p) - missing(b.p) || 0, first: 1, figure: true },
  ];
  let [by, turn] = [3, -1];
  const body = make("tbody");
  const heads = columns.map((column, at) => {
    const button = make("button", { type: "button", class: "quiet" }, column.label);
    button.addEventListener("click", () => {
      turn = by === at ? -turn : column.first;
      by = at;
      renew();
    });
    return make("th", { scope: "col", class: column.figure ? "number" : null }, button);
  });

  function renew() {
    const order = columns[by].order, list = [...graph.edges].sort((a, b) => turn * order(a, b)).slice(0, ROWS);
    heads.forEach((head, at) => { if (at === by) head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending"); else head.removeAttribute("aria-sort"); });
    body.replaceChildren(...list.map((edge) => make("tr", {}, ...columns.map((column, at) =>
      make(at ? "td" : "th", { scope: at ? null : "row", class: column.figure ? "number" : null }, column.text(edge))))));
    const all = graph.edges.length;
    note.textContent = `${all > ROWS ? `The first ${ROWS} of ${all.toLocaleString("en")} edges` : some(all, "edge")} by ${columns[by].label.split(",")[0].toLowerCase()}, ${turn > 0 ? "ascending" : "descending"}. A column's name sorts by it.`;
  }

  host.replaceChildren(make("table", { class: "figures sorted" }, make("thead", {}, make("tr", {}, ...heads)), body));
  renew();
}
