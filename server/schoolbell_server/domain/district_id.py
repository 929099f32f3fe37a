"""What a district id looks like."""

from __future__ import annotations

import re

MIN_ID, MAX_ID = 3, 63  # characters
DISTRICT_ID = re.compile(rf"[a-z0-9-]{{{MIN_ID},{MAX_ID}}}", re.ASCII)
