// Runs in the app's frame, which may do nothing itself: it hands links and forms to us.

function bridge() {
  const tell = (message) => parent.postMessage(message, "*");
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented) return;
    const href = link.getAttribute("href");
    if (href.startsWith("#")) return;
    event.preventDefault();
    tell({ method: "GET", href });
  });
  addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const { target: form, submitter } = event;
    const fields = new URLSearchParams(new FormData(form, submitter)).toString();
    const method = (submitter?.getAttribute("formmethod") ?? form.method).toUpperCase();
    tell({ method, href: form.getAttribute("action") ?? "", fields });
  });
  addEventListener("message", ({ source, data }) => {
    const field = source === parent && document.querySelector(`[name="${data.field}"]`);
    if (!field) return;
    field.value = data.text;
    field.focus();
  });
  addEventListener("load", () => document.querySelector("[data-autofocus]")?.focus());
}

export const BRIDGE = `(${bridge})()`;
