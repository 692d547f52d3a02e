# The image of k8sverify: one static binary, nothing else. It runs as the probe in the cluster and as the tool in a Pod.
#   docker buildx build --platform linux/amd64,linux/arm64 -t ghcr.io/k8sverify/k8sverify:VERSION .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# glibc, linked statically: names are resolved by the tool itself, so NSS is never asked.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
 && cp "target/$target/release/k8sverify" /k8sverify

FROM scratch
COPY --from=build /k8sverify /k8sverify
USER 65532:65532
ENTRYPOINT ["/k8sverify"]
