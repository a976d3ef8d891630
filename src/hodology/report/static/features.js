// State of the page: the chosen feature, which the address keeps.
const data = window.HODOLOGY;
const byNumber = new Map(data.features.map((feature) => [feature.id, feature]));

function fromAddress() {
  const found = /^#feature-(\d+)$/.exec(location.hash);
  return found && byNumber.has(Number(found[1])) ? Number(found[1]) : null;
}

function start() {
  let chosen = null;
  byId("viewer").hidden = false;
  const detail = makeDetail(byId("shown"), data);
  const list = makeList(byId("list"), data, { choose });

  function choose(id, fromLink = false) {
    if (id === chosen) return;
    chosen = id;
    detail.show(byNumber.get(id));
    list.mark(id);
    if (!fromLink) history.replaceState(null, "", `#feature-${id}`); // moving through the list leaves no trail
  }

  window.addEventListener("hashchange", () => {
    const id = fromAddress();
    if (id === null) return;
    choose(id, true);
    byId("shown").scrollIntoView({ block: "nearest" });
  });
  choose(fromAddress() ?? list.first(), true);
  if (data.tree && byId("tree")) {
    byId("tree-part").hidden = false;
    makeTree(byId("tree"), data.tree.levels, byNumber);
  }
}

start();
