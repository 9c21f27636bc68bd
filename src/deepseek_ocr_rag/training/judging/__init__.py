"""Judges written pages: characters, words, boxes, tables, loops, ends; also by public benchmarks."""
