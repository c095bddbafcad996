"""Slow, obvious references: one module per room, the answers that the fast code must give."""
