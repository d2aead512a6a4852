// Runs Python as the page runs it, but in Node: in_node.mjs TREES < code. Prints the result.
import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";
import { noble } from "./noble.js";

const [trees] = process.argv.slice(2);
const python = await loadPyodide({ stdout: console.error, stderr: console.error });
python.registerJsModule("noble", noble);
for (const tree of ["core", "database"]) {
  python.mountNodeFS(`/${tree}`, `${trees}/${tree}`);
  python.runPython(`import sys; sys.path.insert(0, "/${tree}")`);
}
console.log(String(python.runPython(readFileSync(0, "utf-8"))));
