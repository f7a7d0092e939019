# syntax=docker/dockerfile:1
FROM rust:1.95-bookworm AS build
WORKDIR /parlour
COPY . .
# The caches outlive the build; the binary has to leave them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/parlour/target \
    cargo build --release --locked && cp target/release/parlour /usr/local/bin/parlour

FROM debian:bookworm-slim
# TLS to databases, stores and issuers needs the roots.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /data --shell /usr/sbin/nologin parlour \
    && install -d -o parlour -g parlour /data
COPY --from=build /usr/local/bin/parlour /usr/local/bin/parlour
USER parlour
# All state of a single node: the database, the media, and in development the generated secret.
VOLUME /data
ENV HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD ["parlour", "healthcheck"]
ENTRYPOINT ["parlour"]
