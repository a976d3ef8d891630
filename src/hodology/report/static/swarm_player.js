// Time: steps that go by at a chosen speed, forward only while it plays. A time between two steps is drawn between them.
const RATE = 4; // steps a second at speed 1
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

function makePlayer(steps, told) {
  let time = 0, playing = false, speed = 2, last = 0;

  function tick(now) {
    if (!playing) return;
    time = Math.min(steps, time + (clamp(now - last, 0, 100) / 1000) * RATE * speed); // a frame may have begun before the play; after a pause of the page no leap
    last = now;
    told.frame(shown());
    if (time >= steps) pause();
    else requestAnimationFrame(tick);
  }

  function shown() { return CALM.matches ? Math.floor(time) : time; } // with reduced motion agents step and do not glide

  function play() {
    if (playing) return;
    if (time >= steps) time = 0;
    playing = true;
    last = performance.now();
    told.state(true);
    requestAnimationFrame(tick);
  }

  function pause() {
    if (!playing) return;
    playing = false;
    time = Math.round(time);
    told.frame(time);
    told.state(false);
  }

  function seek(step) {
    time = clamp(step, 0, steps);
    told.frame(time);
  }

  return {
    play, pause, seek,
    toggle() { if (playing) pause(); else play(); },
    step(by) { pause(); seek(Math.round(time) + by); },
    pace(next) { speed = next; },
    time: shown,
    playing: () => playing,
  };
}
