// The agents as a list: one stop of the Tab key; arrow keys choose, and a number that is typed narrows it.
const PAGE = 10;
const ORDERS = {
  number: { label: "by number", value: (episode, a) => -a },
  most: { label: "most goals", value: (episode, a) => episode.reached(a) },
  fewest: { label: "fewest goals", value: (episode, a) => -episode.reached(a) },
  waits: { label: "most waits", value: (episode, a) => episode.waits[a] },
};

function makeList(host, n, hue, told) {
  const find = byId("find"), sort = byId("sort"), all = Array.from({ length: n }, (_, a) => a);
  let episode = null, chosen = null, shown = all, top = 1;
  const nodes = all.map((a) => {
    const node = make("div", { role: "option", tabindex: -1, "aria-selected": "false" },
      draw("svg", { class: "swatch", width: 10, height: 10, "aria-hidden": "true" }, draw("circle", { cx: 5, cy: 5, r: 5 })), make("span", { class: "id" }, String(a)),
      draw("svg", { class: "much", "aria-hidden": "true" }, draw("rect", { height: 6 })), make("span", { class: "value" }), make("span", { class: "value waits" }));
    node.addEventListener("click", () => told.choose(a === chosen ? null : a));
    return node;
  });

  // The numbers that begin with what was typed, the one that is meant first.
  function arrange() {
    const typed = find.value.replace(/\D/g, ""), value = ORDERS[sort.value].value, exact = (a) => String(a) === typed;
    shown = all.filter((a) => String(a).startsWith(typed)).sort((a, b) => exact(b) - exact(a) || value(episode, b) - value(episode, a) || a - b);
    host.replaceChildren(...shown.map((a) => nodes[a]));
    byId("found").textContent = typed ? (shown.length ? `${some(shown.length, "agent")}; Enter chooses ${shown[0]}` : "no such agent") : "";
    mark(false);
  }

  function mark(reveal) {
    nodes.forEach((node, a) => {
      node.setAttribute("aria-selected", String(a === chosen));
      node.setAttribute("tabindex", "-1");
    });
    const node = nodes[shown.includes(chosen) ? chosen : shown[0]];
    node?.setAttribute("tabindex", "0");
    if (!reveal || chosen === null || !shown.includes(chosen)) return;
    const [above, below] = [node.offsetTop - host.scrollTop, node.offsetTop + node.offsetHeight - host.scrollTop - host.clientHeight];
    if (above < 0) host.scrollTop += above;
    else if (below > 0) host.scrollTop += below;
  }

  function colours() { nodes.forEach((node, a) => { node.querySelector("circle").style.fill = hue(a); }); }

  function show(next) {
    episode = next;
    top = Math.max(1, ...all.map(episode.reached));
    nodes.forEach((node, a) => {
      const [goals, waits] = [episode.reached(a), episode.waits[a] / episode.steps], values = node.querySelectorAll(".value");
      node.querySelector("rect").setAttribute("width", `${(100 * goals) / top}%`);
      values[0].textContent = String(goals);
      values[1].textContent = percent(waits, 0);
      node.setAttribute("aria-label", `Agent ${a}, ${some(goals, "goal")}, waits ${percent(waits, 0)}`);
    });
    arrange();
  }

  host.addEventListener("keydown", (event) => {
    const at = shown.findIndex((a) => nodes[a] === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1, PageDown: at + PAGE, PageUp: at - PAGE, Enter: at, " ": at }[event.key];
    if (event.key === "Escape") told.choose(null);
    else if (to === undefined || !shown.length) return;
    else {
      const a = shown[clamp(to, 0, shown.length - 1)];
      told.choose(a);
      nodes[a].focus({ preventScroll: true });
    }
    event.preventDefault();
  });
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && shown.length) told.choose(shown[0]);
    else if (event.key === "ArrowDown" && shown.length) host.querySelector("[tabindex='0']").focus();
    else return;
    event.preventDefault();
  });
  byId("seek-agent").addEventListener("submit", (event) => event.preventDefault());
  sort.append(...Object.keys(ORDERS).map((key) => make("option", { value: key }, ORDERS[key].label)));
  for (const control of [find, sort]) control.addEventListener("input", arrange);
  document.addEventListener("themechange", colours);
  colours();
  return { show, mark(a) { chosen = a; mark(true); } };
}
