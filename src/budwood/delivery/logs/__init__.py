"""What a gateway writes, on its way to be counted: its files, the pieces they are sent in, and who sends them."""
