# The published images, made from the binaries that the release built and tested: `--target probe` (one static binary, nothing else)
# and `--target ci` (the same binary with a shell, for GitLab, Jenkins and other runners that start a job's script in the image).
FROM alpine:3.22@sha256:14358309a308569c32bdc37e2e0e9694be33a9d99e68afb0f5ff33cc1f695dce AS ci
ARG TARGETARCH
COPY --chmod=0755 dist/k8sverify-linux-$TARGETARCH /usr/local/bin/k8sverify
USER 65532:65532
CMD ["/bin/sh"]

FROM scratch AS probe
ARG TARGETARCH
COPY --chmod=0755 dist/k8sverify-linux-$TARGETARCH /k8sverify
USER 65532:65532
ENTRYPOINT ["/k8sverify"]
