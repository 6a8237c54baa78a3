"""Conversations to train on, written by a grammar of our own."""
