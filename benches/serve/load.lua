-- What wrk sends: a recommendation for a random user; in a mixed load every tenth request is a click.
kind, connections = "recommend", "1"
local threads = {}

function setup(thread)
  thread:set("seed", #threads + 1)
  table.insert(threads, thread)
end

function init(args)
  kind = args[1] or kind
  connections = args[2] or connections
  math.randomseed(seed)
  wrk.headers["content-type"] = "application/json"
end

function request()
  local user = math.random(1, 6040)
  if kind == "mixed" and math.random() < 0.1 then
    local body = string.format('{"user_id":"%d","item_id":"%d"}', user, math.random(1, 3000))
    return wrk.format("POST", "/v1/tables/clicks/rows", nil, body)
  end
  local body = string.format(
    '{"table":"movies","for":{"user":"%d"},"using":[{"model":"taste"}],"columns":["id","score"],"limit":10}', user)
  return wrk.format("POST", "/v1/recommend", nil, body)
end

function done(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("| %s | %s | %.0f | %.2f | %.2f | %.2f | %d |\n",
    threads[1]:get("kind") or "?", threads[1]:get("connections") or "?",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency:percentile(99.9) / 1000, errors))
end
