"""Telling gateways what to do, in Envoy's own protocol: messages, snapshots and the service that streams them."""
