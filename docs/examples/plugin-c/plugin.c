#include <stdio.h>
#include "interlock.h"

/* The manifest lies in the module too: the kernel refuses a module beside another manifest than it was built with. */
__asm__(".section \".custom_section.interlock:manifest\",\"\",@\n.incbin \"manifest.json\"\n");

/* Turns what people write so that nobody clicks on it back into what it stands for. */
static int refang(text input) {
  static const char *const pairs[][2] = {
    {"hxxp", "http"}, {"hXXp", "http"}, {"[.]", "."}, {"(.)", "."}, {"[:]", ":"}, {"[://]", "://"}, {"[@]", "@"},
  };
  text in = json_string(json_field(input, "text"));
  if (!in.at) return fail("invalid_input", "text must be a text");
  buffer out = {0}, output = {0};
  for (size_t i = 0; i < in.length;) {
    size_t pair = 0, of = sizeof pairs / sizeof *pairs;
    while (pair < of && (in.length - i < strlen(pairs[pair][0]) || memcmp(in.at + i, pairs[pair][0], strlen(pairs[pair][0])))) pair++;
    if (pair < of) put_words(&out, pairs[pair][1]), i += strlen(pairs[pair][0]);
    else put(&out, (text){in.at + i++, 1});
  }
  put_words(&output, "{\"text\":");
  put_json(&output, text_in(&out));
  put_words(&output, "}");
  return reply(text_in(&output));
}

static void put_percent_encoded(buffer *b, text t) {
  for (size_t i = 0; i < t.length; i++) {
    unsigned char c = (unsigned char)t.at[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    const char escape[] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
    put(b, plain ? (text){t.at + i, 1} : (text){escape, 3});
  }
}

/* Asks the service of the org's settings what it knows. */
static int lookup(text input, text settings) {
  text indicator = json_string(json_field(input, "indicator")), endpoint = json_string(json_field(settings, "endpoint"));
  if (!indicator.at) return fail("invalid_input", "indicator must be a text");
  if (!endpoint.at) return fail("invalid_input", "the grant of this plugin has no setting endpoint: give it the address of the service");
  buffer url = {0}, output = {0};
  put(&url, endpoint);
  put_words(&url, "/v1/indicators/");
  put_percent_encoded(&url, indicator);
  answer got = http_get(text_in(&url));
  /* The C library writes to the log of the call. */
  fprintf(stderr, "the service answered with status %d\n", got.status);
  if (got.status == 0) return fail(is_text(got.error_class, "timeout") ? "timeout" : "unavailable", "the service did not answer");
  if (got.status == 404) return fail("not_found", "the service does not know the indicator");
  if (got.status == 429) return fail("rate_limited", "the service asks for fewer requests");
  if (got.status >= 500) return fail("unavailable", "the service has a fault of its own");
  text verdict = json_string(json_field(got.body, "verdict"));
  if (got.status != 200 || !verdict.at) return fail("upstream_error", "the service did not answer with a verdict");
  put_words(&output, "{\"verdict\":");
  put_json(&output, verdict);
  put_words(&output, "}");
  return reply(text_in(&output));
}

EXPORT("execute") int execute(void) {
  text envelope = call_envelope(), action = json_string(json_field(envelope, "action")), input = json_field(envelope, "input");
  if (!is_text(json_string(json_field(envelope, "op")), "execute")) return fail("internal", "the plugin has no such operation");
  if (is_text(action, "refang")) return refang(input);
  if (is_text(action, "lookup")) return lookup(input, json_field(envelope, "settings"));
  return fail("internal", "the plugin has no such action");
}

EXPORT("describe") int describe(void) {
  text words = text_of("{\"name\":\"indicator-c\",\"version\":\"1.0.0\",\"actions\":{\"refang\":{\"ops\":[\"execute\"]},\"lookup\":{\"ops\":[\"execute\"]}}}");
  host_output_set(to_block(words), words.length);
  return 0;
}
