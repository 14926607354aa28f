// The sink that an object names.
import type { AddressListSink } from "../api/kinds/address-list.ts";
import { TrunklineError } from "../base/errors.ts";
import { configMapSink } from "./config-map.ts";
import { fileSink } from "./file.ts";
import { haproxySink } from "./haproxy.ts";
import { httpSink } from "./http.ts";
import { nftSink } from "./nft.ts";
import { nginxSink } from "./nginx.ts";
import { postgresSink } from "./postgres.ts";
import { rdsSink } from "./rds.ts";
import { redisSink } from "./redis.ts";
import { securityGroupSink } from "./security-group.ts";
import type { Sink } from "./sink.ts";

/** @throws `sinks.no-type` */
export function sinkOf(spec: AddressListSink): Sink {
  const { file, nginx, haproxy, nft, postgres, configMap, http, rds, redis, securityGroup, name } = spec;
  if (file) return fileSink(file);
  if (nginx) return nginxSink(nginx);
  if (haproxy) return haproxySink(haproxy);
  if (nft) return nftSink(nft);
  if (postgres) return postgresSink(postgres);
  if (configMap) return configMapSink(configMap);
  if (http) return httpSink(http);
  if (rds) return rdsSink(rds);
  if (redis) return redisSink(redis);
  if (securityGroup) return securityGroupSink(securityGroup);
  throw new TrunklineError("sinks.no-type", { name });
}
