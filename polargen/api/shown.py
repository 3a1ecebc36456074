"""Jobs as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polargen.api import names
from polargen.api.finished import target
from polargen.jobs import JobRecord


def status(record: JobRecord) -> dict[str, Any]:
    """Return the status object of a job."""
    result = dict(record.result or {})
    report = result.pop("verification", None)
    return {
        **record.to_dict(),
        "target": target(record),
        "result": None if record.result is None else {**result, "verified": report is not None},
        "message": (record.error or {}).get("message"),
        "progress": _progress(record.progress or {}, record),
    }


def event_id(record: JobRecord) -> str:
    """Return the id of the event that tells how a job is now; later ones are greater."""
    return f"{record.updated_at}-{record.status}"


def records(record: JobRecord | None) -> int:
    """Return the records that a job has made so far."""
    known = {} if record is None else record.progress or {}
    return sum(known.get("recordsGenerated", {}).values())


def _progress(known: Mapping[str, Any], record: JobRecord) -> dict[str, Any]:
    percent = int(known["progressPercent"])
    return {
        **known,
        "status": record.status,
        "progressPercent": percent if record.status == "completed" else min(percent, 99),
        "currentEntity": names.entity(known["currentEntity"]),
        "recordsGenerated": names.entities(known["recordsGenerated"]),
    }
