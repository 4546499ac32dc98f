/** A whole cluster on this machine, from nothing: PostgreSQL, Redis, servers, nginx. */
import { readFileSync } from 'node:fs';
import { findPrograms } from './programs.mjs';
import {
  Place,
  connectPostgres,
  makeNginx,
  makePostgres,
  makeRedis,
  makeServer,
} from './services.mjs';

const SCHEMA = new URL('schema.sql', import.meta.url);

export class Cluster {
  /**
   * @param {object} [options]
   * @param {number} [options.servers] how many server processes
   * @param {string} [options.app] module of the servers' application
   * @param {number} [options.application] port of what is not ShareDB, behind nginx
   * @param {number} [options.port] nginx's; 0 takes any free one
   * @param {number} [options.shutdownSeconds] how long nginx's old workers keep their sockets
   * @param {Record<string, string>} [options.env] of the servers
   * @param {(line: string) => void} [options.log]
   */
  static async start(options = {}) {
    const cluster = new Cluster();
    try {
      await cluster.#start(options);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  #services = [];

  async #start({ servers = 2, app, application = 9, port = 0, shutdownSeconds, env, log }) {
    const programs = findPrograms();
    this.place = new Place();
    const context = { programs, place: this.place, log };
    this.postgres = await this.#run(makePostgres(context));
    const client = await this.connect();
    await client.query(readFileSync(SCHEMA, 'utf8'));
    await client.end();
    this.redis = await this.#run(makeRedis(context));
    this.servers = [];
    for (let number = 1; number <= servers; number += 1) {
      const of = { number, postgres: this.postgres, redis: this.redis, app, env };
      this.servers.push(await this.#run(makeServer(context, of)));
    }
    const ports = {
      servers: this.servers.map(({ port }) => port),
      application,
      port,
      shutdownSeconds,
    };
    this.nginx = await this.#run(makeNginx(context, ports));
  }

  async #run(making) {
    const service = await making;
    this.#services.push(service);
    await service.start();
    return service;
  }

  /** Where pages are, and what else is before the servers. */
  get url() {
    return this.nginx.url;
  }

  /** Where clients connect. */
  get socketUrl() {
    return `${this.nginx.url.replace('http', 'ws')}/sharedb`;
  }

  /** A client of PostgreSQL; the caller ends it. */
  connect() {
    return connectPostgres(this.postgres.client);
  }

  /** Ends everything, what nobody waits for first, and deletes what it wrote. */
  async stop() {
    for (const service of this.#services.reverse()) {
      // PostgreSQL waits for its clients at SIGTERM.
      const signal =
        { postgres: 'SIGINT', nginx: 'SIGTERM', redis: 'SIGTERM' }[service.name] ?? 'SIGKILL';
      if (service.runs) await service.stop(signal);
    }
    this.place?.remove();
  }
}
