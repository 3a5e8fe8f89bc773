"""The web server around the page; only here is Gradio imported."""
