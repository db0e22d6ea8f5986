"""Telling people what happened: what is told, in which words, and how it reaches them."""
