// Copies text, also from a file on disk where a browser may refuse the clipboard: then the text is laid out and
// selected, and the reader copies it.
function makeCopy(button, said, text) {
  const field = make("textarea", { readonly: true, rows: 6, "aria-label": "The sentences, to copy" });
  field.hidden = true;
  said.after(field);

  function lay() {
    field.hidden = false;
    field.value = text().join("\n");
    field.focus();
    field.select();
    let done = false;
    try { done = document.execCommand("copy"); } catch { done = false; }
    if (done) {
      field.hidden = true;
      button.focus();
    }
    return done;
  }

  button.addEventListener("click", async () => {
    const lines = text();
    let done = true;
    try { await navigator.clipboard.writeText(lines.join("\n")); } catch { done = lay(); }
    if (done) field.hidden = true;
    said.textContent = done ? `${some(lines.length, "sentence")} copied.` : "The browser does not let the page copy. The sentences are selected: copy them with Ctrl+C or ⌘C.";
  });
  return {
    renew() {
      [said.textContent, field.hidden] = ["", true];
      const count = text().length;
      button.disabled = !count;
      button.textContent = count === 1 ? "Copy the sentence" : `Copy ${some(count, "sentence")}`;
    },
  };
}
