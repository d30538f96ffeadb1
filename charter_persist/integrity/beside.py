"""What lies beside a ledger must be named by it: an upload that no object names after a day is left over.

Cost: one listing of what lies beside, and a look-up for each chunk of what is old in it. Imports ``unit_of_work``,
``backends.contract`` and ``errors``. Source: CCOS-3.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from charter_persist.backends.contract import OBJECT
from charter_persist.integrity.collected import Findings
from charter_persist.unit_of_work import ReadView

CHUNK: Final = 500


def check_beside(view: ReadView, findings: Findings) -> None:
    """Report each upload that is older than a day and that no object of the view names.

    Raises:
        BackendError: what lies beside cannot be listed.
    """
    kept = view.contents.abandoned()
    while chunk := list(islice(kept, CHUNK)):
        digests = [(bytes.fromhex(found.content_hash),) for found in chunk]
        named = {row.digest.hex() for row in view.rows.get_many(OBJECT, digests)}
        for found in chunk:
            if found.content_hash not in named:
                findings.add(
                    "ORPHANED_CONTENT",
                    f"blobs/{found.content_hash}",
                    f"{found.size} bytes were uploaded more than a day ago and no object names them; "
                    "remove them if no other store and no other copy of this one does",
                )
