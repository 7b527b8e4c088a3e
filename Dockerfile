# opsbot in a container. It talks to gateways and serves its page on loopback addresses, so run it in the host's network:
#
#   docker build -t opsbot .
#   docker run -d --name opsbot-alice --network host --restart unless-stopped --stop-timeout 30 \
#       --user "$(id -u):$(id -g)" -e WECHATY_TOKEN -e OPSBOT_PAIR_KEY \
#       -v "$PWD/config:/config:ro" -v "$PWD/state:/state" -v "$PWD/operations:/operations:ro" -v "$PWD/logs:/logs" opsbot
#
# In the configuration: state_dir: /state, operation_dirs: [/operations], log.file and sources below /logs.
# The build runs these steps; tests/integration/test_install_steps.py runs the same ones without an engine.
FROM python:3.13-slim

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY opsbot ./opsbot
COPY operations ./operations
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[apprise,fast]'

# Not root: nothing in here needs it. The volumes belong to that user; another one can be given with --user.
RUN useradd --system --uid 10001 --user-group --home-dir /state --shell /usr/sbin/nologin opsbot \
    && install -d -m 0755 -o opsbot -g opsbot /config /operations /logs \
    && install -d -m 0700 -o opsbot -g opsbot /state
USER opsbot
WORKDIR /config
VOLUME ["/config", "/state", "/operations"]

# No HEALTHCHECK: which port answers is the configuration's choice. With a local channel on 8010:
#   --health-cmd "python -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:8010/healthz\")'"
STOPSIGNAL SIGTERM
ENTRYPOINT ["opsbot"]
CMD ["run", "-c", "/config/config.yaml"]
