"""The least a Streamlit page can do on a slider's move: draw one heatmap of its value."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

st.set_page_config(layout="wide")
st.title("Bare page")
value = st.slider("Value", 0.0, 1.0, 0.0, step=0.005)
rows = [[value + (i * j) % 7 / 10 for i in range(40)] for j in range(40)]
st.plotly_chart(go.Figure(go.Heatmap(z=rows)), key="heatmap")
