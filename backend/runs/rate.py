"""How fast a session goes, from the batches and layers it did itself."""

from __future__ import annotations


class Rate:
    """Texts and tokens per second over the batches of this session."""

    def __init__(self) -> None:
        self._texts = 0
        self._tokens = 0
        self._seconds = 0.0

    def add(self, texts: int, tokens: int, seconds: float) -> None:
        """Count one batch, its commit included."""
        self._texts += texts
        self._tokens += tokens
        self._seconds += seconds

    @property
    def texts_per_second(self) -> float:
        """0 before the first batch."""
        return self._texts / self._seconds if self._seconds > 0 else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Real tokens, padding not counted; 0 before the first batch."""
        return self._tokens / self._seconds if self._seconds > 0 else 0.0

    def seconds_for(self, tokens: int) -> float | None:
        """Time that many tokens will take; None before the first batch."""
        return tokens / self.tokens_per_second if self.tokens_per_second > 0 else None


class LayerRate:
    """Seconds a layer takes to derive, over the layers of this session."""

    def __init__(self) -> None:
        self._layers = 0
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one layer."""
        self._layers += 1
        self._seconds += seconds

    def seconds_for(self, layers: int) -> float | None:
        """Time that many layers will take; None before the first one."""
        return layers * self._seconds / self._layers if self._layers else None
