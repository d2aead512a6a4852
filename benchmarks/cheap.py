"""Step 06 with a password hash that costs next to nothing.

So the rest of a login can be measured. Never run this where anyone can reach it.
"""

from tests.kit.stage import STEPS
from tests.kit.stage import import_step

step = import_step(STEPS["06"])
app = step.create_app({"PASSWORD_HASH_METHOD": "pbkdf2:sha256:1"})
