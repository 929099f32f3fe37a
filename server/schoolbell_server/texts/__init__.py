"""What a family reads: rendered from Fluent files, one a language."""

from schoolbell_server.texts.render import Text, Texts

__all__ = ["Text", "Texts"]
