# A worker, or any other command of Sheaf: docker run … sheaf harvest oda/Sag --detach
FROM node:24-slim

ENV NODE_ENV=production
WORKDIR /app

# The embedded PostgreSQL is an optional dependency of a dependency, and of no use here: DATABASE_URL is set.
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

COPY bin bin
COPY migrations migrations
COPY src src

# A named volume mounted here takes over the owner.
RUN mkdir -p /data/out && chown node:node /data/out
ENV SHEAF_OUT=/data/out
VOLUME /data/out

USER node
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/bin/sheaf"]
CMD ["worker"]
