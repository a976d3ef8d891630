// The inputs of the class: one stop of the Tab key, arrows move inside, Enter or a click keeps one shown.
const MOST = 120;

function makeStrip(host, note, told) {
  let options = [], kept = -1, active = 0;

  function describe(item, names) {
    const wrong = missed(item) ? `, predicted ${names(item)}` : "";
    return item.text ? `${item.text.slice(0, 80)}${wrong}` : `${item.id}${wrong}`;
  }

  function card(item, index, names) {
    const node = make("div", {
      role: "option", tabindex: index === 0 ? 0 : -1, "aria-selected": "false", "aria-label": describe(item, names),
      class: missed(item) ? "missed" : null, title: item.id,
    });
    if (item.image) node.append(picture(item.image, ""));
    else node.append(make("span", { class: "words" }, item.text ?? item.id));
    node.addEventListener("pointerenter", () => look(index));
    node.addEventListener("pointerleave", () => look(-1));
    node.addEventListener("focus", () => { rove(index); look(index, true); });
    node.addEventListener("blur", () => look(-1));
    node.addEventListener("click", () => keep(index));
    return node;
  }

  // A glance shows an input until the pointer or the focus leaves; a kept one stays.
  function look(index, focused = false) {
    if (kept >= 0 && !focused) return;
    if (kept >= 0 && index !== kept) keep(kept);
    told.item(index < 0 ? null : options[index].item, focused);
  }

  function keep(index) {
    kept = kept === index ? -1 : index;
    options.forEach(({ node }, other) => node.setAttribute("aria-selected", String(other === kept)));
    told.item(kept < 0 ? null : options[kept].item, true);
  }

  function rove(index) {
    options[active]?.node.setAttribute("tabindex", "-1");
    active = index;
    options[active].node.setAttribute("tabindex", "0");
  }

  host.addEventListener("keydown", (event) => {
    const to = { ArrowRight: active + 1, ArrowDown: active + 1, ArrowLeft: active - 1, ArrowUp: active - 1, Home: 0, End: options.length - 1 }[event.key];
    if (to !== undefined && options.length) {
      event.preventDefault();
      options[clamp(to, 0, options.length - 1)].node.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      keep(active);
    } else if (event.key === "Escape" && kept >= 0) keep(kept);
  });

  return {
    fill(items, label, names) {
      [kept, active] = [-1, 0];
      const shown = items.slice(0, MOST);
      options = shown.map((item, index) => ({ item, node: card(item, index, names) }));
      host.replaceChildren(...options.map(({ node }) => node));
      host.hidden = !options.length;
      host.setAttribute("aria-label", label);
      const more = items.length - shown.length;
      const wrong = shown.some(missed) ? "A marked corner: the model decided otherwise. " : "";
      note.textContent = options.length ? wrong + (more > 0 ? `${more} more in the files.` : "") : "No input of this class is shown.";
    },
    // Inputs whose path does not hold the unit step back; null brings all forward.
    markUnit(layer, unit) {
      for (const { item, node } of options) {
        node.classList.toggle("apart", layer !== null && !asUnits(item.path[layer]).includes(unit));
      }
    },
  };
}

function missed(item) { return item.class !== null && item.predicted !== item.class; }

function picture(source, alt) {
  const image = make("img", { src: source, alt, decoding: "async" });
  // Few pixels are meant to be seen as pixels; a photograph is not.
  image.addEventListener("load", () => image.classList.toggle("smooth", image.naturalWidth > 48), { once: true });
  return image;
}
