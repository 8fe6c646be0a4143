# syntax=docker/dockerfile:1
#
#   docker build -t nyc-taxi-etl .                         the program alone: 80 MB, no shell, not root
#   docker build -t nyc-taxi-worker --target worker .      a Prefect worker that starts it
#
#   docker run --rm -v nyc-taxi-data:/home/nonroot/data nyc-taxi-etl run etl-web-to-gcs --source sample

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --profile dist --locked --bin taxi \
    && install -D target/dist/taxi /image/taxi \
    && mkdir -p /image/data \
    && cp -r data/sample /image/data/


FROM prefecthq/prefect:3.8.8-python3.12 AS worker
RUN useradd --create-home --uid 65532 nonroot
COPY --from=build /image/taxi /usr/local/bin/taxi
COPY --from=build --chown=65532:65532 /image/data /home/nonroot/data
USER nonroot
WORKDIR /home/nonroot
VOLUME /home/nonroot/data
CMD ["prefect", "worker", "start", "--pool", "nyc-taxi"]


# glibc, libgcc and the certificates of the web, and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/taxi /usr/local/bin/taxi
COPY --from=build --chown=65532:65532 /image/data /home/nonroot/data
WORKDIR /home/nonroot
VOLUME /home/nonroot/data
ENTRYPOINT ["taxi"]
CMD ["--help"]
