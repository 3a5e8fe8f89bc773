"""The dialogues that the pocket pair learns from, generated from tables and topics."""

from chatapp.training.dialogues.dialogue import dialogue, dialogues, held_out_questions
from chatapp.training.dialogues.topics import LANGUAGES, Topic, Turn, topics

__all__ = [
    "LANGUAGES",
    "Topic",
    "Turn",
    "dialogue",
    "dialogues",
    "held_out_questions",
    "topics",
]
