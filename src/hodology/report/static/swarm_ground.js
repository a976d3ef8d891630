// The map and, over it, where agents went. Both are pictures of one dot per cell, made once and drawn scaled.
const RULED = 12; // pixels of a cell from which on its borders are drawn

function makeGround(canvas, map, camera) {
  const plan = make("canvas", { width: map.width, height: map.height }), heat = make("canvas", { width: map.width, height: map.height });
  let warm = null; // { visits, most }, or nothing

  function colour(name) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  }

  function fillIn(picture, dot) {
    const pen = picture.getContext("2d"), image = pen.createImageData(map.width, map.height);
    for (let at = 0; at < map.width * map.height; at++) dot(image.data, 4 * at, at);
    pen.putImageData(image, 0, 0);
  }

  // Colours follow the scheme; the pictures are made again when it or what they show changes.
  function renew() {
    const free = colour("--floor"), wall = colour("--wall"), text = map.rows.join("");
    fillIn(plan, (data, at, cell) => data.set([...(text[cell] === "#" ? wall : free), 255], at));
    if (warm) {
      const hot = colour("--hot"), dense = (count) => 0.06 + 0.9 * Math.sqrt(count / warm.most);
      fillIn(heat, (data, at, cell) => { if (warm.visits[cell]) data.set([...hot, 255 * dense(warm.visits[cell])], at); });
    }
    paint();
  }

  function paint() {
    const { view } = camera, { dots, scale, left, top } = view, pen = canvas.getContext("2d");
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, view.width, view.height);
    pen.imageSmoothingEnabled = scale * dots < 2;
    const [first, last] = seen(left, view.width, scale, map.width), [upper, lower] = seen(top, view.height, scale, map.height);
    const from = [first, upper, last - first, lower - upper], to = [left + first * scale, top + upper * scale, (last - first) * scale, (lower - upper) * scale];
    for (const picture of warm ? [plan, heat] : [plan]) pen.drawImage(picture, ...from, ...to);
    if (scale >= RULED) rule(pen, view, [first, last, upper, lower]);
  }

  function seen(offset, room, scale, count) { return [clamp(Math.floor(-offset / scale), 0, count - 1), clamp(Math.ceil((room - offset) / scale), 1, count)]; }

  // Faint lines between cells where they are large enough to be counted.
  function rule(pen, { dots, scale, left, top }, [first, last, upper, lower]) {
    const lines = new Path2D(), half = 0.5 / dots;
    for (let x = first; x <= last; x++) { lines.moveTo(left + x * scale + half, top + upper * scale); lines.lineTo(left + x * scale + half, top + lower * scale); }
    for (let y = upper; y <= lower; y++) { lines.moveTo(left + first * scale, top + y * scale + half); lines.lineTo(left + last * scale, top + y * scale + half); }
    pen.lineWidth = 1 / dots;
    pen.strokeStyle = `rgb(${colour("--muted").join(" ")} / .28)`;
    pen.stroke(lines);
  }

  return { paint, renew, show(next) { warm = next; renew(); } };
}
