// Nodes, edges and paths that know each other. An edge is one of the graph, whichever way a path walks it: paths that
// share it share the line.
const COLOURS = 8, SHAPES = 4, DRAWN_PATHS = 100, DRAWN_NODES = 200;

function some(count, thing) { return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`; }

// One or two letters for every kind, no two the same: initials, or the first letters, or a number.
function kindMarks(kinds) {
  const used = new Set();
  return new Map(kinds.map((name, index) => {
    const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean), letters = [...(words[0] ?? "")];
    const initials = words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("");
    const two = letters.slice(1).map((letter) => letters[0].toUpperCase() + letter.toLowerCase());
    const mark = [initials, ...two, String(index + 1)].find((text) => text && !used.has(text)) ?? `${index + 1}`;
    used.add(mark);
    return [name, { name: name || "no kind", mark, colour: index % COLOURS, shape: index % SHAPES }];
  }));
}

function indexPaths(data) {
  const kinds = kindMarks(data.kinds), titles = new Map(data.relations.map((relation) => [relation.name, relation]));
  const nodes = data.nodes.map((node) => ({ ...node, kind: kinds.get(node.kind), paths: [] }));
  const byId = new Map(nodes.map((node) => [node.id, node])), edges = new Map();
  const source = byId.get(data.query.source), target = byId.get(data.query.target);
  const paths = data.paths.map((path, index) => {
    const steps = path.nodes.map((id) => byId.get(id)), made = { ...path, index, steps };
    made.edges = path.relations.map((name, at) => {
      const [head, tail] = path.forward[at] ? [steps[at], steps[at + 1]] : [steps[at + 1], steps[at]];
      const key = JSON.stringify([head.id, name, tail.id]);
      if (!edges.has(key)) edges.set(key, { index: edges.size, head, tail, relation: titles.get(name), paths: [], spoke: false });
      return edges.get(key);
    });
    for (const part of [...steps, ...made.edges]) part.paths.push(made);
    for (const edge of made.edges) edge.spoke = edge.paths.every((other) => other.kind === "neighbour");
    made.words = [path.sentence, ...steps.flatMap((node) => [node.title, node.id]), ...made.edges.map((edge) => edge.relation.title)].join(" ").toLowerCase();
    return made;
  });
  return { data, nodes, edges: [...edges.values()], paths, source, target, kinds: [...kinds.values()], found: paths.filter((path) => path.kind === "path").length };
}

// Nodes of a path that are not asked for: what it leads through.
function between(graph, path) { return path.steps.filter((node) => node !== graph.source && node !== graph.target); }

// As many of the first paths as a drawing can tell apart.
function drawable(graph, paths) {
  const nodes = new Set([graph.source, graph.target]), taken = [];
  for (const path of paths) {
    const fresh = path.steps.filter((node) => !nodes.has(node));
    if (taken.length === DRAWN_PATHS || nodes.size + fresh.length > DRAWN_NODES) break;
    fresh.forEach((node) => nodes.add(node));
    taken.push(path);
  }
  return { paths: taken, nodes, edges: new Set(taken.flatMap((path) => path.edges)) };
}

function noun(path) { return path.kind === "neighbour" ? "Neighbour" : "Path"; }

// What a choice lights: the paths through a node or an edge, or one path, and all that lies on them.
function lightOf(choice) {
  const paths = choice.path ? [choice.path] : (choice.node ?? choice.edge).paths;
  return { paths: new Set(paths), nodes: new Set([...(choice.node ? [choice.node] : []), ...paths.flatMap((path) => path.steps)]), edges: new Set(paths.flatMap((path) => path.edges)), first: choice.node ?? choice.edge ?? null };
}
