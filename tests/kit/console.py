"""The commands that a page shows, as a reader types them."""

import re
import textwrap

FENCE = re.compile(r"^( *)``` ?(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def commands_of(page):
    """Return the commands of a page for Linux and macOS, in their order."""
    text = page.read_text("utf-8")
    blocks = [textwrap.dedent(code) for _, kind, code in FENCE.findall(text)]
    return [command for code in blocks for command, _ in COMMAND.findall(code)]
