// State of the page: how far the graph is thinned, the unit that is looked at, and what is kept chosen.
const FIRST = 500; // of a large graph this many edges at first: more cannot be told apart
const data = window.HODOLOGY;

function say(text) { byId("said").textContent = text; }

function start() {
  const graph = indexGraph(data), slider = byId("thin"), count = graph.edges.length;
  let looked = null, kept = null, matches = [], next = 0, thinned = null, hold = 0; // kept: { node } or { path }
  const card = makeCard(byId("detail"), graph);
  const drawing = makeGraph(byId("graph"), graph, { look, keep: (node) => keep(node && kept?.node !== node ? { node } : null) });
  const paths = makePaths(byId("routes"), byId("paths-note"), graph, { path: (path) => keep(path && { path }) });

  // The strongest edges, and what is chosen even when it is weaker.
  function edges() {
    const limit = graph.edges[remaining(count, Number(slider.value)) - 1].effect, strong = graph.edges.filter((edge) => edge.effect >= limit);
    const chosen = kept?.path?.edges ?? (kept?.node && !strong.some((edge) => edge.from === kept.node || edge.to === kept.node) ? strongestRoute(kept.node) : []);
    const list = new Set([...strong, ...chosen]), read = new Set([...list].map((edge) => edge.from));
    for (const part of graph.parts) if (read.has(part.to)) list.add(part);
    return { limit, strong, list: [...list] };
  }

  function thin() {
    const { limit, strong, list } = edges();
    const words = `${number(limit)} ${data.effect_unit}: ${strong.length.toLocaleString("en")} of ${some(count, "edge")}`;
    byId("thin-said").textContent = words;
    slider.setAttribute("aria-valuetext", `at least ${words}`);
    drawing.show(list);
    thinned = list;
    legend(graph, drawing.looks());
    show();
  }

  function show() {
    const drawn = drawing.drawn(), own = (node) => [...node.in, ...node.out].filter((edge) => drawn.has(edge));
    if (looked && looked !== kept?.node) {
      const near = own(looked);
      drawing.light({ edges: near, nodes: new Set([looked, ...near.flatMap((edge) => [edge.from, edge.to])]), first: [looked] });
      card.node(looked, drawn);
    } else if (kept?.node) {
      const trace = traceOf(kept.node, drawn);
      drawing.light({ edges: new Set([...trace.up.edges, ...trace.down.edges]), nodes: new Set([...trace.up.nodes, ...trace.down.nodes]), first: [kept.node] });
      card.node(kept.node, drawn, trace);
    } else if (kept?.path) {
      drawing.light({ edges: kept.path.edges, nodes: kept.path.nodes, first: [] });
      card.path(kept.path);
    } else {
      drawing.light(null);
      card.whole(drawn);
    }
  }

  function look(node, aloud = false) {
    looked = node;
    show();
    if (node && aloud) say(spoken(graph, node, drawing.drawn()));
  }

  function keep(next) {
    const before = thinned;
    kept = next;
    if (!kept?.path) paths.clear();
    const { list } = edges();
    if (list.length !== before.length || list.some((edge, at) => edge !== before[at])) thin();
    else show();
    if (kept?.node) {
      const { up, down } = traceOf(kept.node, drawing.drawn());
      say(`${nameOf(graph, kept.node)}: upstream ${some(up.nodes.size - 1, "unit")}, ${some(tested(up.edges), "edge")}; downstream ${some(down.nodes.size - 1, "unit")}, ${some(tested(down.edges), "edge")}`);
    } else if (!kept) say("Nothing is chosen.");
  }

  function find() {
    const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (node) => `${node.id} ${nameOf(graph, node)}`.toLowerCase();
    const exact = (node) => words.includes(node.unit.toLowerCase()) || words.includes(node.id.toLowerCase());
    matches = words.length ? graph.nodes.filter((node) => words.every((word) => text(node).includes(word))) : [];
    matches.sort((a, b) => exact(b) - exact(a));
    next = 0;
    byId("found").textContent = words.length ? `${some(matches.length, "unit")}${matches.length ? "; Enter traces the next" : ""}` : "";
    drawing.mark(matches);
  }

  slider.value = String(placeFor(count, FIRST));
  slider.addEventListener("input", () => {
    cancelAnimationFrame(hold);
    hold = requestAnimationFrame(thin);
  });
  byId("find").addEventListener("input", find);
  byId("find").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !matches.length) return;
    keep({ node: matches[next] });
    drawing.reveal(matches[next]);
    next = (next + 1) % matches.length;
  });
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("themechange", () => legend(graph, drawing.looks()));
  for (const id of ["tools", "edges"]) byId(id).hidden = false;
  byId("paths").hidden = !graph.paths.length;
  makeEdgeTable(byId("edge-table"), byId("edges-note"), graph);
  thin();
}

function legend(graph, looks) {
  const width = 78, lines = looks.under.slice(0, -1).map(([stroke, thick], at, all) =>
    draw("line", { x1: (width * at) / all.length, x2: (width * (at + 1)) / all.length + 0.5, y1: 6, y2: 6, stroke, "stroke-width": Math.max(1, thick) }));
  const [strong, weak] = [graph.edges[0].effect, graph.edges.at(-1).effect];
  const item = (picture, text) => make("li", {}, picture, text);
  const small = (...children) => draw("svg", { width: 30, height: 12, "aria-hidden": "true" }, ...children);
  byId("legend").replaceChildren(
    item(draw("svg", { width, height: 12, "aria-hidden": "true" }, ...lines), `effect, ${number(weak)} to ${number(strong)} ${graph.data.effect_unit}`),
    item(small(draw("circle", { class: "dot", cx: 6, cy: 6, r: 2.5 }), draw("circle", { class: "dot", cx: 20, cy: 6, r: 5.5 })), "unit, by its score"),
    item(small(draw("path", { class: "own", d: "M1 6H29" })), "what is chosen"),
    ...(graph.edges.some((edge) => edge.kind === "skip") ? [item(small(draw("path", { class: "passing", d: "M1 6H29" })), "skip edge")] : []),
    ...(graph.parts.length ? [item(small(draw("path", { class: "belonging", d: "M1 6H29" })), "part of a unit, not tested")] : []));
}

if (data.edges.some(isTested)) start();
if (data.maps.length) {
  makeMaps(byId("map-row"), data.maps);
  byId("maps").hidden = false;
  byId("heat").addEventListener("input", () => byId("map-row").style.setProperty("--heat", String(Number(byId("heat").value) / 100)));
}
