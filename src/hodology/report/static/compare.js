// State of the page: which pair is chosen, and which is under the pointer.
const data = window.HODOLOGY;

function start() {
  const state = { chosen: first(), looked: null }, said = byId("said");
  const told = { choose, look, say, draw: (shown) => profile.draw(shown), row: (row) => choose({ ...state.chosen, row }, false), column: (column) => choose({ ...state.chosen, column }, false) };
  const heat = makeHeat(data, told), profile = makeProfile(data, told), rows = makeRows(data, told), rdms = makeRdms(data, told), scatter = makeScatter(data, told);

  // The most similar pair of all is chosen first.
  function first() {
    let best = { row: 0, column: 0, value: -Infinity };
    data.matches.forEach(({ column }, row) => {
      const value = column === null ? -Infinity : data.matrix.values[row][column];
      if (value > best.value) best = { row, column, value };
    });
    return { row: best.row, column: best.column };
  }

  function say(text) { said.textContent = text; }

  function choose(at, spoken) {
    [state.chosen, state.looked] = [at, null];
    show();
    rows.show(state);
    rdms.show(state);
    if (spoken) say(pairText(data, at.row, at.column));
  }

  function look(at) {
    if (at?.row === state.looked?.row && at?.column === state.looked?.column) return;
    state.looked = at;
    show();
  }

  function show() {
    heat.show(state);
    profile.show(state);
    scatter.show(state);
    showCard(data, byId("detail"), state.looked ?? state.chosen);
  }

  for (const form of document.querySelectorAll("form.tools")) form.addEventListener("submit", (event) => event.preventDefault());
  choose(state.chosen, false);
  profile.draw(rows.shown);
}

for (const node of document.querySelectorAll("[data-needs-script]")) node.hidden = false;
start();
