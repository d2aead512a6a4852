// Starts Python in a worker, in a frame of an origin of its own.
//
// What a reader writes runs in there. The frame has no origin that it could share with
// the site, so there is no storage and no cookie; and its policy lets it load nothing.

const packs = new URL("../packs/", import.meta.url);

const HOST = `<!doctype html><meta http-equiv="Content-Security-Policy"
content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; worker-src blob:">
<script>
addEventListener("message", ({ data, ports: [port] }) => {
  const script = URL.createObjectURL(new Blob([data], { type: "text/javascript" }));
  const worker = new Worker(script);
  worker.onerror = ({ message }) => parent.postMessage({ died: message || "no worker" }, "*");
  worker.postMessage(null, [port]);
}, { once: true });
</script>`;

export class Stopped extends Error {}

// Compressed files are called .bin: some servers would unpack those called .gz.
async function load(name) {
  const response = await fetch(new URL(name, packs));
  if (!response.ok) throw new Error(`${name} is not on this site (${response.status}).`);
  return response;
}

async function loadAll(names) {
  const buffers = names.map(async (name) => (await load(`${name}.bin`)).arrayBuffer());
  const loaded = await Promise.all(buffers);
  return Object.fromEntries(names.map((name, place) => [name, loaded[place]]));
}

export async function loadStep(number) {
  return (await load(`step-${number}.json`)).json();
}

export async function loadEditor() {
  return import(new URL("editor.js", packs));
}

async function loadWorker() {
  const { body } = await load("worker.js.bin");
  return new Response(body.pipeThrough(new DecompressionStream("gzip"))).text();
}

export class Sandbox {
  // Takes functions for the lines that Python prints, and for results of tests.
  constructor({ printed, tested }) {
    this.hears = { printed, tested };
    this.waiting = new Map();
    this.asked = 0;
    this.fetched = this.suite = null; // promises
  }

  async start({ folder, packs }) {
    const names = ["python.wasm", ...packs.map((name) => `${name}.zip`)];
    const [files] = await Promise.all([loadAll(names), this.open()]);
    return this.ask("start", { folder, files });
  }

  async open() {
    const code = await loadWorker();
    this.frame = document.createElement("iframe");
    Object.assign(this.frame, { hidden: true, sandbox: "allow-scripts", srcdoc: HOST });
    this.frame.title = "Python";
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.port.onmessage = (event) => this.hear(event.data);
    this.hearFrame = ({ source, data }) => {
      if (source === this.frame.contentWindow && data.died) this.end(new Error(data.died));
    };
    addEventListener("message", this.hearFrame);
    const opened = new Promise((resolve) => (this.frame.onload = resolve));
    document.body.append(this.frame);
    await opened;
    this.frame.contentWindow.postMessage(code, "*", [port2]);
  }

  ask(task, words = {}) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.port.postMessage({ id, task, ...words });
    });
  }

  hear({ id, result, error, printed, tested }) {
    if (printed !== undefined) return this.hears.printed(printed);
    if (tested !== undefined) return this.hears.tested(tested);
    const { resolve, reject } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error) reject?.(new Error(error));
    else resolve?.(result);
  }

  // Loading keeps no page waiting, so it may begin while the reader types.
  fetchSuite({ suite }) {
    this.fetched ??= loadAll(suite.map((name) => `${name}.zip`));
    return this.fetched;
  }

  // The suite is loaded once. If that fails, the next one who asks tries again.
  loadSuite(step) {
    this.suite ??= this.unpackSuite(step).catch((error) => {
      this.suite = this.fetched = null;
      throw error;
    });
    return this.suite;
  }

  // In three parts, so that a page that is asked for meanwhile waits for one at most.
  async unpackSuite(step) {
    await this.ask("unpackSuite", { files: await this.fetchSuite(step) });
    await this.ask("importPytest");
    await this.ask("importSuite");
  }

  // The worker ends with its frame, whatever it is doing.
  stop() {
    this.end(new Stopped("Stopped."));
  }

  end(error) {
    this.frame?.remove();
    this.port?.close();
    removeEventListener("message", this.hearFrame);
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
