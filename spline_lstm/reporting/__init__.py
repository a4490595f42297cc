"""One kit for everything that people read: figures, and documents rendered as HTML and Markdown."""
