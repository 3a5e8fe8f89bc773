"""One module per pane: values in, markup out."""
