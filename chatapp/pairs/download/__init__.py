"""How a pair gets here."""
