// What part of the map is seen. A cell is a whole number of the screen's dots wide where it is two or more, so that
// walls stay sharp; smaller cells are scaled as a picture.
const CLOSEST = 72; // pixels per cell

function makeCamera(map) {
  const view = { width: 1, height: 1, dots: 1, scale: 1, left: 0, top: 0, zoomed: false };
  let wish = 0; // the scale that was asked for, before it was made whole; 0: all of the map
  let [left, top] = [0, 0]; // as they were asked for: rounding each of many small moves would add up

  function whole(scale, round) {
    const dots = scale * view.dots;
    return dots >= 2 ? round(dots) / view.dots : scale;
  }

  function fitting() { return Math.min(CLOSEST, view.width / map.width, view.height / map.height); }

  // A map that is smaller than the window stands in its middle, a larger one leaves no gap.
  function hold(offset, room, length) {
    return length <= room ? (room - length) / 2 : clamp(offset, room - length, 0);
  }

  function settle() {
    left = hold(left, view.width, map.width * view.scale);
    top = hold(top, view.height, map.height * view.scale);
    [view.left, view.top] = [left, top].map((offset) => Math.round(offset * view.dots) / view.dots);
  }

  function fit() {
    wish = 0;
    view.scale = whole(fitting(), Math.floor);
    view.zoomed = false;
    settle();
  }

  function zoom(factor, x = view.width / 2, y = view.height / 2) {
    const least = fitting();
    wish = clamp((wish || view.scale) * factor, least, Math.max(CLOSEST, least));
    const scale = whole(wish, Math.round);
    if (wish <= least) return fit();
    left = x - ((x - left) / view.scale) * scale;
    top = y - ((y - top) / view.scale) * scale;
    view.scale = scale;
    view.zoomed = map.width * scale > view.width + 0.5 || map.height * scale > view.height + 0.5;
    settle();
  }

  function pan(x, y) {
    left += x;
    top += y;
    settle();
  }

  // Bring a cell into the middle unless it is well inside.
  function reveal(row, column) {
    const x = view.left + (column + 0.5) * view.scale, y = view.top + (row + 0.5) * view.scale, edge = 24;
    if (x >= edge && x <= view.width - edge && y >= edge && y <= view.height - edge) return;
    pan(view.width / 2 - x, view.height / 2 - y);
  }

  function resize(width, height) {
    const middle = [(view.width / 2 - left) / view.scale, (view.height / 2 - top) / view.scale];
    Object.assign(view, { width, height, dots: window.devicePixelRatio || 1 });
    if (!wish) return fit();
    wish = Math.max(wish, fitting());
    view.scale = whole(wish, Math.round);
    left = width / 2 - middle[0] * view.scale;
    top = height / 2 - middle[1] * view.scale;
    settle();
  }

  // The height that the whole map takes of a window of this size.
  function needs(width, height) { return map.height * whole(Math.min(CLOSEST, width / map.width, height / map.height), Math.floor); }

  return { view, needs, fit, zoom, pan, reveal, resize };
}
