"""What people read, from Fluent files, one a language: notifications and explanations."""

from schoolbell_server.texts.explanations import Explanations
from schoolbell_server.texts.render import Text, Texts

__all__ = ["Explanations", "Text", "Texts"]
