// The window onto the map: two canvases, the ground that seldom changes and the agents, and how they are moved.
const DRAG = 4; // pixels that a pointer may shake in a click

function makeWorld(host, map, reach, told) {
  const sheets = [make("canvas", { "aria-hidden": "true" }), make("canvas", { "aria-hidden": "true", class: "agents" })];
  const camera = makeCamera(map), ground = makeGround(sheets[0], map, camera), agents = makeAgents(sheets[1], camera, reach);
  const pointers = new Map(); // of a drag or a pinch
  let scene = null, frame = 0, dragged = 0, pinch = 0;
  host.replaceChildren(...sheets);

  // At most one frame is ahead, however often it is asked for.
  function soon() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      paint();
    });
  }

  function paint() { if (scene) agents.paint(scene.episode, scene.time, scene.chosen); }

  function moved() {
    const { view } = camera;
    host.dataset.view = `${view.left} ${view.top} ${view.scale}`;
    host.classList.toggle("zoomed", view.zoomed);
    ground.paint();
    soon();
    told.zoomed(view.zoomed);
  }

  function resize() {
    const width = Math.max(1, host.clientWidth), height = Math.round(Math.max(140, camera.needs(width, clamp(innerHeight * 0.74, 320, 700))));
    host.style.height = `${height}px`;
    camera.resize(width, height);
    for (const sheet of sheets) {
      [sheet.width, sheet.height] = [width, height].map((length) => Math.round(length * camera.view.dots));
      [sheet.style.width, sheet.style.height] = [`${width}px`, `${height}px`];
    }
    moved();
    paint(); // a canvas is empty once its size was set
  }

  function at(event) {
    const box = host.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function press(event) {
    if (event.button) return;
    pointers.set(event.pointerId, at(event));
    if (pointers.size === 1) dragged = 0;
    host.setPointerCapture(event.pointerId);
  }

  function drag(event) {
    const old = pointers.get(event.pointerId);
    if (!old) return;
    const next = at(event), [x, y] = [next[0] - old[0], next[1] - old[1]];
    pointers.set(event.pointerId, next);
    dragged += Math.hypot(x, y);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (pinch) camera.zoom(apart / pinch, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      [pinch, dragged] = [apart, DRAG + 1];
      moved();
    } else if (dragged > DRAG && camera.view.zoomed) {
      camera.pan(x, y);
      moved();
    }
  }

  function release(event) {
    if (!pointers.delete(event.pointerId)) return;
    pinch = 0;
    if (event.type === "pointerup" && !pointers.size && dragged <= DRAG && scene) told.choose(agents.nearest(scene.episode, scene.time, ...at(event)));
  }

  function zoom(factor, ...where) {
    if (factor) camera.zoom(factor, ...where);
    else camera.fit();
    moved();
  }

  host.addEventListener("pointerdown", press);
  host.addEventListener("pointermove", drag);
  for (const kind of ["pointerup", "pointercancel"]) host.addEventListener(kind, release);
  host.addEventListener("wheel", (event) => { // without a key the wheel scrolls the page
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-clamp(event.deltaY, -100, 100) * 0.004), ...at(event));
  }, { passive: false });
  document.addEventListener("themechange", () => { agents.renew(); ground.renew(); soon(); });
  agents.renew();
  ground.renew();
  resize();
  new ResizeObserver(() => { if (host.clientWidth !== camera.view.width) resize(); }).observe(host);
  addEventListener("resize", () => { if (camera.view.dots !== (window.devicePixelRatio || 1)) resize(); });
  return {
    show(next) { scene = next; soon(); },
    now(next) { scene = next; paint(); },
    warm: ground.show,
    zoom,
    pan(x, y) { camera.pan(x, y); moved(); },
    reveal(row, column) { camera.reveal(row, column); moved(); },
    hue: agents.hue,
  };
}
