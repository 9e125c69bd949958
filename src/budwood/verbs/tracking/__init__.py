"""What can be asked about experiments and runs. Many writes give what a transaction is to run: others group them."""
