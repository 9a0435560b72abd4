"""Checkpoints: whole models written into files, and compared with what a plan draws."""
