// Collects the suite's tests as the page does, so that what pytest compiles is kept in
// __pycache__: collect.mjs TREES
import { loadPyodide } from "pyodide";
import { noble } from "./noble.js";

const [trees] = process.argv.slice(2);
const python = await loadPyodide({ stdout: console.log, stderr: console.log });
python.registerJsModule("noble", noble);
python.registerJsModule("page_clock", {});
for (const tree of ["core", "database", "test"]) {
  python.mountNodeFS(`/${tree}`, `${trees}/${tree}`);
  python.runPython(`import sys; sys.path.append("/${tree}")`);
}
python.mountNodeFS("/repo", `${trees}/suite`);
python.runPython(`
import sys
import standin_hashlib, run_tests

sys.dont_write_bytecode = False
printed = run_tests.run(["--collect-only", "steps"], print)["printed"]
assert "tests collected" in printed, printed
`);
