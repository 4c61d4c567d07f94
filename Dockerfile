# One image for both programs: `serve` and `operator` are arguments.
#
#   docker build -t ne-registry .                        builds the bundle in a stage of its own
#   docker build --target prebuilt -t ne-registry .      takes dist/ as `npm run bundle` left it, and needs no network
#
# BASE: any image with Node 26 on the PATH, glibc and CA certificates; no shell is needed in it.
ARG BASE=docker.io/library/node:26-slim
ARG BUILDER=docker.io/library/node:26-slim

FROM ${BASE} AS base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="NE Registry" \
      org.opencontainers.image.description="A Kubernetes operator plus an in-cluster OCI registry" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The memory settings are those of bin/settings.js, which says why.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072 PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 65532:65532
WORKDIR /app
EXPOSE 5000 9090
ENTRYPOINT ["node", "--max-semi-space-size=1", "--v8-pool-size=1", "/app/ne-registry.js"]
CMD ["version"]

FROM base AS prebuilt
COPY dist/ /app/

FROM ${BUILDER} AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY src/ src/
COPY build/ build/
# By the Node of the image, which finds what was compiled only where it is its own.
RUN node build/bundle.ts

FROM base
COPY --from=build /src/dist/ /app/
