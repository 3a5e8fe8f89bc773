// Before the first paint: the theme, as it was chosen or as the system has it. And until
// the page's own script is there: what is typed into the picture of the page is noted.
(() => {
  const root = document.documentElement;
  let theme = root.dataset.theme;
  try { theme ||= localStorage.getItem("eaglechat:theme"); } catch { /* forbidden */ }
  root.dataset.theme = theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  if (location.hash.length > 1) root.classList.add("ec-returning");
})();

// What the picture was told: whether its message is to be sent, and by which button it was
// left. `composing` holds the exchange back while a word is being composed.
window.ecNotes = { send: false, composing: false };

function ecTakeNotes() {
  const first = document.getElementById("ec-first");
  const input = first.querySelector("#ec-input");
  const key = `eaglechat:draft:${Number(location.hash.slice(1)) || "new"}`;
  try { input.value = localStorage.getItem(key) || ""; } catch { /* forbidden */ }
  input.focus();
  input.addEventListener("compositionstart", () => { window.ecNotes.composing = true; });
  input.addEventListener("compositionend", () => { window.ecNotes.composing = false; });
  input.addEventListener("input", () => { window.ecNotes.send = false; });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    window.ecNotes.send = Boolean(input.value.trim());
  });
  first.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.send) window.ecNotes.send = Boolean(input.value.trim());
    else if (button.dataset.act === "open") location.hash = button.dataset.id;
    else if (button.dataset.example) { input.value = button.dataset.example; window.ecNotes.send = true; }
  });
}
