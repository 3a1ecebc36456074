"""Runs the commands that the documents show, and writes what they print into the documents.

    python scripts/update_docs.py            rewrite what has changed
    python scripts/update_docs.py --check    only say what has changed; exit 1 if anything has

A fenced block marked ``console`` is run: lines that begin with ``$ `` are commands for bash, the
lines below them what they print on stdout and stderr. A line ``...`` stands for any lines. A
command without output below it must end with exit code 0; one with output may end with any.
Times, rates and sizes are not compared. All blocks of a document run in one new folder, in order;
a yaml block after "Save this as `NAME`" is a file in it.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
SHOWN_FOLDER = "/home/you"
ANY_LINES = "..."
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"Save this as\s+`([^`]+)`")
_VARIES = (
    (re.compile(r"\b[0-9][0-9.,]* rows/s"), "RATE"),
    (re.compile(r"\b[0-9][0-9.,]* (B|kB|MB|GB)(?![a-zA-Z])"), "SIZE"),
    (re.compile(r"\b[0-9][0-9.,]* (s|min|h)\b"), "TIME"),
)


@dataclass
class Shown:
    """One command and the output that the document shows below it."""

    command: str
    output: list[str]


@dataclass
class Found:
    """One command, run: what is shown, what it printed, and its exit code."""

    shown: Shown
    printed: list[str]
    code: int

    @property
    def is_true(self) -> bool:
        """Whether the document tells what happens."""
        if not self.shown.output:
            return self.code == 0
        if ANY_LINES not in self.shown.output:
            return plain(self.shown.output) == plain(self.printed)
        at = self.shown.output.index(ANY_LINES)
        head, tail = self.shown.output[:at], self.shown.output[at + 1 :]
        return (
            len(self.printed) >= len(head) + len(tail)
            and plain(head) == plain(self.printed[: len(head)])
            and plain(tail) == plain(self.printed[len(self.printed) - len(tail) :])
        )

    def update(self) -> list[str]:
        """Return what the document ought to show, with its omission kept."""
        if not self.shown.output or self.is_true:
            return self.shown.output
        if ANY_LINES not in self.shown.output:
            return self.printed
        at = self.shown.output.index(ANY_LINES)
        tail = len(self.shown.output) - at - 1
        return [*self.printed[:at], ANY_LINES, *self.printed[len(self.printed) - tail :]]


_JOB = re.compile(r"job-[0-9a-f]{8}, see polargen status")  # of no interest to who reads


def plain(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run."""
    result = []
    for line in lines:
        for pattern, word in _VARIES:
            line = pattern.sub(word, line)
        result.append(re.sub(r" +", " ", line).rstrip())
    return result


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def commands(block: str) -> list[Shown]:
    """Return the commands of a console block with what it shows below each."""
    result: list[Shown] = []
    continued = False
    for line in block.splitlines():
        if continued:
            result[-1].command += "\n" + line
        elif line.startswith("$ "):
            result.append(Shown(line[2:], []))
        else:
            result[-1].output.append(line)
        continued = line.endswith("\\") and not result[-1].output
    return result


def run(document: str, folder: Path) -> Iterator[tuple[str, list[Found]]]:
    """Yield each console block of a document and what became of its commands."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        language, body = match.groups()
        saved = _SAVED.findall(text[: match.start()].rsplit("\n\n", 2)[-2])
        if language == "yaml" and saved:
            (folder / saved[-1]).write_text(body, encoding="utf-8")
        if language == "console":
            yield body, [_run(shown, folder) for shown in commands(body)]


def _run(shown: Shown, folder: Path) -> Found:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "POLARGEN_HOME": str(folder / "state"),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "POLARS_FMT_MAX_COLS": "8",
    }
    done = subprocess.run(
        ["bash", "-c", shown.command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    printed = done.stdout.decode().replace(str(folder.resolve()), SHOWN_FOLDER)
    lines = [line for line in printed.splitlines() if not _JOB.fullmatch(line)]
    return Found(shown, lines, done.returncode)


def differences(found: Found) -> str:
    """Return what a command prints instead of what is shown, as a diff."""
    lines = difflib.unified_diff(
        plain(found.shown.output), plain(found.update()), "shown", "printed", lineterm=""
    )
    code = f"exit code {found.code}\n" if not found.shown.output else ""
    return f"$ {found.shown.command}\n{code}" + "\n".join(lines)


def update(document: str, folder: Path) -> list[str]:
    """Rewrite a document's console blocks; return the differences."""
    path = ROOT / document
    said = []
    for body, results in run(document, folder):
        said += [differences(found) for found in results if not found.is_true]
        lines = [
            line for found in results for line in (f"$ {found.shown.command}", *found.update())
        ]
        text = path.read_text(encoding="utf-8")
        new = "\n".join(lines) + "\n"
        path.write_text(text.replace(f"```console\n{body}```", f"```console\n{new}```"), "utf-8")
    return said


def main() -> int:
    """Check or rewrite all documents."""
    checking = "--check" in sys.argv[1:]
    said: list[str] = []
    for document in DOCUMENTS:
        with tempfile.TemporaryDirectory() as name:
            if checking:
                results = [found for _, many in run(document, Path(name)) for found in many]
                new = [differences(found) for found in results if not found.is_true]
            else:
                new = update(document, Path(name))
        said += [f"{document}: {text}" for text in new]
    print("\n\n".join(said) or "the documents are true")
    return 1 if said and checking else 0


if __name__ == "__main__":
    sys.exit(main())
