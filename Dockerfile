# The server without training packages: the weak model is a server of its own (compose.yaml), the strong one an endpoint.
# With a weak model in process, build with --build-arg EXTRAS=serve,train; with serve.trace, EXTRAS=serve,otel.
FROM python:3.12-slim

ARG EXTRAS=serve
# There is no git here to say it: --build-arg VERSION="$(git describe --tags)"
ARG VERSION=0.0
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements/test.txt ./
COPY src src
COPY recipes recipes
RUN SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION" pip install --constraint test.txt ".[${EXTRAS}]" && useradd --create-home --uid 10001 cowest

USER 10001
WORKDIR /work
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# Not a shell: SIGTERM must reach the server, which then drains.
ENTRYPOINT ["cowest", "serve"]
CMD ["recipe.yaml", "--host", "0.0.0.0", "--port", "8000"]
