// The chosen feature: what it is, where it is active, what it writes, and of which units it is made. Only this one
// is built, so that the page is as quick with 400 features as with 4.
const TOKENS = 12, UNITS = 20;

function makeDetail(host, data) {
  const state = { aligned: matchMedia("(min-width: 861px)").matches };

  function facts(feature) {
    const links = (ids) => (ids.length ? make("span", { class: "links" }, ...ids.map(featureLink)) : null);
    const concept = feature.concept, auroc = concept && concept.auroc !== null ? `, AUROC ${number(concept.auroc)}` : "";
    return make("dl", { class: "facts" }, ...[
      ["Share of the sum", percent(feature.share, 2)], ["Active on", `${percent(feature.active, 2)} of tokens`], ["Norm", number(feature.norm)], ["Units", feature.n_units.toLocaleString("en")],
      ["Concept", concept && make("span", {}, concept.name, make("span", { class: "aside" }, `score ${number(concept.score)}${auroc}`))],
      ["Part of", links(feature.parents)], ["Made of", links(feature.children)],
    ].filter(([, value]) => value).map(([term, value]) => make("div", { class: term === "Concept" ? "wide" : null }, make("dt", {}, term), make("dd", {}, value))));
  }

  function bar(share, kind) { // from the middle when both signs occur
    return draw("svg", { class: "much", "aria-hidden": "true" }, draw("rect", { class: kind, x: 0, width: `${100 * clamp(share, 0, 1)}%`, height: "8" }));
  }

  function tokenRows(pairs, top) {
    return pairs.map(([text, logit]) => make("li", {}, make("span", { class: "word", title: visible(text) }, visible(text)), bar(Math.abs(logit) / top, logit < 0 ? "less" : "more"), make("span", { class: "value" }, number(logit))));
  }

  function writes(title, pairs, top) {
    if (!pairs?.length) return "";
    const rest = pairs.slice(TOKENS), list = make("ol", { class: "bars" }, ...tokenRows(pairs.slice(0, TOKENS), top));
    const more = rest.length ? make("details", {}, make("summary", {}, `${rest.length} more`)) : "";
    if (more) more.addEventListener("toggle", () => more.append(make("ol", { class: "bars" }, ...tokenRows(rest, top))), { once: true });
    return make("section", { class: "part", "aria-label": title }, make("h4", {}, title), list, more);
  }

  function units(feature) {
    const some = feature.units.slice(0, UNITS), top = Math.max(...some.map(([, weight]) => Math.abs(weight)), 1e-300);
    if (!some.length) return "";
    const rows = some.map(([unit, weight]) => make("li", {}, make("span", { class: "word" }, String(unit)),
      draw("svg", { class: "much both", "aria-hidden": "true" },
        draw("rect", { class: weight < 0 ? "less" : "more", x: `${weight < 0 ? 50 - (50 * -weight) / top : 50}%`, width: `${(50 * Math.abs(weight)) / top}%`, height: "8" }),
        draw("line", { x1: "50%", x2: "50%", y1: 0, y2: 8 })),
      make("span", { class: "value" }, number(weight))));
    const title = feature.n_units > some.length ? `Units, the first ${some.length} of ${feature.n_units.toLocaleString("en")}` : "Units";
    return make("section", { class: "part", "aria-label": title }, make("h4", {}, title), make("ol", { class: "bars units" }, ...rows));
  }

  return {
    show(feature) {
      const logits = [...feature.up ?? [], ...feature.down ?? []].map(([, logit]) => Math.abs(logit)), top = Math.max(...logits, 1e-300);
      const columns = [writes("Writes more of", feature.up, top), writes("Writes less of", feature.down, top), units(feature)].filter(Boolean);
      host.replaceChildren(
        make("h3", {}, make("span", { class: "soft" }, `Feature ${feature.id} `), feature.label), facts(feature),
        makeContexts(feature, state), make("div", { class: "columns" }, ...columns));
    },
  };
}
