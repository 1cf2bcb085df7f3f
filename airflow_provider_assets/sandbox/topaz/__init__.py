"""Topaz Labs Image API (https://docs.topazlabs.com): processes, their state and their files."""
