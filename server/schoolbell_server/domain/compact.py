"""Compact JSON, as facts, keys and records are stored: no space, texts as they are."""

from __future__ import annotations

import json

# `json.dumps` with options of its own makes an encoder on every call.
encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
