// An episode as arrays that a frame can read: where each agent stands at each step, who waits, what was reached.
const DOWN = [0, -1, 1, 0, 0], RIGHT = [0, 0, 0, -1, 1];

function readEpisode(raw, map, steps) {
  const n = raw.starts.length, rows = new Int16Array(n * (steps + 1)), columns = new Int16Array(n * (steps + 1)); // step by step
  const waiting = new Int32Array(steps + 1), made = new Int32Array(steps + 1), waits = new Int32Array(n);
  raw.starts.forEach((cell, agent) => {
    let [row, column, at] = [Math.floor(cell / map.width), cell % map.width, agent];
    [rows[at], columns[at]] = [row, column];
    for (let step = 1; step <= steps; step++) {
      const move = raw.moves[agent].charCodeAt(step - 1) - 48;
      row += DOWN[move];
      column += RIGHT[move];
      at += n;
      [rows[at], columns[at]] = [row, column];
      if (!move) { waiting[step] += 1; waits[agent] += 1; }
    }
  });
  for (const goals of raw.goals) for (const [step] of goals) if (step) made[step] += 1;
  for (let step = 1; step <= steps; step++) made[step] += made[step - 1];

  function waited(agent, step) { // in the steps 1 .. step
    let count = 0;
    for (let at = 0; at < step; at++) count += raw.moves[agent].charCodeAt(at) === 48;
    return count;
  }

  // The goal that an agent has after a step, since when, and how many it had reached before.
  function goal(agent, step) {
    const goals = raw.goals[agent];
    let [low, high] = [0, goals.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (goals[middle][0] <= step) low = middle;
      else high = middle - 1;
    }
    const [since, cell] = goals[low];
    return { since, reached: low, row: Math.floor(cell / map.width), column: cell % map.width };
  }

  return { raw, n, steps, rows, columns, waiting, made, waits, waited, goal, reached: (agent) => raw.goals[agent].length - 1 };
}

// How often agents stood in each cell, the start included.
function visitsOf(episode, map) {
  const visits = new Int32Array(map.width * map.height);
  for (let at = 0; at < episode.rows.length; at++) visits[episode.rows[at] * map.width + episode.columns[at]] += 1;
  return visits;
}

function some(count, thing) { return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`; }
