// The stimuli of one representation in a plane: dots, of which those of the chosen pair are named.
const PLANE = { height: 190, edge: 14 };

function makePlaces(host, stimuli) {
  const svg = draw("svg", { class: "stimuli", role: "img" });
  let [points, marked, room] = [[], [], 0];
  host.append(svg);

  function redraw() {
    room = host.parentElement.clientWidth;
    const width = Math.max(Math.min(room, WIDEST), 120), place = fitPlane(points, width, PLANE.height, PLANE.edge);
    fill(svg, { width, height: PLANE.height, "aria-label": `${points.length} stimuli in a plane; the nearer, the more similar.` }, []);
    const dots = points.map((point) => draw("circle", { class: "dot", cx: place.x(point), cy: place.y(point), r: 2.6 }, draw("title", {}, stimuli[point.stimulus])));
    const named = [...new Set(marked.map(([from, to]) => points.find((point) => point.stimulus >= from && point.stimulus <= to)))].filter(Boolean).map((point) => {
      const right = place.x(point) < width / 2;
      return draw("g", { class: "marked" }, draw("circle", { cx: place.x(point), cy: place.y(point), r: 5 }),
        draw("text", { x: place.x(point) + (right ? 9 : -9), y: place.y(point) + 4, "text-anchor": right ? "start" : "end" }, cut(stimuli[point.stimulus], width / 2 - 16, letters)));
    });
    svg.replaceChildren(...dots, ...named);
  }

  const letters = textWidth("12px sans-serif");
  new ResizeObserver(() => { if (host.parentElement.clientWidth !== room) redraw(); }).observe(host.parentElement);
  return {
    show(next) { points = next; host.hidden = !points.length; redraw(); },
    mark(next) { marked = next; redraw(); },
  };
}

// Places with the same scale both ways, in the middle of the drawing.
function fitPlane(points, width, height, edge) {
  const ends = (key) => (points.length ? [Math.min(...points.map((p) => p[key])), Math.max(...points.map((p) => p[key]))] : [0, 1]);
  const [[left, right], [low, high]] = [ends("x"), ends("y")];
  const by = Math.min((width - 2 * edge) / (right - left || 1e-9), (height - 2 * edge) / (high - low || 1e-9));
  const scale = right === left && high === low ? 0 : by;
  return {
    x: (point) => Number((width / 2 + (point.x - (left + right) / 2) * scale).toFixed(1)),
    y: (point) => Number((height / 2 - (point.y - (low + high) / 2) * scale).toFixed(1)),
  };
}
