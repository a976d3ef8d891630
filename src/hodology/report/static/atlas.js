// Filter the papers by words, state and wing.
(() => {
  const byId = (id) => document.getElementById(id);
  const papers = [...document.querySelectorAll(".papers li")].map((node) => ({
    node, text: node.textContent.toLowerCase(), state: node.dataset.state, wing: node.closest(".wing").dataset.wing,
  }));

  function filter() {
    const words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [state, wing] = [byId("state").value, byId("wing").value];
    let count = 0;
    for (const paper of papers) {
      const fits = words.every((word) => paper.text.includes(word)) && (!state || paper.state === state) && (!wing || paper.wing === wing);
      paper.node.hidden = !fits;
      count += fits ? 1 : 0;
    }
    for (const section of document.querySelectorAll(".wing")) section.hidden = !section.querySelector(".papers li:not([hidden])");
    byId("count").textContent = count === 1 ? "1 paper" : `${count} papers`;
    byId("none").hidden = count > 0;
  }

  byId("filter").hidden = false;
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["words", "state", "wing"]) byId(id).addEventListener("input", filter);
  filter();
})();
