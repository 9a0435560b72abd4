"""Checks of arguments, and the messages that say what is wrong."""
