"""What an evaluation measured: results for each example, metrics with confidence intervals, and two compared."""
