# syntax=docker/dockerfile:1
# docker build -t mtbridge .
# docker run -d --name mtbridge -p 443:8787 -v mtbridge:/data -v /etc/mtbridge/tls:/tls:ro \
#   -e MTBRIDGE_TLS__CERT_FILE=/tls/fullchain.pem -e MTBRIDGE_TLS__KEY_FILE=/tls/privkey.pem mtbridge
# Without TLS the hub does not start: it listens off loopback in here. Behind a proxy container set MTBRIDGE_HTTP__TRUSTED_PROXIES
# to the proxy's own address instead, for instance ["172.28.0.10/32"], never to a whole network: Docker's gateway is in it, and with that
# every client of a published port. docs/operations.md has a compose file.

FROM node:20-bookworm-slim AS dashboard
WORKDIR /src/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY docs/openapi.json ../docs/openapi.json
COPY dashboard ./
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
# ring and zstd bring C sources; the image has gcc and the headers of the C library.
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY tools tools
COPY benches benches
COPY tests tests
COPY config config
COPY README.md ./
COPY --from=dashboard /src/dashboard/dist dashboard/dist
ENV REQUIRE_DASHBOARD=1
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin mtbridge && cp target/release/mtbridge /mtbridge

FROM debian:bookworm-slim
# The roots are for `mtbridge simulate` and the other commands that dial; curl is for the health check.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin mtbridge \
    && install -d -o mtbridge -g mtbridge -m 0700 /data
COPY --from=build /mtbridge /usr/local/bin/mtbridge
USER mtbridge
ENV MTBRIDGE_LISTEN=0.0.0.0:8787 MTBRIDGE_DATA_DIR=/data MTBRIDGE_LOG_FORMAT=json
VOLUME /data
EXPOSE 8787
# The hub takes up to 10 seconds for a graceful stop, which is Docker's patience too: docker stop --time 15 leaves room.
STOPSIGNAL SIGTERM
# Alive, not ready: a hub that cannot record still shows who is connected, and a restart is the operator's decision.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD curl -fsSk "https://127.0.0.1:8787/healthz" || curl -fsS "http://127.0.0.1:8787/healthz" || exit 1
ENTRYPOINT ["/usr/local/bin/mtbridge"]
CMD ["serve"]
