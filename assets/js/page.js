// The page's own script: it runs once, in the hub, with `element`, `trigger`, `props` and
// `watch` from Gradio. What a person does leaves through `act`; what the server says about
// this tab arrives as the hub's value. `EVENTS`, what the server takes, is written before it.

const NARROW = window.matchMedia("(max-width: 719px)");
const byId = (id) => document.getElementById(id);
let hub = {};

function act(name, data = {}) {
  const event = `do_${name}`;
  if (EVENTS.includes(event)) {
    trigger(event, {
      conversation: hub.conversation ?? null, browser: navigator.language, ...data,
    });
  }
}

// What the server says about this tab.

watch("value", () => {
  const before = hub;
  hub = props.value || {};
  document.documentElement.lang = hub.tag;
  document.title = `${hub.title} · ${hub.app}`;
  history.replaceState(null, "", hub.conversation ? `#${hub.conversation}` : location.pathname);
  if (!before.sequence) return takeOver();
  markTheme();
  markView();
  changed(before);
  if (before.conversation !== hub.conversation) {
    followEnd();
    closeDrawers();
  }
  if (hub.message) goTo(hub.message);
  if (before.language !== hub.language) beat();
});

window.addEventListener("hashchange", () => {
  const id = Number(location.hash.slice(1));
  if (id && id !== hub.conversation) act("open", { id });
});

// Everything that can be clicked says what it does in a data attribute.

document.addEventListener("click", (event) => {
  const target = event.target.closest("button");
  if (!target || target.disabled || target.closest("#ec-first")) return;
  const data = target.dataset;
  if (data.view) look(data.view);
  if (data.field) data.value = byId(data.field).value;
  const also = data.also && byId(data.also);
  if (data.act) act(data.act, { ...data, ...(also && { also: also.value }), ...forms(data) });
  if (also) also.value = "";
  if (data.act === "create") newConversation();
  if (data.act === "restart") target.disabled = true;
  if (data.view === "models") beat();
  if (data.toggle) toggleDrawer(data.toggle);
  if (data.themeChoice) chooseTheme(data.themeChoice);
  if (data.copy) copy(target);
  if (data.dialog) ask(data);
  if (data.example) send(data.example);
  if (data.send) data.send === "stop" ? stop() : send();
});

document.addEventListener("change", (event) => {
  const { change, what } = event.target.dataset ?? {};
  if (change) act(change, { what, value: event.target.value });
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (!hub.sequence) return;
    act("create");
    newConversation();
  }
  if (event.key === "Escape") closeDrawers();
});

function newConversation() {
  closeDrawers();
  byId("ec-input")?.focus();
}

// Drawers of the narrow page.

function toggleDrawer(name) {
  document.body.classList.toggle(`ec-show-${name}`);
}

function closeDrawers() {
  document.body.classList.remove("ec-show-rail", "ec-show-panel");
}

document.addEventListener("click", (event) => {
  if (document.body.classList.contains("ec-show-rail")
      && !event.target.closest("#ec-left, [data-toggle], dialog")) closeDrawers();
});

// A menu closes when something else is clicked, or one of its links.

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".ec-menu[open]")) {
    if (event.target.closest("a") || !menu.contains(event.target)) menu.open = false;
  }
});

// Light and dark. The choice is kept by the app and, for the first paint, by the browser.

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  remember("eaglechat:theme", theme);
}

function chooseTheme(theme) {
  setTheme(theme);
  markTheme();
  act("theme", { value: theme });
}

function markTheme() {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed",
      String(button.dataset.themeChoice === document.documentElement.dataset.theme));
  }
}

// Small things.

function remember(key, value) {
  try {
    value ? localStorage.setItem(key, value) : localStorage.removeItem(key);
  } catch { /* full or forbidden: then it is not remembered */ }
}

function recall(key) {
  try { return localStorage.getItem(key) || ""; } catch { return ""; }
}

async function copy(button) {
  const code = button.closest(".ec-code")?.querySelector("code");
  const words = button.textContent;
  await navigator.clipboard.writeText(button.dataset.raw ?? code?.textContent ?? "");
  button.textContent = hub.copied;
  setTimeout(() => { if (button.textContent === hub.copied) button.textContent = words; }, 1500);
}

function ask({ dialog, id, title }) {
  const box = byId(`ec-${dialog}`);
  const input = box.querySelector("input");
  const heading = box.querySelector("[data-words]");
  if (input) input.value = title;
  if (heading) heading.textContent = heading.dataset.words.replace("{title}", () => title);
  box.returnValue = "";
  box.onclose = () => { if (box.returnValue) act(box.returnValue, { id, title: input?.value }); };
  box.showModal();
  input ? input.select() : box.querySelector("button").focus();
}

// The newest words stay in sight, unless someone has scrolled up to read.

let atEnd = true;

function followEnd() {
  const scroller = byId("ec-scroll");
  atEnd = !scroller.querySelector(".ec-empty");
  scroller.scrollTop = atEnd ? scroller.scrollHeight : 0;
}

function watchScroll() {
  const scroller = byId("ec-scroll");
  scroller.addEventListener("scroll", () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  }, { passive: true });
  new MutationObserver(() => { if (atEnd) scroller.scrollTop = scroller.scrollHeight; })
    .observe(scroller, { childList: true, subtree: true, characterData: true });
}
