# The dashboard and a worker in a container.
#   docker build -t steerscope .                          for CPUs
#   docker build -t steerscope --build-arg DEVICE=gpu .   for NVIDIA GPUs; run it with --gpus all
#   docker run -p 127.0.0.1:8501:8501 -v steerscope:/data steerscope \
#     serve --address 0.0.0.0 --insecure                  reached from this machine alone
# Without arguments it starts if log-in is set up, and says how otherwise (docs/trust.md).
FROM python:3.11-slim

ARG DEVICE=cpu
WORKDIR /opt/steerscope
COPY requirements.txt .
# torch first: from the general index it brings gigabytes for GPUs.
RUN set -eu; \
    case "$DEVICE" in \
      cpu) index=https://download.pytorch.org/whl/cpu ;; \
      gpu) index=https://pypi.org/simple ;; \
      *) echo "DEVICE=$DEVICE: cpu or gpu is expected" >&2; exit 1 ;; \
    esac; \
    pip install --no-cache-dir --index-url "$index" "$(grep '^torch==' requirements.txt)"; \
    pip install --no-cache-dir -r requirements.txt

COPY app.py .
COPY .streamlit .streamlit
COPY backend backend
COPY pages pages
RUN python -m compileall -q app.py backend pages \
    && useradd --create-home --uid 1000 steerscope \
    && install -d -o steerscope /data

USER steerscope
ENV STEERSCOPE_CACHE=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8501
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8501), 3).close()"]
ENTRYPOINT ["python", "-m", "backend"]
CMD ["serve", "--address", "0.0.0.0"]
