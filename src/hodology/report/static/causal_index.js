// The graph by its nodes: each knows its edges in and out, the strongest first, as they are in the list of all.
// An edge of kind "part" joins a unit to a part of it: it was not tested and has no effect, is not counted, and is
// drawn where the part has an edge that is.
function indexGraph(data) {
  const nodes = data.nodes.map((node) => ({ ...node, score: node.score ?? null, in: [], out: [], rank: 0.5, x: 0, y: 0, r: 0 }));
  const byName = new Map(nodes.map((node) => [node.id, node]));
  const all = data.edges.map((edge) => ({ ...edge, effect: edge.kind === "part" ? null : edge.effect, from: byName.get(edge.source), to: byName.get(edge.target) }));
  const edges = all.filter(isTested).sort((a, b) => b.effect - a.effect), parts = all.filter((edge) => !isTested(edge));
  for (const edge of [...edges, ...parts]) {
    edge.from.out.push(edge);
    edge.to.in.push(edge);
  }
  const paths = data.paths.map((path, index) => {
    const steps = path.nodes.map((id) => byName.get(id));
    return { index, score: path.score, nodes: steps, edges: steps.slice(1).map((to, at) => steps[at].out.find((edge) => edge.to === to)) };
  });
  return { data, nodes, edges, parts, paths, layers: data.layers };
}

function isTested(edge) { return edge.kind !== "part"; }

function tested(edges) { return [...edges].filter(isTested).length; }

function nameOf(graph, node) { return `${graph.layers[node.layer].label} · ${node.unit}`; }

// All that leads to a node and all that it leads to, along the edges that are drawn.
function traceOf(node, drawn) {
  const follow = (next, end) => {
    const [nodes, edges, left] = [new Set([node]), new Set(), [node]];
    while (left.length) {
      for (const edge of next(left.pop())) {
        if (!drawn.has(edge)) continue;
        edges.add(edge);
        if (nodes.has(end(edge))) continue;
        nodes.add(end(edge));
        left.push(end(edge));
      }
    }
    return { nodes, edges };
  };
  return { up: follow((at) => at.in, (edge) => edge.from), down: follow((at) => at.out, (edge) => edge.to) };
}

// From a node along its strongest edges to the input and to the output.
function strongestRoute(node) {
  const edges = [];
  for (let at = node; at.in.length; at = at.in[0].from) edges.push(at.in[0]);
  for (let at = node; at.out.length; at = at.out[0].to) edges.push(at.out[0]);
  return edges;
}

// How many of the strongest edges remain at a place of the slider: each step takes the same share away, since a
// few effects are large and most are small.
function remaining(count, place) { return count ? Math.max(1, Math.round(count ** (1 - clamp(place, 0, 100) / 100))) : 0; }

function placeFor(count, most) { return count <= most ? 0 : Math.ceil(100 * (1 - Math.log(most) / Math.log(count))); }
