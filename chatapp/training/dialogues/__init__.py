"""The dialogues that the pocket pair learns from, generated from tables and topics."""

from chatapp.training.dialogues.dialogue import dialogue, dialogues, held_out_questions
from chatapp.training.dialogues.topics import LANGUAGES, DrawnTurn, Topic, topics

__all__ = [
    "LANGUAGES",
    "Topic",
    "DrawnTurn",
    "dialogue",
    "dialogues",
    "held_out_questions",
    "topics",
]
