import { envelope, fail, field, get, log, quoted, reply, say, stringOf } from "./interlock";

/** Turns what people write so that nobody clicks on it back into what it stands for. */
function refang(input: string | null): i32 {
  const text = stringOf(field(input, "text"));
  if (text === null) return fail("invalid_input", "text must be a text");
  const pairs = ["hxxp", "http", "hXXp", "http", "[.]", ".", "(.)", ".", "[:]", ":", "[://]", "://", "[@]", "@"];
  const parts: string[] = [];
  for (let i = 0; i < text.length; ) {
    let pair = 0;
    while (pair < pairs.length && !text.startsWith(pairs[pair], i)) pair += 2;
    parts.push(pair < pairs.length ? pairs[pair + 1] : text.charAt(i));
    i += pair < pairs.length ? pairs[pair].length : 1;
  }
  return reply('{"text":' + quoted(parts.join("")) + "}");
}

/** Asks the service of the org's settings what it knows. */
function lookup(input: string | null, settings: string | null): i32 {
  const indicator = stringOf(field(input, "indicator"));
  const endpoint = stringOf(field(settings, "endpoint"));
  if (indicator === null) return fail("invalid_input", "indicator must be a text");
  if (endpoint === null) {
    return fail("invalid_input", "the grant of this plugin has no setting endpoint: give it the address of the service");
  }
  const answer = get(endpoint + "/v1/indicators/" + encodeURIComponent(indicator));
  const status = answer.status;
  log("the service answered with status " + status.toString());
  if (status == 0) return fail(answer.error == "timeout" ? "timeout" : "unavailable", "the service did not answer");
  if (status == 404) return fail("not_found", "the service does not know the indicator");
  if (status == 429) return fail("rate_limited", "the service asks for fewer requests");
  if (status >= 500) return fail("unavailable", "the service has a fault of its own");
  const verdict = stringOf(field(answer.body, "verdict"));
  if (status != 200 || verdict === null) return fail("upstream_error", "the service did not answer with a verdict");
  return reply('{"verdict":' + quoted(verdict) + "}");
}

export function execute(): i32 {
  const call = envelope();
  const action = stringOf(field(call, "action"));
  if (stringOf(field(call, "op")) != "execute") return fail("internal", "the plugin has no such operation");
  if (action == "refang") return refang(field(call, "input"));
  if (action == "lookup") return lookup(field(call, "input"), field(call, "settings"));
  return fail("internal", "the plugin has no such action");
}

export function describe(): i32 {
  return say('{"name":"indicator-assemblyscript","version":"1.0.0","actions":{"refang":{"ops":["execute"]},"lookup":{"ops":["execute"]}}}');
}
