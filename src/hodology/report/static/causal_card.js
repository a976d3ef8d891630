// What is chosen, in words: the whole graph, a unit with its edges, or a path.
const LISTED = 40;

function interval(edge) {
  return edge.low === null || edge.high === null ? "–" : `${number(edge.low, 2)} to ${number(edge.high, 2)}`;
}

// The edges of a unit or a path as a table. Where all ends lie in one layer its name stands above and not in each row.
function edgeRows(words, list, end, drawn, graph) {
  if (!list.length) return "";
  const layers = new Set(list.map((edge) => end(edge).layer)), one = layers.size === 1 && list.length > 1;
  const seen = list.filter((edge) => drawn.has(edge)).length;
  const title = `${words(some(list.length, "edge"), one ? ` ${graph.layers[end(list[0]).layer].label}` : "")}${seen < list.length ? `, ${seen.toLocaleString("en")} drawn` : ""}`;
  const head = make("tr", {}, ...[one ? "unit" : "layer · unit", "effect", "interval", "p"].map((text, at) => make("th", { scope: "col", class: at ? "number" : null }, text)));
  const rows = list.slice(0, LISTED).map((edge) => make("tr", {},
    make("th", { scope: "row" }, one ? end(edge).unit : nameOf(graph, end(edge))),
    make("td", { class: "number" }, number(edge.effect)),
    make("td", { class: "number" }, interval(edge)),
    make("td", { class: "number" }, number(edge.p, 2))));
  return make("div", {}, make("table", {}, make("caption", {}, title), make("thead", {}, head), make("tbody", {}, ...rows)),
    list.length > LISTED ? make("p", { class: "small soft" }, `and ${(list.length - LISTED).toLocaleString("en")} weaker`) : "");
}

function some(count, thing) { return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`; }

function makeCard(host, graph) {
  const unit = graph.data.effect_unit;
  const put = (...children) => { host.replaceChildren(...children.filter(Boolean)); host.scrollTop = 0; };
  return {
    whole(drawn) {
      const best = graph.edges[0], nodes = new Set([...drawn].flatMap((edge) => [edge.from, edge.to]));
      put(make("h3", {}, graph.data.target.name),
        terms([["Drawn", `${some(tested(drawn), "edge")}, ${some(nodes.size, "unit")}`], ["Kept", `${some(graph.edges.length, "edge")}, ${some(graph.nodes.length, "unit")}`],
          ["Strongest", `${nameOf(graph, best.from)} → ${nameOf(graph, best.to)}, ${number(best.effect)} ${unit}`]]),
        make("p", { class: "hint" }, "Point at a unit to see its edges; click it, or press Enter, to trace all that leads to it and all that it leads to. Choose a path below to see it alone."));
    },
    node(node, drawn, trace) {
      const reach = ({ nodes, edges }) => (edges.size ? `${some(nodes.size - 1, "unit")}, ${some(tested(edges), "edge")}` : "nothing");
      put(make("h3", {}, nameOf(graph, node)),
        terms([["Site", make("span", { class: "code" }, graph.layers[node.layer].name)], ["Score", node.score === null ? null : `${number(node.score)} ${unit}`],
          ["Upstream", trace && reach(trace.up)], ["Downstream", trace && reach(trace.down)]]),
        edgeRows((edges, layer) => `${edges} in${layer && " from"}${layer}`, node.in, (edge) => edge.from, drawn, graph),
        edgeRows((edges, layer) => `${edges} out${layer && " to"}${layer}`, node.out, (edge) => edge.to, drawn, graph));
    },
    path(path) {
      put(make("h3", {}, `Path ${path.index + 1}`), terms([["Score", number(path.score)], ["From", nameOf(graph, path.nodes[0])]]),
        edgeRows((edges) => `${edges}, into`, path.edges, (edge) => edge.to, new Set(path.edges), graph));
    },
  };
}

function spoken(graph, node, drawn) {
  const best = (list, end, word) => {
    const seen = list.filter((edge) => drawn.has(edge));
    return seen.length ? `${some(seen.length, "edge")} ${word}, strongest ${word === "in" ? "from" : "to"} ${nameOf(graph, end(seen[0]))}${seen[0].effect === null ? "" : ` ${number(seen[0].effect)}`}` : `no edge ${word}`;
  };
  const score = node.score === null ? "" : `, score ${number(node.score)}`;
  return `${nameOf(graph, node)}${score}; ${best(node.in, (edge) => edge.from, "in")}; ${best(node.out, (edge) => edge.to, "out")}`;
}
