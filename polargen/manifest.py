"""The manifest of a finished data set: what it is, from what, and how to know it is whole.

`manifest.json` is written last, so a folder that has one is a finished data set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polargen.errors import ConfigError

FORMAT_VERSION = 1
FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Part:
    """One file of a table.

    Attributes:
        file: path inside the data set's folder, with forward slashes.
        group: the run of blocks it holds.
        rows, bytes: of the file.
        digest: xxh3-128 of the file's bytes, hex.
    """

    file: str
    group: int
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class BlockEntry:
    """One block's rows of a table.

    Attributes:
        block: number.
        group: whose part holds them.
        rows: of the block.
        digest: `polargen.digest.digest` of them; the same in every format.
    """

    block: int
    group: int
    rows: int
    digest: str


@dataclass(frozen=True)
class TableEntry:
    """One table: its rows, the digest over its blocks, its files and its blocks in order."""

    rows: int
    digest: str
    parts: tuple[Part, ...] = ()
    blocks: tuple[BlockEntry, ...] = ()


@dataclass(frozen=True)
class LabelCount:
    """Rows that an anomaly could befall, and rows that it befell."""

    eligible: int
    labelled: int


@dataclass(frozen=True)
class Manifest:
    """Everything that is known of a finished data set.

    Attributes:
        polargen: version that made it.
        plan_hash: of the plan; equal plans make equal data.
        scenario, config: resolved, so that the run can be repeated.
        seed: of the run.
        libraries: versions in use; they do not change content.
        format, compression: of the parts.
        tables: by name, in the order of the schema.
        labels: by anomaly type.
        notes: what could not be met, in sentences.
        timings: seconds by phase.
        keys: how they are stored, where they are not the generated numbers; see
            `polargen.keys.Keys`.
        partial: why this is no whole run, in words that follow "it"; "" for one.
        format_version: of this file.
    """

    polargen: str
    plan_hash: str
    scenario: Mapping[str, Any]
    config: Mapping[str, Any]
    seed: int
    libraries: Mapping[str, str]
    format: str
    tables: Mapping[str, TableEntry]
    compression: str | None = None
    labels: Mapping[str, LabelCount] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    partial: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Return the manifest as JSON text that ends with a newline."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = FILE_NAME) -> Manifest:
        """Read a manifest strictly.

        Args:
            text: JSON.
            where: file, for messages.

        Raises:
            ConfigError: the text is no JSON, of another format version, or has a wrong field.
        """
        # pydantic costs a third of a second at import; only readers need it
        from pydantic import TypeAdapter, ValidationError

        try:
            document = json.loads(text)
        except ValueError as error:
            raise ConfigError(
                f"{where}: no valid JSON ({error}); the data set is damaged, generate it again"
            ) from None
        version = document.get("format_version") if isinstance(document, dict) else None
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{where}: format_version is {version!r}, this polargen reads {FORMAT_VERSION}; "
                "use the version that wrote it"
            )
        adapter = TypeAdapter(cls)
        try:
            return adapter.validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(str(step) for step in first["loc"]) or "document"
            raise ConfigError(
                f"{where}: {path}: {first['msg']}; the data set is damaged, generate it again"
            ) from None

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a data set's folder.

        Raises:
            ConfigError: the folder is missing, holds no manifest, or a wrong one.
        """
        path = folder / FILE_NAME
        if not folder.is_dir():
            raise ConfigError(f"{folder} does not exist or is no folder: name a data set's folder")
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigError(
                f"{folder} has no {FILE_NAME}: not a finished polargen data set"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None
        return cls.from_json(text, str(path))
