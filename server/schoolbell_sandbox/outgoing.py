"""Bodies on their way to a client that may not have room for them yet."""

from __future__ import annotations

from dataclasses import dataclass

from h2.connection import H2Connection

from schoolbell_sandbox.effect import Effect


@dataclass(slots=True)
class _Body:
    frames: list[bytes]
    padding: int
    trailers: bool


class OutgoingBodies:
    """Sends bodies as the client's flow-control windows allow."""

    def __init__(self, h2: H2Connection) -> None:
        self._h2 = h2
        self._waiting: dict[int, _Body] = {}

    def __bool__(self) -> bool:
        """Whether a body is still waiting."""
        return bool(self._waiting)

    def start(self, stream_id: int, body: bytes, effect: Effect | None) -> None:
        """Send a body, or as much of it as fits now."""
        if effect is None and len(body) <= self._room(stream_id):
            self._h2.send_data(stream_id, body, end_stream=True)
            return
        count = effect.body_frames if effect else 1
        size = max(1, -(-len(body) // count))
        frames = [body[at : at + size] for at in range(0, len(body), size)]
        padding = effect.padding if effect else 0
        self._waiting[stream_id] = _Body(frames, padding, effect is not None and effect.trailers)
        self.send()

    def send(self) -> None:
        """Send what fits into the windows now."""
        for stream_id in list(self._waiting):
            body = self._waiting[stream_id]
            self._send_frames(stream_id, body)
            if not body.frames:
                if body.trailers:
                    self._h2.send_headers(stream_id, [(b"x-trailer", b"1")], end_stream=True)
                del self._waiting[stream_id]

    def forget(self, stream_id: int) -> None:
        """Drop a body nobody waits for."""
        self._waiting.pop(stream_id, None)

    def _send_frames(self, stream_id: int, body: _Body) -> None:
        overhead = body.padding + 1 if body.padding else 0
        while body.frames:
            frame = body.frames[0]
            room = self._room(stream_id) - overhead
            if room <= 0:
                return
            part, rest = frame[:room], frame[room:]
            body.frames[:1] = [rest] if rest else []
            end = not body.frames and not body.trailers
            padding = body.padding or None
            self._h2.send_data(stream_id, part, end_stream=end, pad_length=padding)

    def _room(self, stream_id: int) -> int:
        window = self._h2.local_flow_control_window(stream_id)
        return min(window, self._h2.max_outbound_frame_size)
