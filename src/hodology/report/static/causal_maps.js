// Explanation maps: the input, and over it the heat in one colour that grows denser and lighter. The heat picture
// is read by its brightness, so that it may be grey or in colours that grow brighter.
function makeMaps(host, maps) {
  host.replaceChildren(...maps.map((map) => {
    const image = make("img", { src: map.image, alt: `Input ${map.id}`, decoding: "async" });
    image.addEventListener("load", () => image.classList.toggle("smooth", image.naturalWidth > 48), { once: true });
    const picture = make("div", { class: "picture" }, image);
    if (map.heat) layHeat(map.heat, picture);
    return make("li", {}, make("figure", {}, picture, make("figcaption", {},
      make("span", { class: "name" }, String(map.id)), map.score === null ? "" : make("span", { class: "value" }, number(map.score)), map.note ? make("span", { class: "aside" }, map.note) : "")));
  }));
}

function layHeat(address, picture) {
  const source = new Image();
  source.addEventListener("load", () => {
    const canvas = make("canvas", { class: "heat", "aria-hidden": "true", width: source.naturalWidth, height: source.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(source, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height), parts = pixels.data;
    for (let at = 0; at < parts.length; at += 4) {
      const much = ((0.2126 * parts[at] + 0.7152 * parts[at + 1] + 0.0722 * parts[at + 2]) / 255) * (parts[at + 3] / 255);
      parts.set([235 + 20 * much, 70 + 150 * much ** 1.5, 20 + 60 * much ** 3, 255 * Math.min(1, 1.15 * much)], at);
    }
    context.putImageData(pixels, 0, 0);
    picture.append(canvas);
  }, { once: true });
  source.src = address;
}
