// The contexts of a feature. Aligned, the marked tokens stand under each other and a row shows what fits; a row that
// has the focus is shown whole. Left and right move through its tokens and say each with its coefficient.
const STRONGEST = 3;

function makeContexts(feature, state) {
  const top = largest(feature), readout = make("p", { class: "readout small soft", "aria-live": "polite" });
  const tell = (text, value) => {
    readout.textContent = text === null ? "Point at a token, or move through a context with the arrow keys, for its coefficient." : `${spokenToken(text)}  ${number(value)}, ${percent(top ? value / top : 0, 0)} of the largest`;
  };

  // The space before a word belongs to its token; it is left without a ground, so that lines break as they should.
  function token(context, at) {
    const [text, value] = context.tokens[at], level = levelOf(value, top), focus = at === context.focus;
    const kinds = ["token", level ? `level${level}` : "", focus ? "focus" : ""].filter(Boolean).join(" ");
    const [, space, word] = /^( ?)(.*)$/su.exec(visible(text));
    return [space, make(focus ? "b" : "span", { class: kinds, "data-at": at, title: number(value) }, word)];
  }

  function row(context, rank) {
    const pairs = context.tokens.map((_, at) => token(context, at)), all = pairs.map(([, node]) => node), at = context.focus;
    const strongest = context.tokens.map(([text, value]) => [value, spokenToken(text)]).sort((a, b) => b[0] - a[0]).slice(0, STRONGEST).filter(([value]) => value > 0);
    const words = [`Context ${rank + 1}, ${number(context.value)}`, context.label, `strongest ${strongest.map(([value, text]) => `${text} ${number(value)}`).join(", ") || "none"}`];
    const passage = make("p", { class: "passage", tabindex: 0, role: "group", "aria-label": words.filter(Boolean).join("; ") },
      make("span", { class: "before" }, make("span", {}, ...pairs.slice(0, at).flat(), pairs[at][0])), all[at], make("span", { class: "after" }, make("span", {}, ...pairs.slice(at + 1).flat())));
    walk(passage, context, all);
    return make("li", {}, make("div", { class: "meta", title: context.id },
      make("span", { class: "value" }, number(context.value)), context.label === null ? "" : make("span", { class: "label" }, context.label)), passage);
  }

  function walk(passage, context, all) {
    let here = -1;
    const stand = (at) => {
      all[here]?.classList.remove("here");
      here = at;
      if (at < 0) return tell(null);
      all[at].classList.add("here");
      return tell(...context.tokens[at]);
    };
    passage.addEventListener("keydown", (event) => {
      const from = here < 0 ? context.focus : here;
      const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      stand(here < 0 && event.key.startsWith("Arrow") ? context.focus : clamp(to, 0, all.length - 1));
    });
    passage.addEventListener("blur", () => stand(-1));
    passage.addEventListener("pointerover", (event) => {
      const over = event.target.closest("[data-at]");
      if (over) tell(...context.tokens[Number(over.dataset.at)]);
    });
    passage.addEventListener("pointerleave", () => tell(null));
  }

  const list = make("ol", { class: "contexts" }, ...feature.contexts.map(row));
  const align = make("button", { type: "button", class: "quiet", "aria-pressed": String(state.aligned) }, "Aligned");
  const apply = () => { list.classList.toggle("aligned", state.aligned); align.setAttribute("aria-pressed", String(state.aligned)); };
  align.addEventListener("click", () => { state.aligned = !state.aligned; apply(); });
  apply();
  tell(null);
  const scale = make("span", { class: "ramp", "aria-hidden": "true" }, "0", ...Array.from({ length: LEVELS }, (_, at) => make("i", { class: `level${at + 1}` })), number(top));
  return make("section", { class: "part", "aria-label": "Top contexts" },
    make("div", { class: "head" }, make("h4", {}, `Top contexts `, make("span", { class: "soft" }, String(feature.contexts.length))), scale, feature.contexts.length ? align : ""),
    readout, feature.contexts.length ? list : make("p", { class: "soft" }, "No context is kept."));
}
