// The agents of a frame: discs by colour, so that a thousand take a few strokes of the pen. Who waits is hollow.
const HUES = 24, NAMED = 24, SMALL = 3; // pixels: of a cell with a number in it, of a radius below which who waits is pale and not hollow

function paletteOf(dark) {
  return Array.from({ length: HUES }, (_, at) => `hsl(${Math.round(137.508 * at + 210) % 360} ${dark ? "62% 66%" : "62% 42%"})`);
}

function makeAgents(canvas, camera, reach) {
  let looks = null;

  function renew() {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    looks = { hues: paletteOf(dark), letters: dark ? "#101214" : "#ffffff", sans: of("--sans"), floor: of("--floor"), strong: of("--strong"), ink: of("--ink"), soft: of("--soft") };
  }

  function disc(pen, x, y, r) {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 2 * Math.PI);
  }

  // Where agent `a` is at a time between two steps, in cells, and whether it waits in the step that leads on.
  function place(episode, a, time) {
    const step = Math.min(Math.floor(time), episode.steps), part = time - step, from = step * episode.n + a;
    const to = part > 0 ? from + episode.n : from, before = part > 0 ? from : step ? from - episode.n : -1;
    const row = episode.rows[from] + (episode.rows[to] - episode.rows[from]) * part;
    const column = episode.columns[from] + (episode.columns[to] - episode.columns[from]) * part;
    return { row, column, waits: before >= 0 && episode.rows[before] === episode.rows[to] && episode.columns[before] === episode.columns[to] };
  }

  function paint(episode, time, chosen) {
    const { view } = camera, { dots, scale, left, top } = view, pen = canvas.getContext("2d");
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, view.width, view.height);
    if (chosen !== null) way(pen, episode, time, chosen);
    const r = Math.max(0.38 * scale, 1.5), small = r < SMALL, letters = [];
    for (let hue = 0; hue < HUES; hue++) {
      const moving = new Path2D(), waiting = new Path2D();
      for (let a = hue; a < episode.n; a += HUES) {
        const { row, column, waits } = place(episode, a, time);
        const x = left + (column + 0.5) * scale, y = top + (row + 0.5) * scale;
        if (x < -r || y < -r || x > view.width + r || y > view.height + r) continue;
        disc(waits ? waiting : moving, x, y, waits && !small ? r - 0.05 * scale : r);
        if (scale >= NAMED) letters.push([a, x, y, waits]);
      }
      pen.fillStyle = looks.hues[hue];
      pen.fill(moving);
      hollow(pen, waiting, hue, small, scale);
    }
    if (letters.length) write(pen, letters, scale);
    if (chosen !== null) mark(pen, place(episode, chosen, time), r);
  }

  function hollow(pen, path, hue, small, scale) {
    if (small) {
      pen.globalAlpha = 0.4;
      pen.fill(path);
      pen.globalAlpha = 1;
      return;
    }
    pen.fillStyle = looks.floor;
    pen.fill(path);
    pen.strokeStyle = looks.hues[hue];
    pen.lineWidth = Math.max(1.2, 0.1 * scale);
    pen.stroke(path);
  }

  function write(pen, letters, scale) {
    pen.font = `600 ${Math.round(0.38 * scale)}px ${looks.sans}`;
    [pen.textAlign, pen.textBaseline] = ["center", "middle"];
    for (const [a, x, y, waits] of letters) {
      pen.fillStyle = waits ? looks.ink : looks.letters;
      pen.fillText(String(a), x, y + 0.02 * scale, 0.6 * scale);
    }
  }

  // What the chosen agent sees, the way it came since it got its goal, and the goal.
  function way(pen, episode, time, chosen) {
    const { view } = camera, { scale, left, top } = view, step = Math.floor(time), here = place(episode, chosen, time);
    const at = (row, column) => [left + (column + 0.5) * scale, top + (row + 0.5) * scale];
    const goal = episode.goal(chosen, step), line = new Path2D();
    if (reach) {
      const side = (2 * reach + 1) * scale, [x, y] = at(here.row - reach - 0.5, here.column - reach - 0.5);
      pen.strokeStyle = looks.soft;
      pen.lineWidth = 1;
      pen.setLineDash([4, 3]);
      pen.strokeRect(x, y, side, side);
      pen.setLineDash([]);
    }
    for (let s = goal.since; s <= step; s++) line.lineTo(...at(episode.rows[s * episode.n + chosen], episode.columns[s * episode.n + chosen]));
    line.lineTo(...at(here.row, here.column));
    [pen.lineJoin, pen.lineCap] = ["round", "round"];
    pen.strokeStyle = looks.strong;
    pen.lineWidth = Math.max(1.6, 0.14 * scale);
    pen.stroke(line);
    const [x, y] = at(goal.row, goal.column), ring = new Path2D(), dot = new Path2D(), r = Math.max(0.42 * scale, 5);
    disc(ring, x, y, r);
    disc(dot, x, y, 0.34 * r);
    pen.lineWidth = Math.max(2, 0.12 * scale);
    pen.stroke(ring);
    pen.fillStyle = looks.strong;
    pen.fill(dot);
  }

  function mark(pen, { row, column }, r) {
    const { scale, left, top } = camera.view, ring = new Path2D();
    disc(ring, left + (column + 0.5) * scale, top + (row + 0.5) * scale, Math.max(r + 2, 5));
    pen.strokeStyle = looks.floor;
    pen.lineWidth = 4;
    pen.stroke(ring);
    pen.strokeStyle = looks.ink;
    pen.lineWidth = 2;
    pen.stroke(ring);
  }

  // The agent nearest to a point of the canvas, if it is near enough to have been meant.
  function nearest(episode, time, x, y) {
    const { scale, left, top } = camera.view, near = Math.max(0.75 * scale, 14);
    let [best, least] = [null, near];
    for (let a = 0; a < episode.n; a++) {
      const { row, column } = place(episode, a, time), far = Math.hypot(left + (column + 0.5) * scale - x, top + (row + 0.5) * scale - y);
      if (far < least) [best, least] = [a, far];
    }
    return best;
  }

  return { paint, renew, nearest, hue: (a) => looks.hues[a % HUES] };
}
