"""What fits on a card, and how an engine is set up for it. Pure but for the planner."""
