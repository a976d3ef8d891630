// State of the page: the chosen class and the item whose own path is shown.
const data = JSON.parse(byId("data").textContent);
let chosen = 0;
let shown = null;
let pinned = false;
let heat = { mark() {} };

function itemsOf(index) { return data.items.filter((item) => item.class === data.classes[index].id); }

function redraw() { drawDiagram(byId("diagram"), data, data.classes[chosen], itemsOf(chosen), shown); }

function describe() {
  const host = byId("detail");
  const group = data.classes[chosen];
  if (!shown) {
    const path = group.layers.map((units) => units[0][0]).join(" → ");
    host.replaceChildren(make("div", { class: "words" },
      make("p", {}, make("strong", {}, group.name), ` · ${group.n} inputs`),
      make("p", { class: "mono small" }, `preferred path ${path}`),
      make("p", { class: "small soft" }, "Point at an input, or focus it, to see its own path.")));
    return;
  }
  const words = make("div", { class: "words" },
    make("p", {}, make("strong", {}, shown.id), ` · predicted ${shown.predictedName ?? shown.predicted}, ${percent(shown.probability)}`),
    make("p", { class: "mono small" }, `path ${shown.path.map((step) => asUnits(step).join("+")).join(" → ")}`),
    make("p", { class: "small soft" }, `joint attribution score ${shown.score.toPrecision(3)}`));
  if (shown.text) words.append(make("p", {}, shown.text));
  host.replaceChildren(...(shown.image ? [make("img", { src: shown.image, alt: "" })] : []), words);
}

function show(item, pin = false) {
  if (!pin && pinned) return;
  if (pin) pinned = !(pinned && shown === item);
  shown = pin && !pinned ? null : item;
  for (const button of byId("strip").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(pinned && shown !== null && button.dataset.id === shown.id));
  }
  redraw();
  describe();
}

function fillStrip() {
  const strip = byId("strip");
  strip.replaceChildren(...itemsOf(chosen).slice(0, 60).map((item) => {
    const missed = item.predicted !== item.class;
    const button = make("button", { type: "button", "data-id": item.id, "aria-pressed": "false",
      class: item.image ? (missed ? "missed" : "") : "card", "aria-label": `${item.id}${missed ? `, predicted ${item.predictedName ?? item.predicted}` : ""}` });
    button.append(item.image ? make("img", { src: item.image, alt: "", loading: "lazy" }) : item.text ?? item.id);
    button.addEventListener("mouseenter", () => show(item));
    button.addEventListener("mouseleave", () => show(null));
    button.addEventListener("focus", () => show(item));
    button.addEventListener("blur", () => show(null));
    button.addEventListener("click", () => show(item, true));
    return make("li", {}, button);
  }));
}

function select(index) {
  chosen = (index + data.classes.length) % data.classes.length;
  shown = null;
  pinned = false;
  byId("class").value = String(chosen);
  fillStrip();
  redraw();
  describe();
  heat.mark(chosen);
}

function start() {
  setUpTheme();
  const choice = byId("class");
  data.classes.forEach((group, index) => choice.append(make("option", { value: index }, `${group.name} (${group.n})`)));
  choice.addEventListener("change", () => select(Number(choice.value)));
  byId("previous").addEventListener("click", () => select(chosen - 1));
  byId("next").addEventListener("click", () => select(chosen + 1));
  drawBars(data);
  fillTable(data);
  heat = drawSimilarity(data, select);
  select(0);
}

start();
