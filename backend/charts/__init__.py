"""Plotly figures from query results; no streamlit, tested by their data."""
