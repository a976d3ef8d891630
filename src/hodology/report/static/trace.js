// State of the page: the chosen class, and the input or the unit that is looked at.
const data = window.HODOLOGY;
const nameOf = new Map(data.classes.map((group) => [group.id, group.name]));
const itemsOf = new Map(data.classes.map((group) => [group.id, []]));
const only = data.classes.length === 1 ? data.classes[0] : null;
for (const item of data.items) (itemsOf.get(item.class) ?? itemsOf.get(only?.id))?.push(item);
let chosen = 0, looked = null;

function predictedName(item) { return nameOf.get(item.predicted) ?? item.predictedName ?? `class ${item.predicted}`; }

function say(text) { byId("said").textContent = text; }

for (const id of ["units", "similarity"]) if (byId(id)) byId(id).hidden = false; // of no use without this script

const diagram = makeDiagram(byId("diagram"), data, { unit: showUnit });
const strip = makeStrip(byId("strip"), byId("strip-note"), { item: showItem });
const heat = makeSimilarity(data, select);

// The card keeps the largest height that it had: what lies below must not move away under the pointer.
function card(...children) {
  const host = byId("detail");
  host.replaceChildren(...children.filter(Boolean));
  host.style.minHeight = `${Math.max(parseFloat(host.style.minHeight) || 0, host.offsetHeight)}px`;
}

function preferred(group) { return group.layers.map((units) => (units.length ? units[0][0] : "–")); }

function showClass() {
  const group = data.classes[chosen];
  const input = itemsOf.get(group.id).length ? "Point at an input below, or move to it with Tab and the arrow keys, to see its own path. Point at a unit to see who uses it." : "Point at a unit to see who uses it.";
  card(make("div", {}, make("h3", {}, group.name),
    terms([["Inputs", group.n.toLocaleString("en")], ["Path", pathText(preferred(group))]]), make("p", { class: "hint" }, input)));
}

function showItem(item, aloud = false) {
  looked = item;
  diagram.showItem(item);
  if (!item) return showClass();
  const wrong = missed(item);
  const label = item.class === null ? null : nameOf.get(item.class) ?? `class ${item.class}`;
  const guess = make("span", { class: wrong ? "missed" : null }, predictedName(item), wrong ? " (differs)" : "");
  const shared = item.path.filter((step, layer) => asUnits(step).includes(preferred(data.classes[chosen])[layer])).length;
  card(
    item.image ? picture(item.image, `Input ${item.id}`) : null,
    make("div", {}, item.text ? make("p", { class: "passage" }, item.text) : null ?? "", make("h3", {}, item.id),
      terms([["Class", label], ["Predicted", guess], ["Probability", percent(item.probability)], ["Score", number(item.score)],
        ["Path", pathText(item.path)], ["As the class", `${shared} of ${item.path.length} layers`]])));
  if (aloud) say(`${item.id}, predicted ${predictedName(item)} ${percent(item.probability)}, path ${item.path.map((step) => asUnits(step).join(" and ")).join(", ")}`);
}

function showUnit(layer, unit) {
  strip.markUnit(layer, unit);
  if (layer === null) return looked ? showItem(looked) : showClass();
  const users = data.classes.map((group, index) => [group.layers[layer].find(([other]) => other === unit)?.[1] ?? 0, index]).filter(([share]) => share > 0).sort((a, b) => b[0] - a[0]);
  const share = users.find(([, index]) => index === chosen)?.[0] ?? 0;
  const others = users.filter(([, index]) => index !== chosen).slice(0, 6).map(([much, index]) => `${data.classes[index].name} ${percent(much, 0)}`);
  card(make("div", {}, make("h3", {}, `Unit ${unit}`),
    terms([["Layer", data.layers[layer].label], ["Site", make("span", { class: "code" }, data.layers[layer].name)],
      ["Used by", `${percent(share, 0)} of ${data.classes[chosen].name}`], ["Also by", only ? null : others.join(", ") || "no other class's top units"]])));
  if (document.activeElement === byId("diagram")) say(`Layer ${data.layers[layer].label}, unit ${unit}: ${percent(share, 0)} of ${data.classes[chosen].name}`);
}

function select(index) {
  chosen = (index + data.classes.length) % data.classes.length;
  const group = data.classes[chosen];
  byId("class").value = String(chosen);
  diagram.showClass(group, itemsOf.get(group.id));
  strip.fill(itemsOf.get(group.id), `Inputs of ${group.name}`, predictedName);
  for (const item of itemsOf.get(group.id).slice(0, data.kind === "text" ? 24 : 1)) showItem(item); // takes the room that they need
  showItem(null);
  heat.mark(chosen);
  if (byId("units").open) fillUnits();
  say(`Class ${group.name}, preferred path ${preferred(group).join(", ")}`);
}

function fillUnits() {
  const rows = data.classes[chosen].layers.map((units, layer) => make("tr", {},
    make("th", { scope: "row", class: "number" }, data.layers[layer].label),
    make("td", {}, units.map(([unit, share]) => `${unit} (${percent(share, 0)})`).join(", "))));
  byId("units-table").replaceChildren(make("table", {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "number" }, "Layer"), make("th", { scope: "col" }, "Units, with the share of inputs that use them"))),
    make("tbody", {}, ...rows)));
}

function start() {
  const choice = byId("class");
  choice.append(...data.classes.map((group, index) => make("option", { value: index }, `${group.name} (${group.n.toLocaleString("en")})`)));
  choice.addEventListener("change", () => select(Number(choice.value)));
  byId("previous").addEventListener("click", () => select(chosen - 1));
  byId("next").addEventListener("click", () => select(chosen + 1));
  byId("chooser").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    select(chosen + step);
  });
  byId("chooser").hidden = only !== null;
  byId("units").addEventListener("toggle", () => { if (byId("units").open) fillUnits(); });
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) byId("detail").style.minHeight = "";
    width = window.innerWidth;
  });
  select(0);
}

start();
