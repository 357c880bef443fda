# The service and the operator's verbs in one image: `docker run dossier` serves, `docker run dossier migrate` migrates.
# How to run it: docs/operating.md, "Containers".
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
# Both for a package index of one's own; pip reads them from the environment and has defaults.
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
WORKDIR /build
# There is one lock. All that it names is fetched and held against its hashes, what developers need included; only what
# the project itself depends on is then installed, and from nowhere else.
COPY requirements.txt ./
RUN python -m pip download --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt --dest wheels
COPY pyproject.toml README.md LICENSE settings.py ./
COPY api api
COPY cli cli
COPY db db
COPY domain domain
COPY ledger ledger
COPY projections projections
RUN python -m venv --without-pip /opt/dossier \
    && python -m pip --python /opt/dossier/bin/python install --quiet --disable-pip-version-check \
        --no-index --find-links wheels .

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 dossier \
    && useradd --uid 10001 --gid dossier --home-dir /var/lib/dossier --no-create-home --shell /usr/sbin/nologin dossier \
    && install --directory --owner=dossier --group=dossier --mode=0700 /var/lib/dossier
COPY --from=build /opt/dossier /opt/dossier
# Containers start together, so the service gives its database a while.
ENV PATH=/opt/dossier/bin:$PATH \
    DOSSIER_DATA=/var/lib/dossier \
    DOSSIER_HOST=0.0.0.0 \
    DOSSIER_PORT=8000 \
    DOSSIER_DATABASE_WAIT_SECONDS=60
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
# The keys: without them nothing in the database can be read. They must outlive every container.
VOLUME /var/lib/dossier
WORKDIR /var/lib/dossier
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 CMD ["python", "-c", "\
import http.client, os, sys; \
service = http.client.HTTPConnection('127.0.0.1', int(os.environ['DOSSIER_PORT']), timeout=4); \
service.request('GET', '/readyz'); \
sys.exit(service.getresponse().status != 200)"]
ENTRYPOINT ["dossier"]
CMD ["serve"]
