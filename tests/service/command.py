"""The `schoolbell` command as a person runs it."""

from __future__ import annotations

import os
import sys

from schoolbell.v1 import access_service_pb2 as access
from tests.programs import Ended, run
from tests.service.whole import DISTRICT, Whole


async def schoolbell(service: Whole, role: access.Role.ValueType, *arguments: str) -> Ended:
    """Run the command as a caller of a role."""
    connection = service.connection(role)
    environment = {
        **os.environ,
        "SCHOOLBELL_TARGET": connection.target,
        "SCHOOLBELL_KEY": connection.key,
        "SCHOOLBELL_CA_FILE": str(service.config.server.data_dir / "tls" / "ca.pem"),
        "SCHOOLBELL_DISTRICT": DISTRICT,
        "SCHOOLBELL_PROFILES": str(service.config.server.data_dir / "profiles"),
        "COLUMNS": "200",
    }
    return await run(sys.executable, "-m", "schoolbell", *arguments, env=environment)
