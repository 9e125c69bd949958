"""Where the bytes of versions lie: hot, warm or cold. Values, the rules that decide, and what it costs."""
