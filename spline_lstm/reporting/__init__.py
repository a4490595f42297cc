"""Pages and tables for people: one style, one document, rendered as HTML and Markdown."""
