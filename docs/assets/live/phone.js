// The phone: scans the page that sets it up, and shows codes by its own clock.
import { codeAt, readEntry } from "../inside-a-code.js";

const DEMO = "otpauth://totp/Door%2002:admin?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

export class Phone {
  // `type` is a function that types a code into the app; `now` returns its seconds.
  constructor({ list, announce, type, now }) {
    Object.assign(this, { list, announce, type, now, accounts: [] });
    this.timer = setInterval(() => this.draw(), 500);
  }

  reset(number) {
    this.accounts = [];
    this.list.replaceChildren();
    if (number === "02") this.scan(DEMO);
    else this.list.append(make("li", { className: "live-none" }, "No account yet."));
  }

  // Looks for the address that a QR code of the page contains.
  look(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const link = page.querySelector('a[href^="otpauth:"]');
    if (link) this.scan(link.getAttribute("href"));
  }

  scan(address) {
    if (this.accounts.some((account) => account.address === address)) return;
    const label = decodeURIComponent(new URL(address).pathname.replace(/^\/+(totp\/)?/, ""));
    const account = { address, label, entry: readEntry(address) };
    this.accounts.push(account);
    this.list.querySelector(".live-none")?.remove();
    this.list.prepend(this.row(account));
    this.announce(`The phone scanned ${label}.`);
    this.draw();
  }

  row(account) {
    account.code = make("output", { className: "live-code" });
    account.left = make("span", { className: "live-left" });
    const button = make("button", { type: "button" }, "Type it");
    button.setAttribute("aria-label", `Type the code of ${account.label} into the app`);
    button.addEventListener("click", () => this.type(account.shown));
    return make("li", {}, make("span", {}, account.label), account.code, account.left, button);
  }

  async draw() {
    const now = this.now();
    for (const account of this.accounts) {
      const { period } = account.entry;
      const { code } = await codeAt(account.entry, Math.floor(now / period));
      account.left.textContent = `${period - (now % period)} s`;
      if (account.shown === code) continue;
      account.shown = code;
      account.code.textContent = `${code.slice(0, 3)} ${code.slice(3)}`;
    }
  }
}
