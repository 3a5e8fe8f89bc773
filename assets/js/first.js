// Before the first paint: the theme, as it was chosen here or as the system has it.
(() => {
  let theme = null;
  try { theme = localStorage.getItem("eaglechat:theme"); } catch { /* forbidden */ }
  theme ??= matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
})();
