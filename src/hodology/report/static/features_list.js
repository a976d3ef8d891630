// The list: one stop of the Tab key; up and down choose, and what is typed narrows it.
const PAGE = 10, MARKED = 0.1;
const ORDERS = {
  share: { label: "share of the sum", value: (feature) => feature.share, text: (value) => percent(value, 2) },
  active: { label: "how often active", value: (feature) => feature.active, text: (value) => percent(value, 2) },
  concept: { label: "concept score", value: (feature) => feature.concept?.score ?? null, text: (value) => number(value) },
  id: { label: "number", value: (feature) => -feature.id, text: () => "" },
};

// What the filter looks in: number, label, concept, the first tokens that are written, and of the contexts the runs
// of tokens with at least a tenth of the largest coefficient: what the feature is about, not what stands beside it.
function wordsOf(feature) {
  const least = MARKED * largest(feature), parts = [`#${feature.id} ${feature.id}`, feature.label, feature.concept?.name ?? ""];
  for (const context of feature.contexts) {
    parts.push(context.label ?? "");
    context.tokens.forEach(([text, value], at) => {
      if (value < least || value <= 0) return;
      if (at && context.tokens[at - 1][1] >= least) parts[parts.length - 1] += text;
      else parts.push(text);
    });
  }
  for (const pairs of [feature.up, feature.down]) parts.push(...(pairs ?? []).slice(0, TOKENS).map(([text]) => text));
  return parts.join("\n").toLowerCase();
}

function makeList(host, data, told) {
  const entries = data.features.map((feature) => ({ feature, words: null, node: option(feature) }));
  let shown = entries, chosen = null;

  function option(feature) {
    const node = make("div", { role: "option", tabindex: -1, "aria-selected": "false" },
      make("span", { class: "id" }, String(feature.id)), make("span", { class: "name", title: feature.label }, feature.label),
      draw("svg", { class: "much", "aria-hidden": "true" }, draw("rect", { height: "6" })), make("span", { class: "value" }));
    node.addEventListener("click", () => told.choose(feature.id));
    return node;
  }

  function arrange() {
    const { value, text } = ORDERS[byId("sort").value], words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) for (const entry of entries) entry.words ??= wordsOf(entry.feature);
    shown = entries.filter((entry) => words.every((word) => (/^#\d+$/.test(word) ? `#${entry.feature.id}` === word : entry.words.includes(word))));
    const rank = (entry) => value(entry.feature) ?? -Infinity, top = Math.max(1e-300, ...entries.map(rank));
    shown.sort((a, b) => rank(b) - rank(a) || a.feature.id - b.feature.id);
    for (const { feature, node } of shown) {
      const figure = value(feature);
      node.querySelector("rect").setAttribute("width", `${100 * clamp((figure ?? 0) / top, 0, 1)}%`);
      node.querySelector(".value").textContent = text(figure);
    }
    host.classList.toggle("plain", byId("sort").value === "id");
    host.replaceChildren(...shown.map(({ node }) => node));
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")} features`;
    mark(false);
  }

  // Of the list exactly one option can be reached by Tab: the chosen one, or the first when it is not shown.
  function mark(inView) {
    for (const { feature, node } of entries) {
      node.setAttribute("aria-selected", String(feature.id === chosen));
      node.setAttribute("tabindex", "-1");
    }
    const entry = shown.find(({ feature }) => feature.id === chosen) ?? shown[0];
    entry?.node.setAttribute("tabindex", "0");
    if (inView && entry?.feature.id === chosen) {
      const [above, below] = [entry.node.offsetTop - host.scrollTop, entry.node.offsetTop + entry.node.offsetHeight - host.scrollTop - host.clientHeight];
      if (above < 0) host.scrollTop += above;
      else if (below > 0) host.scrollTop += below;
    }
  }

  function move(event) {
    const at = shown.findIndex(({ node }) => node === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1, PageDown: at + PAGE, PageUp: at - PAGE, Enter: at, " ": at }[event.key];
    if (to === undefined || !shown.length) return;
    event.preventDefault();
    const entry = shown[clamp(to, 0, shown.length - 1)];
    told.choose(entry.feature.id);
    entry.node.focus({ preventScroll: true });
  }

  host.addEventListener("keydown", move);
  byId("words").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" || !shown.length) return;
    event.preventDefault();
    host.querySelector("[tabindex='0']").focus();
  });
  byId("choose").addEventListener("submit", (event) => event.preventDefault());
  const orders = Object.keys(ORDERS).filter((key) => key !== "concept" || data.features.some((feature) => feature.concept));
  byId("sort").append(...orders.map((key) => make("option", { value: key }, ORDERS[key].label)));
  for (const id of ["words", "sort"]) byId(id).addEventListener("input", arrange);
  arrange();
  return { first: () => shown[0].feature.id, mark(id) { chosen = id; mark(true); } };
}
