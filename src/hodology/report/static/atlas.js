// Filter the papers by words and state.
setUpTheme();
function filter() {
  const words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const state = byId("state").value;
  let count = 0;
  for (const paper of document.querySelectorAll(".papers li")) {
    const text = paper.textContent.toLowerCase();
    paper.hidden = !(words.every((word) => text.includes(word)) && (!state || paper.dataset.state === state));
    paper.style.display = paper.hidden ? "none" : "";
    count += paper.hidden ? 0 : 1;
  }
  for (const wing of document.querySelectorAll("section[data-wing]")) {
    wing.hidden = !wing.querySelector("li:not([hidden])");
  }
  byId("count").textContent = `${count} papers`;
}
byId("words").addEventListener("input", filter);
byId("state").addEventListener("change", filter);
filter();
