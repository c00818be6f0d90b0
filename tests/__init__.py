"""Tests of Crontopus."""
