# The images of k8sverify, built from source.
#   docker build -t localhost/k8sverify:dev .               one static binary, nothing else: the probe in the cluster, the tool in a Pod
#   docker build --target ci -t localhost/k8sverify:dev-ci . the same with a small shell: a job image for GitLab, Jenkins and other runners
FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
COPY . .
# glibc, linked statically: names are resolved by the tool itself, so NSS is never asked.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" cargo build --release --locked --target "$target" \
 && cp "target/$target/release/k8sverify" /k8sverify

FROM alpine:3.22@sha256:14358309a308569c32bdc37e2e0e9694be33a9d99e68afb0f5ff33cc1f695dce AS ci
COPY --from=build /k8sverify /usr/local/bin/k8sverify
USER 65532:65532
CMD ["/bin/sh"]

FROM scratch
COPY --from=build /k8sverify /k8sverify
USER 65532:65532
ENTRYPOINT ["/k8sverify"]
