// State of the page: which policy, which step, which agent, and whether visits are shown.
const data = window.HODOLOGY, STEPS = data.settings.steps, PAN = 60, CLOSER = 1.5;

function start() {
  const episodes = data.episodes.map((raw) => readEpisode(raw, data.map, STEPS));
  let episode = episodes[0], chosen = null, visits = null, hottest = 0, told = -1;
  const reach = Number.isInteger(data.settings.obs_radius) && data.settings.obs_radius > 0 ? data.settings.obs_radius : 0;
  const player = makePlayer(STEPS, { frame, state });
  const world = makeWorld(byId("world"), data.map, reach, { choose, zoomed: (yes) => { byId("fit").disabled = !yes; } });
  const list = makeList(byId("agents"), episode.n, world.hue, { choose });
  const chart = makeChart(byId("chart"), byId("chart-legend"), episodes, STEPS, { seek: (step) => { player.seek(step); say(words()); } });
  const scrubber = byId("scrubber"), facts = makeFacts();

  function step() { return Math.floor(player.time()); }

  function words() {
    return `Step ${step()} of ${STEPS}: ${some(episode.made[step()], "goal")}, ${some(episode.waiting[step()], "agent")} waiting`;
  }

  function say(text) { byId("said").textContent = text; }

  function frame(time) {
    world.now({ episode, time, chosen });
    if (Math.floor(time) !== told) figures();
  }

  // What changes from step to step and not from frame to frame.
  function figures() {
    told = step();
    scrubber.value = String(told);
    if (!player.playing()) scrubber.setAttribute("aria-valuetext", words());
    byId("step-said").textContent = `${told} / ${STEPS}`;
    chart.mark(told);
    facts.show(episode, told, chosen);
  }

  function state(playing) {
    byId("play").classList.toggle("playing", playing);
    byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    byId("play").title = playing ? "Pause (space)" : "Play (space)";
    if (playing) return;
    figures();
    say(words());
  }

  function choose(agent) {
    if (agent === null && chosen === null) return;
    chosen = agent;
    list.mark(agent);
    figures();
    legend();
    if (agent !== null) world.reveal(episode.rows[told * episode.n + agent], episode.columns[told * episode.n + agent]);
    world.show({ episode, time: player.time(), chosen });
    say(agent === null ? "No agent is chosen." : facts.spoken(episode, told, agent));
  }

  function policy(index) {
    episode = episodes[index];
    byId("policy-note").textContent = episode.raw.note;
    byId("policy-note").hidden = !episode.raw.note;
    list.show(episode);
    list.mark(chosen);
    chart.show(index);
    warm();
    figures();
    world.show({ episode, time: player.time(), chosen });
  }

  // One scale for all policies, so that their pictures can be compared.
  function warm() {
    const on = byId("warm").checked;
    visits ??= on ? episodes.map((each) => visitsOf(each, data.map)) : null;
    hottest = on ? visits.reduce((top, each) => each.reduce((a, b) => Math.max(a, b), top), 1) : 0;
    world.warm(on ? { visits: visits[episodes.indexOf(episode)], most: hottest } : null);
    legend();
  }

  function legend() { drawLegend(chosen === null ? null : reach, hottest); }

  function keys(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { key, shiftKey, target } = event, onMap = target === byId("world"), free = onMap || target === document.body || target === byId("main");
    const turn = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[key], across = key === "ArrowRight" || key === "ArrowLeft";
    if (key === " " && free) player.toggle();
    else if (across && !shiftKey && (free || target.closest("button"))) { player.step(turn); say(words()); }
    else if (!onMap) return;
    else if (turn && shiftKey) world.pan(...(across ? [-turn * PAN, 0] : [0, -turn * PAN]));
    else if (turn) choose(((chosen ?? (turn > 0 ? -1 : 0)) + turn + episode.n) % episode.n);
    else if (key === "Home" || key === "End") { player.pause(); player.seek(key === "Home" ? 0 : STEPS); say(words()); }
    else if (key === "+" || key === "=") world.zoom(CLOSER);
    else if (key === "-") world.zoom(1 / CLOSER);
    else if (key === "0") world.zoom(0);
    else if (key === "Escape") choose(null);
    else return;
    event.preventDefault();
  }

  byId("policy").append(...episodes.map((each, index) => make("option", { value: index }, each.raw.label)));
  byId("policy").addEventListener("input", () => { policy(Number(byId("policy").value)); say(`${episode.raw.label}. ${words()}`); });
  byId("warm").addEventListener("input", warm);
  byId("speed").addEventListener("input", () => player.pace(Number(byId("speed").value)));
  scrubber.addEventListener("input", () => player.seek(Number(scrubber.value)));
  byId("play").addEventListener("click", player.toggle);
  for (const [id, by] of [["back", -1], ["ahead", 1]]) byId(id).addEventListener("click", () => { player.step(by); say(words()); });
  for (const [id, factor] of [["closer", CLOSER], ["wider", 1 / CLOSER], ["fit", 0]]) byId(id).addEventListener("click", () => world.zoom(factor));
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", keys);
  player.pace(Number(byId("speed").value));
  policy(0);
  if (!CALM.matches) player.play();
}

for (const node of document.querySelectorAll("[data-needs-script]")) node.hidden = false;
start();
