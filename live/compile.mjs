// Compiles Python files with the very Python that will read them: compile.mjs PYODIDE FOLDER...
// A folder keeps name.pyc in the place of name.py. Docstrings are left out, but not of
// pytest: it would take it for python -O, which runs no assertion.
import { loadPyodide } from "pyodide";

const python = await loadPyodide();
for (const folder of process.argv.slice(2)) {
  python.mountNodeFS("/folder", folder);
  python.globals.set("level", folder.endsWith("test") ? 0 : 2);
  python.runPython(`
import compileall
from pathlib import Path
from py_compile import PycInvalidationMode

UNCHECKED = PycInvalidationMode.UNCHECKED_HASH  # there will be no source to compare with
fine = compileall.compile_dir(
    "/folder", maxlevels=99, ddir="", quiet=1, legacy=True, optimize=level,
    invalidation_mode=UNCHECKED,
)
assert fine
for path in Path("/folder").rglob("*.py"):
    path.unlink()
`);
  python.FS.unmount("/folder");
}
