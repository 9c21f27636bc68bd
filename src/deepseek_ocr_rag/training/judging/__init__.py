"""Judges what is written: characters, words, boxes, tables, loops, ends; and public benchmarks."""
