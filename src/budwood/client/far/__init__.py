"""A registry behind a URL: the same verbs over HTTP, by the same table of routes that the server is built from."""
