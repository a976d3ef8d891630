// State of the page: which paths fit the filter, what is looked at, and what is kept chosen.
const data = window.HODOLOGY;

function say(text) { byId("said").textContent = text; }

function fits(graph, path, { words, relation, kind }) {
  return words.every((word) => path.words.includes(word))
    && (!relation || path.edges.some((edge) => edge.relation.name === relation))
    && (!kind || between(graph, path).some((node) => node.kind.mark === kind));
}

function start() {
  const graph = indexPaths(data), thing = graph.found ? "path" : "neighbour";
  let listed = graph.paths, shown = null, looked = null, kept = null;
  for (const id of ["tools", "stage", "ways", "copy"]) byId(id).hidden = false;
  const card = makeCard(byId("detail"), graph);
  const drawing = makeGraph(byId("graph"), graph, { look, keep: (choice) => keep(same(choice, kept) ? null : choice) });
  const list = makeList(byId("ways"), byId("more"), graph, { look, keep });
  const copy = makeCopy(byId("copy"), byId("copy-said"), () => listed.map((path) => path.sentence));

  function same(a, b) { return a && b && a.node === b.node && a.edge === b.edge && a.path === b.path; }

  function show() {
    const choice = looked ?? kept, light = choice && lightOf(choice);
    drawing.light(light && [...light.edges, light.first].some((part) => shown.edges.has(part) || shown.nodes.has(part)) ? light : null);
    list.light(light?.paths ?? null, kept?.path ?? null);
    if (!choice) card.whole(shown);
    else if (choice.path) card.path(choice.path);
    else if (choice.edge) card.edge(choice.edge);
    else card.node(choice.node);
  }

  // The first paths, and the one that is kept even when it comes later.
  function redraw() {
    const first = drawable(graph, listed), late = kept?.path && !first.paths.includes(kept.path);
    const next = late ? drawable(graph, [kept.path, ...listed.filter((path) => path !== kept.path)]) : first;
    if (shown && next.paths.length === shown.paths.length && next.paths.every((path, at) => path === shown.paths[at])) return;
    shown = next;
    const left = listed.length - shown.paths.length;
    byId("graph-note").textContent = left ? `Drawn are ${late ? "the chosen and " : ""}the first ${some(shown.paths.length - (late ? 1 : 0), thing)} of ${listed.length.toLocaleString("en")}; the list has all.` : "";
    byId("graph-note").hidden = !left;
    drawing.show(shown);
  }

  function look(choice, aloud = false) {
    looked = choice;
    show();
    if (choice && aloud) say(spoken(graph, choice));
  }

  function keep(choice) {
    kept = choice;
    redraw();
    show();
    if (choice?.path) drawing.bring(choice.path);
    say(choice ? spoken(graph, choice) : "Nothing is chosen.");
  }

  function filter() {
    const asked = { words: byId("find").value.toLowerCase().split(/\s+/).filter(Boolean), relation: byId("relation").value, kind: byId("kind").value };
    listed = graph.paths.filter((path) => fits(graph, path, asked));
    [looked, kept] = [null, null];
    shown = null;
    redraw();
    const all = some(graph.paths.length, thing);
    byId("found").textContent = listed.length < graph.paths.length ? `${listed.length.toLocaleString("en")} of ${all}` : all;
    byId("none").hidden = listed.length > 0;
    list.show(listed);
    copy.renew();
    show();
  }

  const counted = (parts, text, value) => parts.map((part) => make("option", { value: value(part) }, text(part)));
  const uses = (relation) => graph.paths.filter((path) => path.edges.some((edge) => edge.relation.name === relation.name)).length;
  const passing = (kind) => graph.paths.filter((path) => between(graph, path).some((node) => node.kind === kind)).length;
  byId("relation").append(...counted(data.relations.filter(uses), (relation) => `${relation.title} (${uses(relation)})`, (relation) => relation.name));
  byId("kind").append(...counted(graph.kinds.filter(passing), (kind) => `${kind.name} (${passing(kind)})`, (kind) => kind.mark));
  byId("find").addEventListener("input", filter);
  for (const id of ["relation", "kind"]) byId(id).addEventListener("change", filter);
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  legend(graph);
  filter();
}

function legend(graph) {
  const used = new Set(graph.nodes.map((node) => node.kind)), item = (picture, text) => make("li", {}, picture, text);
  const line = (...children) => draw("svg", { class: "diagram kg", width: 34, height: 14, "aria-hidden": "true" }, ...children);
  const arrow = draw("path", { class: "arrow", d: "M32 7L24 3.4L24 10.6Z" });
  byId("legend").replaceChildren(
    ...graph.kinds.filter((kind) => used.has(kind)).map((kind) =>
      item(draw("svg", { class: "diagram kg", width: 24, height: 24, "aria-hidden": "true" }, draw("g", { class: `node tint-${kind.colour}`, transform: "translate(12 12)" }, ...drawNode(kind, 9))), kind.name)),
    graph.found ? item(line(draw("g", { class: "edge" }, draw("path", { class: "line", d: "M1 7H26" }), arrow)), "edge, and its direction")
      : item(line(draw("g", { class: "edge spoke" }, draw("path", { class: "line", d: "M1 7H26" }), arrow)), "edge of one of the two, not a path"),
    make("li", {}, "the larger a node, the more edges it has (log scale)"));
}

if (data.paths.length) start();
