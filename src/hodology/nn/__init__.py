"""Shared engine for trained networks: sites, taps, attribution along lines, compact models and the fit loop."""
