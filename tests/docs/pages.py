"""The pages of the documentation, and the shell commands on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    content: str


@dataclass(frozen=True, slots=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def blocks(self) -> list[Block]:
        return [Block(found["language"], found["content"]) for found in _FENCE.finditer(self.text)]

    @property
    def make_commands(self) -> list[str]:
        """The lines that run `make`."""
        return [line for block in self._shell for line in block.content.splitlines() if line.startswith("make")]

    @property
    def script(self) -> str:
        """Every other shell command, in its order, as one script."""
        lines = [line for block in self._shell for line in block.content.splitlines() if not line.startswith("make")]
        return "\n".join(lines)

    @property
    def _shell(self) -> list[Block]:
        return [block for block in self.blocks if block.language == "sh"]


def pages() -> list[Page]:
    return [Page(path) for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))]
