// The figures beside the map: of all agents at the step, and of the chosen one; and what the signs on the map mean.
function makeFacts() {
  function show(episode, step, agent) {
    const made = episode.made[step];
    byId("facts-all").replaceChildren(terms([["Goals so far", made.toLocaleString("en")], ["Per step so far", step ? number(made / step) : "–"],
      ["Waiting now", `${episode.waiting[step].toLocaleString("en")} of ${episode.n.toLocaleString("en")}`]]));
    byId("facts-one").hidden = agent === null;
    byId("facts-hint").hidden = agent !== null;
    if (agent === null) return;
    const goal = episode.goal(agent, step), at = step * episode.n + agent, [row, column] = [episode.rows[at], episode.columns[at]];
    byId("facts-one").replaceChildren(make("h3", {}, `Agent ${agent}`), terms([["Stands in", cellText(row, column)], ["Goal", cellText(goal.row, goal.column)],
      ["At least", `${some(Math.abs(goal.row - row) + Math.abs(goal.column - column), "move")} away`], ["On its way for", some(step - goal.since, "step")],
      ["Goals so far", goal.reached.toLocaleString("en")], ["Waited so far", some(episode.waited(agent, step), "step")]]));
  }

  function spoken(episode, step, agent) {
    const goal = episode.goal(agent, step), at = step * episode.n + agent;
    return `Agent ${agent} in ${cellText(episode.rows[at], episode.columns[at])}, goal ${cellText(goal.row, goal.column)}, ${some(goal.reached, "goal")} reached`;
  }

  return { show, spoken };
}

function cellText(row, column) { return `row ${row}, column ${column}`; }

// `reach` is null while no agent is chosen; `most` is 0 while visits are not shown.
function drawLegend(reach, most) {
  const item = (picture, text) => make("li", {}, picture, text), small = (width, ...children) => draw("svg", { width, height: 14, "aria-hidden": "true" }, ...children);
  const items = [
    item(small(14, draw("circle", { class: "moving", cx: 7, cy: 7, r: 5.5 })), "moves"),
    item(small(14, draw("circle", { class: "waiting", cx: 7, cy: 7, r: 4.5 })), "waits (hollow, or pale where small)"),
  ];
  if (reach !== null) {
    items.push(item(small(14, draw("circle", { class: "goal", cx: 7, cy: 7, r: 5.5 }), draw("circle", { class: "goal-dot", cx: 7, cy: 7, r: 2 })), "its goal"));
    items.push(item(small(24, draw("path", { class: "trail", d: "M2 7H22" })), "its way since the last goal"));
    if (reach) items.push(item(small(14, draw("rect", { class: "reach", x: 1.5, y: 1.5, width: 11, height: 11 })), "what it sees"));
  }
  if (most) {
    const parts = Array.from({ length: 12 }, (_, at) => draw("rect", { class: "hot", x: 6 * at, y: 1, width: 6, height: 12, "fill-opacity": (0.06 + (0.9 * (at + 1)) / 12).toFixed(3) }));
    items.push(item(small(72, ...parts), `steps spent in a cell in the whole episode, 1 to ${most.toLocaleString("en")}`));
  }
  byId("legend").replaceChildren(...items);
}
