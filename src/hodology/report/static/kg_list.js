// The paths as a list of sentences, over each its run of relations. The first ones are made at once, more on demand.
const BATCH = 100;

function makeList(host, more, graph, told) {
  let listed = [], options = [], active = 0, count = BATCH, chosen = null, lit = null;

  function option(path) {
    const node = make("div", { role: "option", tabindex: -1, "aria-selected": "false", "data-path": path.index, "aria-label": `${noun(path)} ${path.rank}: ${path.sentence}` },
      make("span", { class: "rank" }, String(path.rank)),
      make("span", { class: "words" }, make("span", { class: "sentence" }, path.sentence),
        make("span", { class: "run" }, path.kind === "neighbour" ? make("span", { class: "kindof" }, "neighbour") : "", chipsOf(path),
          path.same === null || path.kind === "neighbour" ? "" : make("span", { class: "same" }, path.same <= 1 ? "no other with these relations" : `one of ${path.same.toLocaleString("en")} with these relations`))));
    node.addEventListener("click", () => { rove(options.indexOf(node)); choose(chosen === path ? null : path); });
    return node;
  }

  function render() {
    options = listed.slice(0, count).map(option);
    active = clamp(active, 0, Math.max(options.length - 1, 0));
    host.replaceChildren(...options);
    host.hidden = !options.length;
    host.classList.toggle("long", options.length > 20);
    if (options.length) options[active].tabIndex = 0;
    const left = listed.length - options.length;
    more.hidden = left <= 0;
    more.textContent = `Show ${Math.min(BATCH, left).toLocaleString("en")} more of ${left.toLocaleString("en")}`;
    paint();
  }

  function paint() {
    options.forEach((node, at) => {
      node.setAttribute("aria-selected", String(listed[at] === chosen));
      node.classList.toggle("lit", lit !== null && lit.has(listed[at]));
    });
  }

  function rove(index) {
    options[active]?.setAttribute("tabindex", "-1");
    active = index;
    options[active].setAttribute("tabindex", "0");
    options[active].focus({ preventScroll: true });
    options[active].scrollIntoView({ block: "nearest" });
  }

  function choose(path) { told.keep(path && { path }); }

  host.addEventListener("keydown", (event) => {
    if (!options.length) return;
    const to = { ArrowRight: active + 1, ArrowDown: active + 1, ArrowLeft: active - 1, ArrowUp: active - 1, Home: 0, End: options.length - 1 }[event.key];
    if (to !== undefined) {
      rove(clamp(to, 0, options.length - 1));
      choose(listed[active]);
    } else if (event.key === "Enter" || event.key === " ") choose(chosen === listed[active] ? null : listed[active]);
    else if (event.key === "Escape") choose(null);
    else return;
    event.preventDefault();
  });
  const under = (event) => event.target.closest?.("[data-path]")?.dataset.path;
  host.addEventListener("pointerover", (event) => { const at = under(event); told.look(at === undefined ? null : { path: graph.paths[at] }); });
  host.addEventListener("pointerleave", () => told.look(null));
  more.addEventListener("click", () => {
    const first = options.length;
    count += BATCH;
    render();
    rove(first);
  });
  return {
    show(paths) { [listed, count, active] = [paths, BATCH, 0]; render(); },
    light(paths, path) { [lit, chosen] = [paths, path]; paint(); },
  };
}
