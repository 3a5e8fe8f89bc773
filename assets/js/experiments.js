// The Compare and Benchmark panes, and the step view. What a person has put into their
// forms goes with every action, so that the server can draw them again as they were.

function look(view) {
  document.body.dataset.view = view;
  if (!document.body.classList.contains("ec-down")) notice("");
  markView();
  closeDrawers();
}

function markView() {
  const view = document.body.dataset.view || "chat";
  for (const button of document.querySelectorAll(".ec-tabs button")) {
    button.setAttribute("aria-current", String(button.dataset.view === view));
  }
}

function forms(data) {
  if (data.act !== "experiments") return {};
  const fields = {};
  for (const form of document.querySelectorAll("form[data-experiment]")) {
    for (const field of form.elements) if (field.name) fields[form.dataset.experiment === "bench" && field.name === "tokens" ? "bench_tokens" : field.name] = field.value;
  }
  return fields;
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-experiment]");
  if (!form) return;
  event.preventDefault();
  act("experiments", { what: form.dataset.experiment, ...forms({ act: "experiments" }) });
});

document.addEventListener("keydown", (event) => {
  if (!event.target.closest?.("form[data-experiment] textarea") || event.key !== "Enter" || event.shiftKey) return;
  if (event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

// Going to a conversation goes to the chat.

document.addEventListener("click", (event) => {
  const data = event.target.closest("button")?.dataset ?? {};
  if (["open", "create"].includes(data.act)) look("chat");
});

// A replay: every group appears when it came, at the measured speeds, both lanes at once.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-race]");
  const lanes = button && byId(button.dataset.race);
  if (!lanes) return;
  lanes.classList.remove("is-replay");
  void lanes.offsetWidth;
  lanes.classList.add("is-replay");
});

// The step view says beside the text what a step is; the arrow keys go from step to step.

function tell(step) {
  const output = step?.closest(".ec-stepview")?.querySelector(".ec-tip");
  if (output) output.textContent = step.dataset.tip;
}

document.addEventListener("mouseover", (event) => tell(event.target.closest?.(".ec-step[data-tip]")));
document.addEventListener("focusin", (event) => tell(event.target.closest?.(".ec-step[data-tip]")));

document.addEventListener("keydown", (event) => {
  const step = event.target.closest?.("[data-roving] .ec-step");
  const move = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling",
    Home: "first", End: "last" }[event.key];
  if (!step || !move) return;
  const steps = step.parentElement;
  const next = move === "first" ? steps.firstElementChild
    : move === "last" ? steps.lastElementChild : step[move];
  if (!next) return;
  event.preventDefault();
  step.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
