"""Schoolbell's server: decides who is told what changed at school, and tells them."""
