"""Target, draft, tokenizer as torch modules."""
