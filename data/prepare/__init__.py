"""Codes a collection of videos anew, once, so that training reads it fast."""
