"""What a business saw of the versions that answered: read, joined to the arm of a user or a request, and summed up."""
