"""The model's output grammar: parser, tags, runtime noise, confidence."""
