// Light or dark: the system's choice until the button is pressed; the choice lasts as long as the page.
(() => {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function tell() {
    button.setAttribute("aria-pressed", String(isDark()));
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  tell();
})();
