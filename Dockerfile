# syntax=docker/dockerfile:1
# The runnable project as an image for web, worker and beat: docs/how-to/containers.md.

FROM node:24-bookworm-slim AS bundle
WORKDIR /src/dfns_login/client
COPY dfns_login/client/package.json dfns_login/client/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY dfns_login/client ./
COPY dfns_login/static/dfns_login ../static/dfns_login
RUN node build.mjs

FROM python:3.13-slim-bookworm AS packages
COPY requirements/server.txt /tmp/server.txt
RUN python -m venv --without-pip /srv/login/.venv \
    && pip --python /srv/login/.venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --only-binary=:all: --require-hashes --requirement /tmp/server.txt

FROM python:3.13-slim-bookworm
RUN groupadd --system --gid 10001 login \
    && useradd --system --uid 10001 --gid login --no-create-home --home-dir /nonexistent login
ENV PATH=/srv/login/.venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /srv/login
COPY --from=packages /srv/login/.venv .venv
COPY manage.py ./
COPY templates templates
COPY project project
COPY dfns_login dfns_login
COPY --from=bundle /src/dfns_login/static/dfns_login/dist dfns_login/static/dfns_login/dist
# Settings are required, and collecting uses none of them.
ENV STATIC_ROOT=/srv/login/static
RUN DEBUG=1 DATABASE_URL=sqlite://:memory: python manage.py collectstatic --noinput
# Processes cannot write below /srv/login, so bytecode is compiled here.
RUN python -m compileall -q .venv/lib project dfns_login
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "project.wsgi", "--bind", "0.0.0.0:8000", "--workers", "4", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
HEALTHCHECK --start-period=20s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
