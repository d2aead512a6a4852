"""How long readers wait in the page *Try it here*, and how much memory it takes.

    python tutorial.py docs --build site
    python -m benchmarks.in_page site
    python -m benchmarks.in_page site --steps 02 --rounds 5 --whole

Each round opens a browser window of its own and does what a reader does: Start, change
a line and restart, restart again, one attack twice, and with --whole the step's whole
suite. Seconds depend on the machine and on what else it does, so there are two more
columns: the seconds that the processors worked for the page, and how long it took
compared with the first page of the same round. Memory is what the page's processes
have for themselves. Linux only.
"""

import argparse
import re
import time
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from statistics import median

from tests.kit.real_browser import Screen
from tests.kit.real_browser import in_background
from tests.kit.real_browser import launch
from tests.live.page import START_MILLISECONDS
from tests.live.page import TryIt
from tests.site.built_site import Silent

STEPS = ["01", "02", "03", "04", "05", "06"]
LINE = ("app/__init__.py", '"""', '"""Changed. ')


class Processes:
    """The processes in which the browser runs pages."""

    def __init__(self, browser):
        self.session = browser.new_browser_cdp_session()

    def all(self):
        """Return what the browser knows of its processes with pages."""
        answer = self.session.send("SystemInfo.getProcessInfo")
        return [row for row in answer["processInfo"] if row["type"] == "renderer"]

    def worked(self):
        """Return the seconds that processors have worked for pages."""
        return sum(row["cpuTime"] for row in self.all())

    def megabytes(self):
        """Return the memory that the pages have for themselves."""
        texts = [
            Path(f"/proc/{row['id']}/smaps_rollup").read_text() for row in self.all()
        ]
        return sum(int(re.search(r"Pss: +(\d+)", text)[1]) for text in texts) / 1024


class Round:
    """What a reader does once, with the time that each thing takes."""

    def __init__(self, page, processes):
        self.page = page
        self.processes = processes
        self.rows = {}

    @contextmanager
    def timed(self, name):
        """Note the seconds and the work of what is done within."""
        began, worked = time.perf_counter(), self.processes.worked()
        yield
        seconds = time.perf_counter() - began
        self.rows[name] = (seconds, self.processes.worked() - worked)

    def run(self, step, whole):
        """Do what is measured, in the order in which a reader would."""
        page, ready = self.page.open(step), f"[data-live=live][data-ready='{step}']"
        self.rows["memory before it (MB)"] = (self.processes.megabytes(), None)
        with self.timed("first page"):
            page.tab.get_by_role("button", name=re.compile("^Start")).click()
            page.tab.wait_for_selector(ready, timeout=START_MILLISECONDS)
        self.rows["memory after it (MB)"] = (self.processes.megabytes(), None)
        page.edit(*LINE)
        with self.timed("restart after an edit"):
            page.press("Restart with it").status("with your change")
        with self.timed("restart"):
            page.press("Restart").status("The server was started again.")
        for name in ("one attack, the first time", "one attack", "one attack again"):
            with self.timed(name):
                print(f"  {page.test()}")
        if whole:
            with self.timed("the whole suite"):
                print(f"  {page.test(f'all tests of step {step}')}")
        self.rows["memory at the end (MB)"] = (self.processes.megabytes(), None)


def measure(address, step, whole):
    """Return the times of one round, in a browser that has seen nothing."""
    with launch() as browser, browser.new_context() as context:
        one = Round(TryIt(Screen(None, address, context)), Processes(browser))
        one.run(step, whole)
        return one.rows


def show(step, rounds):
    """Print the medians of the rounds, and the range of the seconds."""
    columns = "median, range, work, share of the first page"
    print(f"\nStep {step}, {len(rounds)} rounds: {columns}")
    for name in rounds[0]:
        values = sorted(row[name][0] for row in rounds)
        line = f"{name:<28}{median(values):7.2f}  {values[0]:6.2f} to {values[-1]:6.2f}"
        if rounds[0][name][1] is not None:
            works = [row[name][1] for row in rounds]
            shares = [row[name][0] / row["first page"][0] for row in rounds]
            line += f"  {median(works):7.2f}  {median(shares):6.2f}"
        print(line, flush=True)


def main():
    """Measure the steps that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", help="a folder with the site, and the packs in it")
    parser.add_argument("--steps", nargs="+", default=STEPS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whole", action="store_true", help="run the whole suite too")
    wanted = parser.parse_args()
    handler = partial(Silent, directory=wanted.site)
    with in_background(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        for step in wanted.steps:
            rounds = range(wanted.rounds)
            show(step, [measure(address, step, wanted.whole) for _ in rounds])


if __name__ == "__main__":
    main()
