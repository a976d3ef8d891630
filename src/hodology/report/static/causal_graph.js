// The drawing. Edges are SVG up to VECTORS of them, so that they print and copy sharp; more go on a canvas, which
// draws 20,000 in about a tenth of a second where as many elements would hold the page up. Nodes and letters stay
// SVG. Pointing finds the nearest node, so that also columns of 512 can be pointed at.
const VECTORS = 3000, LEVELS = 12, LINE = 13, DASHES = { skip: "5 3", part: "1 3" };

function makeGraph(host, graph, told) {
  const sheet = make("div", { class: "sheet" }), svg = draw("svg", { class: "diagram graph", "aria-hidden": "true", focusable: "false" });
  const frame = draw("g"), names = draw("g", { class: "names" }), discs = draw("g", { class: "discs" });
  const under = { canvas: make("canvas", { "aria-hidden": "true" }), lines: draw("g", { class: "under" }) };
  const over = { canvas: make("canvas", { "aria-hidden": "true" }), lines: draw("g", { class: "over" }) };
  const bright = draw("g", { class: "bright" }), rings = draw("g", { class: "rings" });
  svg.append(frame, under.lines, discs, names, over.lines, bright, rings);
  sheet.append(under.canvas, over.canvas, svg);
  host.replaceChildren(sheet);
  const pen = make("canvas").getContext("2d");
  let place = null, edges = [], drawn = new Set(), looks = null, cursor = null, pointed = null, light = null, found = [];

  function textWidth(text) { return 1.08 * pen.measureText(text).width; } // the letters of what is chosen are bold

  function clip(text, room, middle = false) {
    let [left, short] = [text.length, text];
    while (left > 3 && textWidth(short) > room) {
      left -= 1;
      short = middle ? `${text.slice(0, Math.ceil(left / 2))}…${text.slice(text.length - Math.floor(left / 2))}` : `${text.slice(0, left)}…`;
    }
    return short;
  }

  // Colours and widths by the effect's share of the largest, in steps; strong edges stay narrow where there are many.
  function readLooks() {
    const style = getComputedStyle(document.documentElement);
    const rgb = (name) => [1, 3, 5].map((at) => parseInt(style.getPropertyValue(name).trim().slice(at, at + 2), 16));
    const mix = (from, to, share) => `rgb(${from.map((value, k) => Math.round(value + (to[k] - value) * share)).join(" ")})`;
    const [paper, accent, strong, soft] = ["--paper", "--accent", "--strong", "--soft"].map(rgb);
    const widest = clamp(45 / Math.sqrt(Math.max(edges.length, 1)), 1.5, 4.5);
    const share = (level) => level / (LEVELS - 1);
    const steps = Array.from({ length: LEVELS }, (_, level) => level);
    pen.font = `12px ${style.getPropertyValue("--sans")}`;
    return {
      under: [...steps.map((level) => [mix(paper, accent, 0.2 + 0.8 * share(level)), 0.7 + (widest - 0.7) * share(level)]), [mix(paper, soft, 0.6), 1]],
      over: [...steps.map((level) => [mix(paper, strong, 0.45 + 0.55 * share(level)), 1 + (Math.max(widest, 3) - 1) * share(level)]), [mix(paper, strong, 1), 1.2]],
    };
  }

  function levelOf(edge) { // the last level is that of parts
    if (!isTested(edge)) return LEVELS;
    const top = Math.max(graph.edges[0].effect, 0);
    return top ? Math.round((LEVELS - 1) * Math.sqrt(clamp(edge.effect, 0, top) / top)) : 0;
  }

  function paint(part, list, styles) { // the strongest lie on top
    const some = [...list].sort((a, b) => a.effect - b.effect), middle = (TOP + place.base) / 2, vectors = some.length <= VECTORS;
    part.canvas.hidden = vectors;
    part.lines.replaceChildren(...(vectors ? some : []).map((edge) => {
      const [a, b, ...rest] = curveOf(edge, middle).map((value) => value.toFixed(1)), [stroke, width] = styles[levelOf(edge)];
      return draw("path", { d: `M${a} ${b}C${rest.join(" ")}`, stroke, "stroke-width": width.toFixed(2), "stroke-dasharray": DASHES[edge.kind] });
    }));
    if (!vectors) paintCanvas(part.canvas, some, styles, middle);
  }

  function paintCanvas(canvas, some, styles, middle) {
    const dots = window.devicePixelRatio || 1, context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [Math.round(place.width * dots), Math.round(place.height * dots)];
    [canvas.style.width, canvas.style.height] = [`${place.width}px`, `${place.height}px`];
    context.setTransform(dots, 0, 0, dots, 0, 0);
    for (let level = 0; level <= LEVELS; level++) for (const dashes of [null, DASHES.skip, DASHES.part]) {
      const lines = new Path2D();
      for (const edge of some) {
        if (levelOf(edge) !== level || (DASHES[edge.kind] ?? null) !== dashes) continue;
        const [x, y, ...rest] = curveOf(edge, middle);
        lines.moveTo(x, y);
        lines.bezierCurveTo(...rest);
      }
      [context.strokeStyle, context.lineWidth] = styles[level];
      context.setLineDash(dashes ? dashes.split(" ").map(Number) : []);
      context.stroke(lines);
    }
  }

  // The names of the layers stand in one line, or in two by turns where they would touch.
  function drawFrame() {
    const x = (index) => LEFT + place.gap * index, last = graph.layers.length - 1;
    const widths = graph.layers.map((layer) => textWidth(layer.label));
    const ends = widths.map((width, index) => (index ? [x(index) - width / 2, x(index) + width / 2] : [0, width]));
    const two = ends.some(([start], index) => index > 0 && start < ends[index - 1][1] + 10);
    frame.replaceChildren(...graph.layers.flatMap((layer, index) => {
      const side = index ? { x: x(index), "text-anchor": "middle" } : { x: 2 }, count = place.columns[index].length;
      const room = Math.min(two ? (index ? 2 * place.gap - 14 : place.gap + LEFT - 8) : Infinity, index === last ? 2 * place.right - 8 : Infinity);
      return [
        draw("line", { class: "axis", x1: x(index), x2: x(index), y1: TOP - 20, y2: place.base }),
        draw("text", { class: "layer", y: two && index % 2 ? 32 : 16, ...side }, clip(layer.label, room, true), draw("title", {}, layer.name)),
        draw("text", { class: "caption", y: place.height - 8, ...side }, `${count}/${layer.units}`,
          draw("title", {}, `${count} of ${layer.units} units have an edge that is drawn`)),
      ];
    }));
  }

  function disc(node) { return draw("circle", { class: "disc", "data-id": node.id, cx: node.x, cy: node.y.toFixed(1), r: node.r.toFixed(1) }); }

  // The letters of the nodes that fit, the first ones first; no two of a column come closer than a line, or than
  // three in a column of which only few can be named anyway.
  function label(list, sparse = false) {
    const close = (layer) => (sparse && place.step(layer) < 6 ? 3 * LINE : LINE);
    const taken = place.columns.map(() => []), last = place.columns.length - 1;
    return list.flatMap((node) => {
      if (taken[node.layer].some((y) => Math.abs(y - node.y) < close(node.layer))) return [];
      taken[node.layer].push(node.y);
      const room = (node.layer === last ? place.right : place.gap) - node.r - 10;
      const y = node.layer === last ? node.y + 4 : node.y - 0.5 * node.r - 1;
      return [draw("text", { x: (node.x + node.r + 4).toFixed(1), y: y.toFixed(1) }, clip(node.unit, room))];
    });
  }

  function redraw() {
    [looks, pointed] = [readLooks(), null];
    place = arrange(graph, edges, host.clientWidth, textWidth);
    [sheet.style.width, sheet.style.height] = [`${place.width}px`, `${place.height}px`];
    fill(svg, { width: place.width, height: place.height }, []);
    drawFrame();
    paint(under, edges, looks.under);
    const shown = place.columns.flat();
    discs.replaceChildren(...shown.map(disc));
    names.replaceChildren(...label([...shown].sort((a, b) => (b.score ?? Infinity) - (a.score ?? Infinity)), true));
    overlay();
  }

  // What is chosen lies over the drawing; the rest steps back.
  function overlay() {
    const lit = light ? [...light.edges] : [], nodes = light ? [...light.nodes] : [];
    sheet.classList.toggle("busy", light !== null);
    paint(over, lit, looks.over);
    bright.replaceChildren(...nodes.map(disc), ...label([...light?.first ?? [], ...nodes]));
    const ring = (node, kind) => draw("circle", { class: kind, cx: node.x, cy: node.y.toFixed(1), r: (node.r + 3.5).toFixed(1) });
    const present = (node) => place.columns[node.layer].includes(node);
    rings.replaceChildren(...found.filter(present).map((node) => ring(node, "found")), ...(light?.first ?? []).filter(present).map((node) => ring(node, "here")));
  }

  function nearest(event) {
    const box = sheet.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const layer = clamp(Math.round((x - LEFT) / place.gap), 0, place.columns.length - 1);
    const best = place.columns[layer].reduce((a, b) => (a && Math.abs(a.y - y) <= Math.abs(b.y - y) ? a : b), null);
    return best && Math.hypot(best.x - x, best.y - y) <= 16 ? best : null;
  }

  function point(node) {
    if (node === pointed) return;
    pointed = node;
    host.classList.toggle("pointing", node !== null);
    told.look(node);
  }

  function step(event) {
    if (event.key === "Escape") return told.keep(null);
    if ((event.key === "Enter" || event.key === " ") && cursor) {
      event.preventDefault();
      return told.keep(cursor);
    }
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move || !edges.length) return;
    event.preventDefault();
    const used = place.columns.filter((column) => column.length);
    if (!cursor || !place.columns[cursor.layer].includes(cursor)) cursor = used[0][0];
    else if (move[1]) {
      const column = place.columns[cursor.layer];
      cursor = column[clamp(column.indexOf(cursor) + move[1], 0, column.length - 1)];
    } else { // to the unit of the next column that lies nearest
      const column = used[clamp(used.indexOf(place.columns[cursor.layer]) + move[0], 0, used.length - 1)];
      if (!column.includes(cursor)) cursor = column.reduce((a, b) => (Math.abs(a.y - cursor.y) <= Math.abs(b.y - cursor.y) ? a : b));
    }
    host.scrollTo({ left: cursor.x - host.clientWidth / 2 });
    told.look(cursor, true);
  }

  host.addEventListener("keydown", step);
  host.addEventListener("blur", () => { if (cursor) { cursor = null; told.look(null); } });
  sheet.addEventListener("pointermove", (event) => point(nearest(event)));
  sheet.addEventListener("pointerleave", () => point(null));
  sheet.addEventListener("click", (event) => {
    cursor = pointed ?? nearest(event); // what the card shows; the arrow keys go on from here
    told.keep(cursor);
  });
  document.addEventListener("themechange", () => { if (place) redraw(); });
  let width = host.clientWidth;
  new ResizeObserver(() => {
    if (place && Math.abs(host.clientWidth - width) > 1) redraw();
    width = host.clientWidth;
  }).observe(host);
  return {
    show(next) { [edges, drawn] = [next, new Set(next)]; redraw(); },
    light(next) { light = next; overlay(); },
    mark(next) { found = next; overlay(); },
    drawn: () => drawn,
    looks: () => looks,
    reveal(node) { host.scrollTo({ left: node.x - host.clientWidth / 2 }); },
  };
}
