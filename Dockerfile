# agora-token-fcgi with nginx before it, in one container:
#
#     docker build -t agora-token-fcgi .
#     docker run -p 8080:8080 -e APP_ID=… -e APP_CERTIFICATE=… agora-token-fcgi
#
# Settings come from the environment alone, as .env.example explains them; the
# container refuses to start without an App ID and a certificate. It listens on
# PORT, which hosts such as Render, Railway and Heroku set.

# Another copy of the same image, from a mirror say. The libraries below are named as in Debian 12.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
# The same script as on a developer's machine, so there is one list of packages.
RUN apt-get update && apt-get install -y --no-install-recommends make
COPY conf/local/packages conf/local/
RUN conf/local/packages run
COPY Makefile ./
COPY include include
COPY src src
RUN make && strip build/release/agora-token-fcgi

FROM ${BASE}
# curl asks whether the service is up. The policy keeps Debian from starting
# nginx as a service while it is installed.
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
    && apt-get update \
    && apt-get install -y --no-install-recommends \
        nginx-light curl libfcgi0ldbl libjson-c5 libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*

# No .env.example, so nothing falls back to the sample project.
WORKDIR /opt/agora-token-fcgi
COPY conf/local/serve conf/local/nginx.conf conf/local/
COPY conf/nginx conf/nginx
COPY --from=build /src/build/release/agora-token-fcgi build/release/

# A number, for hosts that check that it is not root's.
USER 33:33
ENV PORT=8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD curl -fsS -o /dev/null -A agora-token-probe "http://127.0.0.1:${PORT}/ping"
ENTRYPOINT ["/opt/agora-token-fcgi/conf/local/serve"]
