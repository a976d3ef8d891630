// Which rows are drawn as profiles: a box for each; the chosen row is always drawn.
const FEW = 12;

function makeRows(data, told) {
  const { rows } = data.matrix, shown = new Set(rows.length <= FEW ? rows.keys() : []);
  const boxes = rows.map((name, row) => {
    const box = make("input", { type: "checkbox", autocomplete: "off" });
    box.checked = shown.has(row);
    box.addEventListener("input", () => { if (box.checked) shown.add(row); else shown.delete(row); told.draw(shown); });
    return box;
  });
  const items = rows.map((name, row) => make("li", {}, make("label", { class: tintOf(row), title: name }, boxes[row],
    draw("svg", { width: 26, height: 10, "aria-hidden": "true" }, draw("path", { class: "curve", d: "M1 5H25" })), make("span", { class: "name" }, name))));
  byId("rows").replaceChildren(...items);

  function every(yes) {
    rows.forEach((_, row) => { boxes[row].checked = yes; if (yes) shown.add(row); else shown.delete(row); });
    told.draw(shown);
  }

  byId("rows-all").addEventListener("click", () => every(true));
  byId("rows-none").addEventListener("click", () => every(false));
  byId("row").append(...rows.map((name, row) => make("option", { value: row }, name)));
  byId("row").addEventListener("input", () => told.row(Number(byId("row").value)));
  return {
    shown,
    show({ chosen }) {
      byId("row").value = String(chosen.row);
      items.forEach((item, row) => item.classList.toggle("main", row === chosen.row));
    },
  };
}
