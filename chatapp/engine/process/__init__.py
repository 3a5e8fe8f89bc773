"""The supervised engine: started, warmed up, watched, reaped."""
