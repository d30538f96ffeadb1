"""Recording that fsck ran; never done by fsck itself, which writes nothing.

Cost: one unit with one audit event. Imports ``unit_of_work``, ``model`` and ``integrity.fsck``. Source: GOV-11.
"""

from __future__ import annotations

from charter_persist.integrity.fsck import FsckReport
from charter_persist.model.area import GLOBAL
from charter_persist.unit_of_work import Receipt, Units


def record_fsck(store: Units, report: FsckReport, *, store_id: str, actor: str | None = None) -> Receipt | None:
    """Append one GLOBAL event ``FSCK_EXECUTED`` in a unit of its own; durable when this returns.

    Args:
        store: that was checked.
        report: what fsck saw.
        store_id: identity of the store.
        actor: who ran it.

    Returns:
        The receipt.

    Raises:
        BackendError: the store could not be written.

    Spec: GOV-11
    """
    objects = report.objects
    details = {
        "findings": dict(report.counts),
        "level": str(report.level),
        "objects": {"broken": objects.broken, "reachable": objects.reachable, "unattached": objects.unattached},
        "revision": report.revision,
        "root": report.root.hex(),
        "size": report.size,
    }
    with store.begin() as uow:
        uow.audit.append("FSCK_EXECUTED", scope=GLOBAL, subject=("store", store_id), actor=actor, details=details)
    return uow.receipt
