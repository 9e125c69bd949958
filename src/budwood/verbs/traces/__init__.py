"""What can be asked about traces. Many writes give what a transaction is to run: others group them."""
