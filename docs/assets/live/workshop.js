// Change it and test it: the editor, the mistakes, and the tests of the suite.
import { loadEditor } from "./sandbox.js";

const FIRST = "app/second_factor.py";
const WHOLE = "all";

function option(value, words) {
  return new Option(words, value);
}

export class Workshop {
  constructor({ part, announce, ask, restart, loadSuite, working }) {
    Object.assign(this, { part, announce, ask, restart, loadSuite, working });
    part("file").addEventListener("change", () => this.show(part("file").value));
    part("mistake").addEventListener("change", () => this.make(this.step.mistakes[part("mistake").value]));
    part("save").addEventListener("click", () => this.save());
    part("undo").addEventListener("click", () => this.undo());
    part("test-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.test();
    });
  }

  async open(number, step, files) {
    Object.assign(this, { number, step, files: { ...files }, originals: files, mistake: null });
    if (!this.editor) {
      const { Editor } = await loadEditor();
      this.editor = new Editor(this.part("editor"), "Code of");
    }
    const { part } = this;
    part("undo").disabled = true;
    part("file").replaceChildren(...Object.keys(files).map((name) => option(name, name)));
    part("mistake").replaceChildren(option("", "(none)"), ...step.mistakes.map((row, place) => option(place, row.mistake)));
    part("attack").replaceChildren(
      ...step.attacks.map((row, place) => option(place, `Attack ${row.number}: ${row.what}`)),
      option(WHOLE, `all tests of step ${number}`),
    );
    part("weight").textContent = `${(step.suite_bytes / 1e6).toFixed(1)} MB`;
    part("results").replaceChildren();
    part("verdict").textContent = "";
    this.show(FIRST in files ? FIRST : Object.keys(files)[0]);
  }

  // Shows a file, and goes to the text in it if it is given.
  show(file, text) {
    const { part, step } = this;
    this.keep();
    this.file = file;
    part("file").value = file;
    const before = text ? this.files[file].split(text)[0] : null;
    const target = before === null ? 0 : before.split("\n").length + (text.startsWith("\n") ? 1 : 0);
    const lines = this.files[file] === this.originals[file] ? (step.changed[file] ?? []) : [];
    this.editor.open(file, this.files[file], lines, target);
  }

  keep() {
    if (this.file in this.files && this.editor.view.state.doc.length) this.files[this.file] = this.editor.text;
  }

  // Makes one of the mistakes of tests/mutants, in the place of those made before.
  async make(mistake) {
    await this.takeBack();
    this.mistake = mistake ?? null;
    if (!mistake) return this.restart("All changes are undone.");
    const { file, old } = mistake;
    this.files[file] = this.files[file].replace(old, () => mistake.new);
    this.file = null;
    this.show(file, mistake.new);
    await this.save(`The mistake is made: ${mistake.mistake}.`);
    this.chooseTests();
  }

  // The first attack whose tests are among those that see the mistake.
  chooseTests() {
    const { files } = this.mistake.tests;
    const place = this.step.attacks.findIndex(({ tests, works }) => !works && tests.some(([file]) => files.includes(file)));
    const own = option("mistake", "the tests that see this mistake");
    this.part("attack").querySelector('[value="mistake"]')?.remove();
    this.part("attack").prepend(own);
    this.part("attack").value = place < 0 ? WHOLE : "mistake";
  }

  async save(words = "The server was started again, with your change.") {
    this.keep();
    const changed = Object.keys(this.files).filter((file) => this.files[file] !== this.originals[file]);
    for (const file of new Set([...changed, ...(this.written ?? [])])) {
      await this.ask("write", { file, text: this.files[file] });
    }
    this.written = changed;
    this.part("undo").disabled = !changed.length;
    await this.restart(words);
  }

  async takeBack() {
    this.files = { ...this.originals };
    this.file = null;
    for (const file of this.written ?? []) await this.ask("write", { file, text: this.files[file] });
    this.written = [];
    this.part("undo").disabled = true;
  }

  async undo() {
    const file = this.part("file").value;
    this.part("mistake").value = "";
    this.part("attack").querySelector('[value="mistake"]')?.remove();
    await this.takeBack();
    this.show(file);
    await this.restart("All changes are undone.");
  }

  words() {
    const chosen = this.part("attack").value;
    const step = `steps/${this.step.folder}`;
    if (chosen === WHOLE) return [step];
    if (chosen === "mistake") {
      const { files, words } = this.mistake.tests;
      return [step, ...files, ...(words ? ["-k", words] : [])];
    }
    const { tests } = this.step.attacks[chosen];
    const files = [...new Set(tests.map(([file]) => file))];
    return [...tests.map(([, name]) => `${step}::${name}`), ...files];
  }

  async test() {
    const { part } = this;
    if (part("start").disabled) return;
    this.working(true, "Testing…");
    this.counts = { passed: 0, failed: 0, skipped: 0 };
    part("results").replaceChildren();
    part("verdict").textContent = "Testing…";
    delete part("verdict").dataset.status;
    try {
      await this.loadSuite();
      this.conclude(await this.ask("test", { words: this.words() }));
    } catch (error) {
      part("verdict").textContent = `The tests ended early: ${error.message.trim().split("\n").at(-1)}`;
      part("verdict").dataset.status = "broken";
    } finally {
      this.working(false, "");
    }
  }

  // One result, as soon as there is one.
  tested({ outcome, sentence, message, heading }) {
    this.counts[outcome] += 1;
    const { passed, failed } = this.counts;
    this.part("verdict").textContent = `Testing… ${passed} passed, ${failed} failed`;
    const item = document.createElement("li");
    item.className = `live-${outcome}`;
    const words = { passed: "passed", failed: "failed", skipped: "not run" }[outcome];
    item.append(Object.assign(document.createElement("strong"), { textContent: words }), ` ${sentence}`);
    if (message) item.append(Object.assign(document.createElement("pre"), { textContent: message }));
    if (heading && outcome === "failed") item.append(this.link(heading));
    if (outcome === "failed") this.part("results").prepend(item);
    else this.part("results").append(item);
  }

  // docs/02-totp-verify.md#a-heading is the page ../02-totp-verify/#a-heading
  link(heading) {
    const [, page, anchor] = /^docs\/(.*)\.md#(.*)$/.exec(heading) ?? [null, "", ""];
    const href = new URL(`../../${page}/#${anchor}`, import.meta.url).href;
    const words = `Read about it: ${anchor.replaceAll("-", " ")}`;
    return Object.assign(document.createElement("a"), { href, textContent: words });
  }

  conclude({ status, not_run: notRun, seconds }) {
    const { passed, failed, skipped } = this.counts;
    const left = skipped + notRun.length;
    const words = [`${passed} passed, ${failed} failed in ${seconds.toFixed(1)} s.`];
    if (left) words.push(`${left} not run: they need what a page does not have.`);
    const guess = this.part("prediction").value;
    if (guess) words.push((guess === "failed") === failed > 0 ? "You were right." : "You thought otherwise.");
    this.part("prediction").value = "";
    for (const sentence of notRun) {
      const item = Object.assign(document.createElement("li"), { className: "live-skipped" });
      item.append(Object.assign(document.createElement("strong"), { textContent: "not run" }), ` ${sentence}`);
      this.part("results").append(item);
    }
    this.part("verdict").textContent = words.join(" ");
    this.part("verdict").dataset.status = status;
  }
}
