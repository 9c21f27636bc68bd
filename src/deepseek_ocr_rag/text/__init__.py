"""Words, sentences, numbers, dates and token counts of any text."""
