// The drawing: lines, their names, nodes with theirs. All is SVG, since no more than some hundred paths are drawn. A
// node is told by a shape, a colour and the letters of its kind.
const TWO_LINES = 32, MANY = 80, LONG_WAYS = 4; // many or long paths take the room of the card, which goes below

function shapeText(shape, r) {
  if (shape === 1) return `M${-0.9 * r} ${-0.9 * r}H${0.9 * r}V${0.9 * r}H${-0.9 * r}Z`;
  if (shape === 2) return `M0 ${-1.2 * r}L${1.2 * r} 0L0 ${1.2 * r}L${-1.2 * r} 0Z`;
  if (shape === 3) return `M${-1.1 * r} 0L${-0.55 * r} ${-0.95 * r}H${0.55 * r}L${1.1 * r} 0L${0.55 * r} ${0.95 * r}H${-0.55 * r}Z`;
  return `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`;
}

function drawNode(kind, r) {
  const size = clamp(r * (kind.mark.length > 1 ? 0.95 : 1.2), 7, 12);
  const mark = draw("text", { class: "mark", "text-anchor": "middle", y: (0.36 * size).toFixed(1) }, kind.mark);
  mark.style.fontSize = `${size.toFixed(1)}px`;
  return [draw("path", { class: "shape", d: shapeText(kind.shape, r) }), mark];
}

function makeGraph(host, graph, told) {
  const svg = draw("svg", { class: "diagram kg", "aria-hidden": "true", focusable: "false" });
  const heads = draw("g"), lines = draw("g"), names = draw("g", { class: "names" }), over = draw("g", { class: "names over" }), discs = draw("g");
  svg.append(heads, lines, names, discs, over);
  host.replaceChildren(svg);
  const pen = make("canvas").getContext("2d");
  let place = null, shown = null, groups = new Map(), cursor = null, pointed = null, light = null, ends = new Map();

  function textWidth(text) { return 1.07 * pen.measureText(text).width; }

  function show(next) {
    [shown, pointed, cursor] = [next, null, null];
    redraw();
    host.scrollTo({ left: 0, top: graph.source.y - host.clientHeight / 2 });
  }

  function redraw() {
    pen.font = `12.5px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
    const dense = shown.edges.size > MANY;
    svg.classList.toggle("dense", dense);
    host.closest(".stage").classList.toggle("wide", dense || shown.paths.some((path) => path.length >= LONG_WAYS));
    place = arrange(graph, shown, host.clientWidth - 2, textWidth);
    for (const node of shown.nodes) {
      node.lines = fold(node.title, place.most, textWidth, place.row >= TWO_LINES);
      node.end = node.x + node.half + 9 + Math.max(...node.lines.map(textWidth));
    }
    const bows = bowsOf(place.routes);
    for (const [edge, route] of place.routes) route.curve = curveOf(edge, place, bows.get(edge));
    fill(svg, { width: place.width.toFixed(0), height: place.height.toFixed(0) }, []);
    groups = new Map([...[...shown.edges].map((edge) => [edge, edgeGroup(edge)]), ...[...shown.nodes].map((node) => [node, nodeGroup(node)])]);
    heads.replaceChildren(...place.captions.map((caption, at) => {
      const room = (place.spans[at + 1]?.left ?? place.width) - place.spans[at].left - 8;
      return draw("text", { class: "caption", x: place.spans[at].left + 4, y: 15 }, clip(caption, room, textWidth));
    }));
    lines.replaceChildren(...[...shown.edges].map((edge) => groups.get(edge)));
    discs.replaceChildren(...[...shown.nodes].map((node) => groups.get(node)));
    names.replaceChildren(...labels([...shown.edges]));
    ends = new Map([...shown.nodes].map((node) => [node, { left: [], right: [] }]));
    for (const [edge, { low, high }] of place.routes) {
      ends.get(low).right.push(edge);
      ends.get(high)[low.column === high.column ? "right" : "left"].push(edge);
    }
    const other = (edge, node) => { const { low, high } = place.routes.get(edge); return low === node ? high : low; };
    for (const [node, sides] of ends) for (const list of Object.values(sides)) list.sort((a, b) => other(a, node).y - other(b, node).y);
    overlay();
  }

  function edgeGroup(edge) {
    const route = place.routes.get(edge), d = lineText(route.curve);
    return draw("g", { class: edge.spoke ? "edge spoke" : "edge", "data-edge": edge.index },
      draw("path", { class: "line", d }), draw("path", { class: "arrow", d: arrowText(edge, route.curve, route) }), draw("path", { class: "touch", d }));
  }

  function nodeGroup(node) {
    const asked = node === graph.source || node === graph.target;
    return draw("g", { class: `node tint-${node.kind.colour}${asked ? " asked" : ""}`, "data-node": graph.nodes.indexOf(node), transform: `translate(${node.x.toFixed(1)} ${node.y.toFixed(1)})` },
      draw("rect", { class: "touch", x: -node.half - 3, y: -halfHeight(node), width: node.end - node.x + node.half, height: 2 * halfHeight(node) }),
      draw("path", { class: "ring", d: shapeText(node.kind.shape, node.r + 3.5) }), ...drawNode(node.kind, node.r),
      ...node.lines.map((text, at) => draw("text", { class: "name", x: (node.half + 5).toFixed(1), y: 4 + LETTERS * (at - (node.lines.length - 1) / 2) }, text)));
  }

  function labels(edges) {
    const found = placeLabels(edges, place, nodeBoxes([...shown.nodes]), textWidth);
    return found.map(({ edge, text, x, y }) => draw("text", { class: "relation", "data-edge": edge.index, "text-anchor": "middle", x: x.toFixed(1), y: y.toFixed(1) }, text));
  }

  // What is chosen stays and gets all its names; the rest steps back.
  function overlay() {
    svg.classList.toggle("busy", light !== null);
    for (const [part, group] of groups) {
      group.classList.toggle("lit", light !== null && (light.edges.has(part) || light.nodes.has(part)));
      group.classList.toggle("here", light !== null && light.first === part);
    }
    const lit = light ? [...light.edges].filter((edge) => shown.edges.has(edge)) : [];
    if (light?.first && lit.includes(light.first)) lit.sort((a, b) => (b === light.first) - (a === light.first));
    over.replaceChildren(...(lit.length ? labels(lit) : []));
    for (const edge of lit) lines.append(groups.get(edge)); // on top
  }

  function partOf(event) {
    const found = event.target.closest?.("[data-node], [data-edge]");
    if (!found || !svg.contains(found)) return null;
    return found.dataset.node === undefined ? { edge: graph.edges[found.dataset.edge] } : { node: graph.nodes[found.dataset.node] };
  }

  function point(choice) {
    const part = choice?.node ?? choice?.edge ?? null;
    if (part === pointed) return;
    pointed = part;
    host.classList.toggle("pointing", part !== null);
    told.look(choice);
  }

  // Left and right lead from a node to an edge on that side and from an edge to its end; up and down through the
  // column, or through the edges of that side.
  function step(event) {
    if (event.key === "Escape") return told.keep(null);
    if ((event.key === "Enter" || event.key === " ") && cursor) {
      event.preventDefault();
      return told.keep(cursor.edge ? { edge: cursor.edge } : { node: cursor.node });
    }
    const [across, down] = { ArrowLeft: ["left", 0], ArrowRight: ["right", 0], ArrowUp: [null, -1], ArrowDown: [null, 1], Home: [null, 0], End: [null, 0] }[event.key] ?? [];
    if (across === undefined || !place) return;
    event.preventDefault();
    if (event.key === "Home" || event.key === "End" || !cursor) cursor = { node: event.key === "End" ? graph.target : graph.source };
    else if (across && cursor.edge) {
      const { low, high } = place.routes.get(cursor.edge);
      cursor = { node: low.column === high.column ? (cursor.from === low ? high : low) : across === "left" ? low : high };
    } else if (across) {
      const list = ends.get(cursor.node)[across];
      if (list.length) cursor = { edge: list[(list.length - 1) >> 1], from: cursor.node, side: across };
    } else {
      const list = cursor.edge ? ends.get(cursor.from)[cursor.side] : place.columns[cursor.node.column];
      const next = list[clamp(list.indexOf(cursor.edge ?? cursor.node) + down, 0, list.length - 1)];
      cursor = cursor.edge ? { ...cursor, edge: next } : { node: next };
    }
    bring(cursor.node ?? cursor.from);
    told.look(cursor.edge ? { edge: cursor.edge } : { node: cursor.node }, true);
  }

  function bring(node) {
    if (node.x - node.half < host.scrollLeft || node.end > host.scrollLeft + host.clientWidth) host.scrollLeft = (node.x + node.end - host.clientWidth) / 2;
    if (node.y - 20 < host.scrollTop || node.y + 20 > host.scrollTop + host.clientHeight) host.scrollTop = node.y - host.clientHeight / 2;
  }

  host.addEventListener("keydown", step);
  host.addEventListener("blur", () => { if (cursor) { cursor = null; told.look(null); } });
  svg.addEventListener("pointermove", (event) => point(partOf(event)));
  svg.addEventListener("pointerleave", () => point(null));
  svg.addEventListener("click", (event) => told.keep(partOf(event)));
  let width = host.clientWidth;
  new ResizeObserver(() => {
    if (place && Math.abs(host.clientWidth - width) > 1) redraw();
    width = host.clientWidth;
  }).observe(host);
  return {
    show,
    light(next) { light = next; overlay(); },
    bring(path) { const node = path.steps.find((step) => shown.nodes.has(step) && step !== graph.source); if (node) bring(node); },
  };
}
