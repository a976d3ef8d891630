// Goals over time, all policies in one chart; a click goes to the step.
const AXIS = { left: 46, right: 12, top: 10, bottom: 26, height: 230 };

// Round steps of an axis, some four of them.
function ticksTo(most) {
  const rough = most / 4, size = 10 ** Math.floor(Math.log10(Math.max(rough, 1))), by = [1, 2, 5, 10].map((k) => k * size).find((step) => step >= rough);
  return Array.from({ length: Math.floor(most / by) + 1 }, (_, at) => at * by);
}

function makeChart(host, legend, episodes, steps, told) {
  const svg = draw("svg", { class: "chart", role: "img" }), now = draw("line", { class: "now", y1: AXIS.top, y2: AXIS.height - AXIS.bottom });
  const most = Math.max(1, ...episodes.map((episode) => episode.made[steps])), values = episodes.map(() => make("span", { class: "value" }));
  let [width, main, at] = [0, 0, 0];
  svg.setAttribute("aria-label", `Goals over time. After ${some(steps, "step")}: ${episodes.map((episode) => `${episode.raw.label} ${episode.made[steps].toLocaleString("en")}`).join(", ")}.`);
  host.replaceChildren(svg);
  const items = episodes.map((episode, index) => make("li", {},
    draw("svg", { width: 30, height: 12, "aria-hidden": "true" }, draw("path", { class: `made made-${index % 6}`, d: "M1 6H29" })), make("span", {}, episode.raw.label), values[index]));
  legend.replaceChildren(...items);

  const x = (step) => AXIS.left + ((width - AXIS.left - AXIS.right) * step) / steps;
  const y = (goals) => AXIS.height - AXIS.bottom - ((AXIS.height - AXIS.top - AXIS.bottom) * goals) / most;

  function line(episode, index) {
    const points = [];
    for (let step = 0; step <= steps; step++) points.push(`${x(step).toFixed(1)} ${y(episode.made[step]).toFixed(1)}`);
    return draw("path", { class: `made made-${index % 6}${index === main ? " main" : ""}`, d: `M${points.join("L")}` });
  }

  function redraw() {
    width = Math.max(host.clientWidth, 200);
    fill(svg, { width, height: AXIS.height }, []);
    const lines = episodes.map(line);
    svg.replaceChildren(
      ...ticksTo(most).flatMap((goals) => [
        draw("line", { class: "grid", x1: AXIS.left, x2: width - AXIS.right, y1: y(goals), y2: y(goals) }),
        draw("text", { x: AXIS.left - 8, y: y(goals) + 4, "text-anchor": "end" }, goals.toLocaleString("en"))]),
      ...ticksTo(steps).map((step) => draw("text", { x: x(step), y: AXIS.height - 8, "text-anchor": "middle" }, step.toLocaleString("en"))),
      ...lines.filter((_, index) => index !== main), lines[main], now);
    mark(at);
  }

  function mark(step) {
    at = step;
    for (const end of ["x1", "x2"]) now.setAttribute(end, x(step).toFixed(1));
    episodes.forEach((episode, index) => { values[index].textContent = episode.made[Math.floor(step)].toLocaleString("en"); });
  }

  svg.addEventListener("click", (event) => {
    const part = (event.clientX - svg.getBoundingClientRect().left - AXIS.left) / (width - AXIS.left - AXIS.right);
    told.seek(Math.round(clamp(part, 0, 1) * steps));
  });
  new ResizeObserver(() => { if (host.clientWidth !== width) redraw(); }).observe(host);
  return { mark, show(index) { main = index; items.forEach((item, other) => item.classList.toggle("main", other === index)); redraw(); } };
}
