// The tree of features; a branch is built when it is opened, since one feature can hang under several others.
function makeTree(host, levels, known) {
  function name(node) { return known.has(node.id) ? make("a", { href: `#feature-${node.id}` }, node.label || String(node.id)) : node.label; }

  function branch(nodes) {
    return make("ul", {}, ...nodes.map((node) => {
      if (!node.children.length) return make("li", { class: "leaf" }, name(node));
      const more = make("details", {}, make("summary", {}, name(node), make("span", { class: "soft small" }, ` ${node.children.length}`)));
      more.addEventListener("toggle", () => more.append(branch(node.children)), { once: true });
      return make("li", {}, more);
    }));
  }

  host.replaceChildren(branch(levels));
}
