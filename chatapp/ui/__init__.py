"""The page. The only room that knows Gradio, HTML, CSS and JavaScript."""
