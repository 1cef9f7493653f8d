FROM python:3.13-slim

WORKDIR /opt/artifact-store
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY registry registry
COPY backends backends
COPY config config
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
 && useradd --system --create-home --home-dir /var/lib/artifact-store artifact-store

USER artifact-store
WORKDIR /var/lib/artifact-store
ENV ARTIFACT_STORE_DATA_DIR=/var/lib/artifact-store/data \
    ARTIFACT_STORE_HOST=0.0.0.0
VOLUME /var/lib/artifact-store
EXPOSE 9000 9001
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9001/health/ready')"]
ENTRYPOINT ["artifact-store"]
CMD ["serve"]
