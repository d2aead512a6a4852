// Opens the page Try it here beside the chapter. In a narrow window the link is followed.

const WIDE = matchMedia("(min-width: 60em)");
let panel, opener;

function makePanel() {
  panel = document.createElement("aside");
  panel.className = "live-panel";
  panel.setAttribute("aria-label", "Try it here");
  const head = document.createElement("p");
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
  const link = Object.assign(document.createElement("a"), { textContent: "On a page of its own" });
  close.addEventListener("click", closePanel);
  head.append(close, link);
  panel.append(head);
  panel.addEventListener("keydown", ({ key }) => key === "Escape" && closePanel());
  document.body.append(panel);
}

function closePanel() {
  panel.querySelector("iframe")?.remove(); // and Python with it
  panel.hidden = true;
  document.documentElement.classList.remove("live-has-panel");
  opener?.focus();
}

function openPanel(link) {
  if (!panel) makePanel();
  opener = link;
  panel.querySelector("a").href = link.href;
  panel.querySelector("iframe")?.remove();
  const frame = Object.assign(document.createElement("iframe"), { src: `${link.href}&beside`, title: "Try it here" });
  panel.append(frame);
  panel.hidden = false;
  document.documentElement.classList.add("live-has-panel");
  panel.querySelector("button").focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.live-try");
  if (!link || !WIDE.matches || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openPanel(link);
});
