"""What page and terminal both use: it runs the engine, pairs, experiments and replies."""
