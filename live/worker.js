// Python in a worker: the app of one step, the browsers in front of it, and its tests.
//
// It lives in a frame of its own origin, whose policy lets nothing out: see sandbox.js.
// So the page sends it all that it needs, and nobody here can ask for more.

import { loadPyodide } from "pyodide";
import createPyodideModule from "pyodide/pyodide.asm.mjs";
import { info } from "pyodide/pyodide-lock.json";
import { noble } from "./noble.js";

const NOWHERE = "https://packed.invalid/";
// Python asks Date.now for the time, so the clock of the server is what this says.
const realNow = Date.now.bind(Date);
let secondsOff = 0;
let stoppedAt = null; // in milliseconds, by a test
Date.now = () => stoppedAt ?? realNow() + secondsOff * 1000;
const clock = {
  stop: (milliseconds) => void (stoppedAt = milliseconds),
  run: () => void (stoppedAt = null),
};

let port, python, pane;
let packed = {};

async function inflate(buffer) {
  const body = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(body).arrayBuffer());
}

// Pyodide fetches its parts; they are here already.
self.fetch = async (resource) => {
  const name = String(resource.url ?? resource).replace(NOWHERE, "");
  if (!(name in packed)) throw new TypeError(`There is no network here: ${name}`);
  const { buffer, type } = packed[name];
  const body = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(body, { headers: { "Content-Type": type } });
};

const laps = {};
async function timed(name, work) {
  const began = performance.now();
  const result = await work();
  laps[name] = Math.round(performance.now() - began);
  return result;
}

async function unpack(buffer, extractDir) {
  python.unpackArchive(await inflate(buffer), "zip", { extractDir });
}

// Python imports from a zip file as from a folder.
async function addLibrary(name, buffer) {
  const path = `/lib/${name}`;
  python.FS.writeFile(path, await inflate(buffer));
  python.runPython(`import sys; sys.path.append("${path}")`);
}

function plain(proxy) {
  const result = proxy.toJs({ dict_converter: Object.fromEntries });
  proxy.destroy();
  return result;
}

const tasks = {
  async start({ folder, files }) {
    packed = {
      "pyodide.asm.wasm": { buffer: files["python.wasm"], type: "application/wasm" },
      "python_stdlib.zip": { buffer: files["stdlib.zip"], type: "application/zip" },
    };
    const say = (line) => port.postMessage({ printed: line });
    python = await timed("python", () =>
      loadPyodide({
        indexURL: NOWHERE,
        createPyodideModule,
        lockFileContents: { info, packages: {} },
        stdout: say,
        stderr: say,
      }),
    );
    packed = {};
    python.registerJsModule("noble", noble);
    python.registerJsModule("page_clock", clock);
    await timed("unpack", async () => {
      for (const [name, buffer] of Object.entries(files)) {
        if (/^(core|database)\.zip$/.test(name)) await addLibrary(name, buffer);
        if (name.startsWith("step-")) await unpack(buffer, "/repo");
      }
    });
    python.globals.set("folder", `/repo/steps/${folder}`);
    await timed("app", () => {
      pane = python.runPython("import pane; pane.Pane(folder)");
    });
    return { laps, heap: python._module.HEAP8.length, files: plain(pane.files()) };
  },

  visit({ browser, method, address, body }) {
    return plain(pane.visit(browser, method, address, body));
  },

  clock({ seconds }) {
    secondsOff = seconds;
  },

  restart({ workers }) {
    return plain(pane.restart(workers));
  },

  copyCookies({ from, to }) {
    pane.copy_cookies(from, to);
  },

  write({ file, text }) {
    pane.write(file, text);
  },

  async unpackSuite({ files }) {
    for (const name of ["database.zip", "test.zip"]) {
      if (name in files) await addLibrary(name, files[name]);
    }
    python.FS.writeFile("/lib/suite.zip", await inflate(files["suite.zip"]));
  },

  importPytest() {
    python.runPython("import run_tests; run_tests.take_suite('/lib/suite.zip')");
    python.FS.unlink("/lib/suite.zip");
  },

  // Each run imports the suite afresh, but not the libraries that it imports.
  importSuite() {
    python.runPython("run_tests.run(['--markers'], print)");
  },

  test({ words }) {
    const say = (result) => port.postMessage({ tested: plain(result) });
    python.globals.set("words", words);
    python.globals.set("say", say);
    return timed("test", () =>
      plain(python.runPython("import run_tests; run_tests.run(list(words), say)")),
    );
  },

  run({ code }) {
    return String(python.runPython(code));
  },
};

async function obey({ data: { id, task, ...words } }) {
  try {
    port.postMessage({ id, result: await tasks[task](words) });
  } catch (error) {
    port.postMessage({ id, error: String(error.message ?? error) });
  }
}

self.onmessage = ({ ports }) => {
  [port] = ports;
  port.onmessage = obey;
};
