"""Tests: laws first, then bugs, then honest end-to-end runs. No network."""
