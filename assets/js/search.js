// The search: what is typed is looked for at once, the newest answer counts; Escape or an
// empty field gives the list back. A place that was found is scrolled to and shown.

let asked = 0;

document.addEventListener("input", async (event) => {
  if (event.target.id !== "ec-search" || event.isComposing) return;
  const number = ++asked;
  const words = event.target.value.trim();
  document.body.classList.toggle("ec-searching", Boolean(words));
  if (!words) return fill(byId("ec-found"), "");
  await new Promise((resolve) => setTimeout(resolve, 80));
  if (number !== asked) return;
  try {
    const query = new URLSearchParams({ q: words, language: hub.language ?? "" });
    const answer = await fetch(`eaglechat/search?${query}`, { cache: "no-store" });
    if (answer.ok && number === asked) fill(byId("ec-found"), await answer.text());
  } catch { /* the app is away: that is said elsewhere */ }
});

document.addEventListener("compositionend", (event) => {
  if (event.target.id === "ec-search") event.target.dispatchEvent(new Event("input", { bubbles: true }));
});

document.addEventListener("keydown", (event) => {
  const search = byId("ec-search");
  if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "f") {
    event.preventDefault();
    document.body.classList.add("ec-show-rail");
    search.focus();
    search.select();
  } else if (event.key === "Escape" && event.target === search && search.value) {
    search.value = "";
    search.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (event.key === "ArrowDown" && event.target === search) {
    event.preventDefault();
    document.querySelector(".ec-hit")?.focus();
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && event.target.closest?.(".ec-hit")) {
    event.preventDefault();
    const all = [...document.querySelectorAll(".ec-hit")];
    const next = all[all.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
    (next ?? search).focus();
  }
});

// The message that was asked for, once it is drawn.

function goTo(message, until = performance.now() + 3000) {
  const place = byId(`ec-message-${message}`);
  if (!place) {
    if (performance.now() < until) requestAnimationFrame(() => goTo(message, until));
    return;
  }
  atEnd = false;
  place.scrollIntoView({ block: "center" });
  place.classList.add("is-found");
  setTimeout(() => place.classList.remove("is-found"), 2400);
}
