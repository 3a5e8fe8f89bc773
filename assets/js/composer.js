// The input. Enter sends, Shift+Enter breaks the line, Enter that ends a composition does
// neither. What is typed is kept per conversation until the app has it on disk.

let pending = null;

const draftKey = (conversation) => `eaglechat:draft:${conversation ?? "new"}`;

function send(text) {
  const input = byId("ec-input");
  const message = text ?? input.value;
  if (pending || !message) {
    if (!message) input.focus();
    return;
  }
  pending = { nonce: `${Date.now()}-${Math.random()}`, typed: text === undefined, from: hub.conversation };
  notice("");
  atEnd = true;
  act("send", { text: message, nonce: pending.nonce });
}

function stop() {
  act("stop");
}

// A new value of the hub: was our message taken, is something wrong, is this another
// conversation now?

function changed(before) {
  const input = byId("ec-input");
  if (pending && hub.sent === pending.nonce) {
    if (pending.typed) {
      remember(draftKey(pending.from), "");
      input.value = "";
    }
    pending = null;
    followEnd();
  } else if (before.conversation !== hub.conversation) {
    input.value = recall(draftKey(hub.conversation));
  }
  if (hub.notice) pending = null;
  if (hub.notice || before.conversation !== hub.conversation || hub.sent) notice(hub.notice || "");
  fit();
}

function notice(words) {
  byId("ec-notice").textContent = words;
  byId("ec-input").toggleAttribute("aria-invalid", Boolean(words));
}

function fit() {
  const input = byId("ec-input");
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, window.innerHeight * 0.4)}px`;
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "ec-input" || !hub.sequence) return;
  remember(draftKey(hub.conversation), event.target.value);
  if (byId("ec-notice").textContent && !document.body.classList.contains("ec-down")) notice("");
  fit();
});

document.addEventListener("keydown", (event) => {
  if (!hub.sequence || event.target.id !== "ec-input" || event.key !== "Enter" || event.shiftKey) return;
  if (event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  send();
});
