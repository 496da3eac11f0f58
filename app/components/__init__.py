"""What runs in the browser: each component's Python, JavaScript and style side by side."""
