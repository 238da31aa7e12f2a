# Two images:
#
#     docker build --target responder .    the responder alone, for a web server elsewhere:
#                                          FastCGI on port 9000
#     docker build .                       nginx before it: HTTP on PORT, 8080 unless hosts such as
#                                          Heroku, Railway and Render say otherwise
#
# Settings come from the environment alone, as .env.example explains them; without an App ID and a
# certificate neither starts. conf/container/README.md shows how to run them. Podman and Buildah leave out
# the HEALTHCHECK unless they are given --format docker.

# Another copy of the same image, from a mirror say. The libraries below are named as in Debian 12.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
# The same script as on a developer's machine, so there is one list of packages.
RUN apt-get update && apt-get install -y --no-install-recommends make
COPY conf/local/packages conf/local/
RUN conf/local/packages build
COPY Makefile ./
COPY include include
COPY src src
RUN make -j "$(nproc)" build/release/agora-token-fcgi build/release/agora-token-jwks \
    && strip build/release/agora-token-fcgi build/release/agora-token-jwks

# Debian's own libraries rather than a static program: they are small, and rebuilding the image brings
# their security fixes. What only people and compilers read is kept out.
FROM ${BASE} AS runtime
RUN printf 'path-exclude=/usr/%s/*\n' include share/doc share/man share/locale share/lintian \
        >/etc/dpkg/dpkg.cfg.d/unread \
    && printf '%s\n' 'path-include=/usr/share/doc/*/copyright' 'path-exclude=/usr/share/doc/*/*/*' \
        >>/etc/dpkg/dpkg.cfg.d/unread \
    && apt-get update \
    && apt-get install -y --no-install-recommends \
        spawn-fcgi libfcgi0ldbl libjson-c5 libssl3 zlib1g libcurl4 ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*

# No .env.example, so nothing falls back to the sample project.
WORKDIR /opt/agora-token-fcgi
COPY conf/local/probe conf/local/
# A policy of access control may stand beside the schema: conf/access/access.json.
COPY conf/access/*.json conf/access/
COPY --from=build /src/build/release/agora-token-fcgi /src/build/release/agora-token-jwks /usr/local/bin/

FROM runtime AS responder
# A number, for hosts that check that it is not root's. It is www-data's.
USER 33:33
EXPOSE 9000
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD ["/opt/agora-token-fcgi/conf/local/probe", "fastcgi", "9000", "/readyz"]
# spawn-fcgi opens the port and then becomes the responder, which so gets the container's signals.
ENTRYPOINT ["spawn-fcgi", "-n", "-p", "9000", "--", "/usr/local/bin/agora-token-fcgi"]

FROM runtime
# The policy keeps Debian from starting nginx as a service while it is installed.
RUN printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d \
    && apt-get update \
    && apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY conf/local/serve conf/local/nginx.conf conf/local/
COPY conf/nginx/responder.conf conf/nginx/log.conf conf/nginx/

USER 33:33
ENV AGORA_TOKEN_FCGI=/usr/local/bin/agora-token-fcgi
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
    CMD /opt/agora-token-fcgi/conf/local/probe http "${PORT:-${SERVER_PORT:-8080}}" /readyz
# Both, since Heroku takes no image without a CMD and would run it by a shell without an ENTRYPOINT.
ENTRYPOINT ["/opt/agora-token-fcgi/conf/local/serve"]
CMD ["--reload"]
