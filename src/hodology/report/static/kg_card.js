// What is chosen, in words: all paths, a node, an edge, or one path.
const LISTED = 30;

function markOf(node) { return make("span", { class: `badge-mark tint-${node.kind.colour}`, title: `${node.title} (${node.kind.name})`, "aria-hidden": "true" }, node.kind.mark); }

// The run of relations as chips between the marks of the nodes; an arrow tells which way the edge itself points.
function chipsOf(path) {
  return make("span", { class: "chips" }, markOf(path.steps[0]), ...path.edges.flatMap((edge, at) => [
    make("span", { class: "chip", title: edge.relation.name }, path.forward[at] ? `${edge.relation.title} →` : `← ${edge.relation.title}`),
    markOf(path.steps[at + 1]),
  ]));
}

function edgeText(edge) { return `${edge.head.title} ${edge.relation.title} ${edge.tail.title}`; }

function makeCard(host, graph) {
  const put = (...children) => { host.replaceChildren(...children.filter(Boolean)); host.scrollTop = 0; };
  const thing = graph.found ? "path" : "neighbour";
  const share = (part) => `${part.paths.length.toLocaleString("en")} of ${graph.paths.length.toLocaleString("en")}`;

  function through(paths) {
    if (!paths.length) return null;
    const items = paths.slice(0, LISTED).map((path) => make("li", {}, make("span", { class: "rank" }, String(path.rank)), chipsOf(path)));
    return make("div", {}, make("ol", { class: "through" }, ...items), paths.length > LISTED ? make("p", { class: "small soft" }, `and ${(paths.length - LISTED).toLocaleString("en")} more`) : "");
  }

  return {
    whole(shown) {
      const runs = new Set(graph.paths.map((path) => JSON.stringify([path.edges.map((edge) => edge.relation.name), path.forward]))).size;
      put(make("h3", {}, `${graph.source.title} – ${graph.target.title}`),
        terms([["Drawn", `${some(shown.paths.length, thing)}, ${some(shown.nodes.size, "node")}, ${some(shown.edges.size, "edge")}`],
          ["Different", graph.found ? some(runs, "run") + " of relations" : null]]),
        make("p", { class: "hint" }, `Point at a node, an edge or a line of the list to see its ${thing}s; click it, or press Enter, to keep it chosen.`));
    },
    node(node) {
      put(make("h3", {}, node.title), terms([["Kind", node.kind.name], ["Id", make("span", { class: "code" }, node.id)], ["Edges in the graph", node.degree.toLocaleString("en")], [graph.found ? "On paths" : "Neighbours", share(node)]]), through(node.paths));
    },
    edge(edge) {
      put(make("h3", {}, edgeText(edge)),
        terms([["From", `${edge.head.title} (${edge.head.kind.name})`], ["Relation", edge.relation.title], ["To", `${edge.tail.title} (${edge.tail.kind.name})`],
          ["Such edges", edge.relation.count.toLocaleString("en")], [graph.found ? "On paths" : "", graph.found ? share(edge) : null]]), through(edge.paths));
    },
    path(path) {
      const step = (node) => make("li", {}, markOf(node), make("span", {}, node.title));
      const way = (edge, at) => make("li", { class: "way" }, make("span", {}, path.forward[at] ? "↓" : "↑"), make("span", {}, edge.relation.title));
      put(make("h3", {}, `${noun(path)} ${path.rank}`), terms([["Length", some(path.length, "edge")], ["Same relations", path.same === null ? null : sameText(path)]]),
        make("ol", { class: "steps" }, step(path.steps[0]), ...path.edges.flatMap((edge, at) => [way(edge, at), step(path.steps[at + 1])])),
        make("p", { class: "small soft" }, path.sentence));
    },
  };
}

function sameText(path) { return path.same <= 1 ? "no other path of the query" : `${some(path.same, "path")} of the query`; }

function spoken(graph, choice) {
  const words = (part) => `${some(part.paths.length, graph.found ? "path" : "neighbour")}: ${part.paths.slice(0, 6).map((path) => path.rank).join(", ")}${part.paths.length > 6 ? " and more" : ""}`;
  if (choice.path) return `${noun(choice.path)} ${choice.path.rank}: ${choice.path.sentence}`;
  if (choice.edge) return `${edgeText(choice.edge)}; ${words(choice.edge)}`;
  return `${choice.node.title}, ${choice.node.kind.name}, ${some(choice.node.degree, "edge")} in the graph; ${words(choice.node)}`;
}
