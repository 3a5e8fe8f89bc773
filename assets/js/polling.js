// Once a second: the engine, the memory, and whether another tab changed something. While
// nobody looks at the page it asks nothing.

let app = null;
let missed = 0;
let beating = false;

async function beat() {
  if (beating || document.hidden) return;
  beating = true;
  try {
    const view = document.body.dataset.view ?? "";
    const answer = await fetch(`eaglechat/pulse?language=${hub.language ?? ""}&view=${view}`, {
      cache: "no-store", signal: AbortSignal.timeout(5000),
    });
    if (!answer.ok) throw new Error(answer.status);
    heard(await answer.json());
  } catch {
    missed += 1;
    if (missed === 3) down(true);
  } finally {
    beating = false;
  }
}

function heard(news) {
  if (missed >= 3) down(false);
  missed = 0;
  if (app && app !== news.app) return location.reload();
  app = news.app;
  for (const place of ["foot", "card", "start", "memory", "engine", "strip-memory"]) fill(byId(`ec-${place}`), news[place]);
  if (news.models) fill(byId("ec-models-pane"), news.models);
  if (hub.sequence && hub.revision !== news.revision) {
    hub.revision = news.revision;
    act("refresh");
  }
}

function down(is) {
  document.body.classList.toggle("ec-down", is);
  notice(is ? hub.down : "");
}

// Takes over new HTML without closing what a person has opened or moving what is read.

function fill(place, html) {
  if (!place || place.ecHtml === html) return;
  place.ecHtml = html;
  const template = document.createElement("template");
  template.innerHTML = html;
  morph(place, template.content);
}

function morph(old, fresh) {
  const olds = [...old.childNodes];
  const news = [...fresh.childNodes];
  news.forEach((node, at) => {
    const there = olds[at];
    if (!there) return old.append(node);
    if (there.nodeName !== node.nodeName) return there.replaceWith(node);
    if (node.nodeType === Node.TEXT_NODE) {
      if (there.data !== node.data) there.data = node.data;
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    for (const { name, value } of [...node.attributes]) {
      if (name !== "open" && there.getAttribute(name) !== value) there.setAttribute(name, value);
    }
    for (const { name } of [...there.attributes]) {
      if (name !== "open" && !node.hasAttribute(name)) there.removeAttribute(name);
    }
    morph(there, node);
  });
  olds.slice(news.length).forEach((node) => node.remove());
}

// Gradio mounts its components in no certain order; all must be there before we begin.

const NEEDED = ["ec-scroll", "ec-input", "ec-send", "ec-notice", "ec-foot", "ec-memory",
  "ec-engine", "ec-card", "ec-start", "ec-rename"];

function begin() {
  if (!NEEDED.every((id) => document.querySelector(`gradio-app #${id}`))) {
    return requestAnimationFrame(begin);
  }
  act("hello", { conversation: Number(location.hash.slice(1)) || null });
}

// The page is whole: it takes the place of its picture, with what was typed into that.

function takeOver() {
  const picture = byId("ec-first");
  const notes = window.ecNotes ?? {};
  if (notes.composing) return setTimeout(takeOver, 50);
  const typed = picture?.querySelector("#ec-input");
  const { value, selectionStart, selectionEnd } = typed ?? {};
  const focused = typed && document.activeElement === typed;
  picture?.remove();
  const input = byId("ec-input");
  input.value = value ?? recall(draftKey(hub.conversation));
  if (value) remember(draftKey(hub.conversation), value);
  if (focused) {
    input.focus();
    input.setSelectionRange(selectionStart, selectionEnd);
  }
  fit();
  watchScroll();
  followEnd();
  markTheme();
  markView();
  beat();
  setInterval(beat, 1000);
  document.addEventListener("visibilitychange", beat);
  if (notes.send) send();
}

begin();
