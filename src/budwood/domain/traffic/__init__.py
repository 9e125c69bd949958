"""Where requests go: endpoints, arms and splits. Values and rules only; who carries them out is in ``delivery``."""
