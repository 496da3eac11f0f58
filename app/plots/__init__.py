# Plotly looks at pandas wherever another thread has begun to import it, done or not: of eight people who came at once
# to a server that had just started, two were shown an error.
import pandas  # noqa: F401
