/*
 * What a plugin in C says to the kernel: it takes the JSON of a call in, sends requests through the broker, and gives
 * the JSON of a reply out. docs/plugins.md has the functions below this header, and what the envelope holds.
 *
 * Texts have a length and no zero at their end. Nothing is ever freed: every call has a new instance of the module, and
 * its memory goes with it. Where memory runs out the plugin traps, and the kernel says so.
 */
#ifndef INTERLOCK_H
#define INTERLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HOST(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

HOST("extism:host/env", "alloc") extern uint64_t host_alloc(uint64_t bytes);
HOST("extism:host/env", "length") extern uint64_t host_length(uint64_t block);
HOST("extism:host/env", "load_u8") extern uint8_t host_load_u8(uint64_t at);
HOST("extism:host/env", "load_u64") extern uint64_t host_load_u64(uint64_t at);
HOST("extism:host/env", "store_u8") extern void host_store_u8(uint64_t at, uint8_t value);
HOST("extism:host/env", "store_u64") extern void host_store_u64(uint64_t at, uint64_t value);
HOST("extism:host/env", "input_offset") extern uint64_t host_input_offset(void);
HOST("extism:host/env", "output_set") extern void host_output_set(uint64_t at, uint64_t bytes);
HOST("interlock:host/v1", "http") extern uint64_t host_http(uint64_t request);

/* A piece of text, in UTF-8. `at` is NULL where there is none. */
typedef struct {
  const char *at;
  size_t length;
} text;

/* A text that grows. */
typedef struct {
  char *at;
  size_t length, room;
} buffer;

static inline text text_of(const char *zero_ended) { return (text){zero_ended, strlen(zero_ended)}; }
static inline text text_in(const buffer *b) { return (text){b->at, b->length}; }
static inline bool is_text(text t, const char *wanted) {
  return t.at && t.length == strlen(wanted) && memcmp(t.at, wanted, t.length) == 0;
}

static void put(buffer *b, text t) {
  if (b->length + t.length > b->room) {
    b->room = 2 * (b->length + t.length) + 64;
    b->at = realloc(b->at, b->room);
    if (!b->at) __builtin_trap();
  }
  if (t.length) memcpy(b->at + b->length, t.at, t.length);
  b->length += t.length;
}
static inline void put_words(buffer *b, const char *words) { put(b, text_of(words)); }

/* ---- blocks: memory that is shared with the host, copied eight bytes at a time ---- */

static text from_block(uint64_t block) {
  size_t length = host_length(block);
  char *at = malloc(length + 8);
  if (!at) __builtin_trap();
  size_t i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word = host_load_u64(block + i);
    memcpy(at + i, &word, 8);
  }
  for (; i < length; i++) at[i] = (char)host_load_u8(block + i);
  return (text){at, length};
}

static uint64_t to_block(text t) {
  uint64_t block = host_alloc(t.length);
  size_t i = 0;
  for (; i + 8 <= t.length; i += 8) {
    uint64_t word;
    memcpy(&word, t.at + i, 8);
    host_store_u64(block + i, word);
  }
  for (; i < t.length; i++) host_store_u8(block + i, (uint8_t)t.at[i]);
  return block;
}

/* ---- JSON: finds a field, reads a string, writes a string. Never reads outside the text that it is given. ---- */

static const char *json_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
  return at;
}

/* The place behind the string that begins at `at`. */
static const char *json_past_string(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  return at < end ? at + 1 : end;
}

/* The place behind the value that begins at `at`. Counts brackets instead of calling itself: depth is no matter. */
static const char *json_past_value(const char *at, const char *end) {
  for (int depth = 0; at < end;) {
    if (*at == '"') at = json_past_string(at, end);
    else if (*at == '{' || *at == '[') depth++, at++;
    else if (*at == '}' || *at == ']') depth--, at++;
    else if (depth) at++;
    else while (at < end && *at != ',' && *at != '}' && *at != ']' && *at != ' ' && *at != '\n' && *at != '\r' && *at != '\t') at++;
    if (depth <= 0) return at;
  }
  return end;
}

/* The JSON of a field of an object; no text where it is no object or has no such field. */
static text json_field(text json, const char *name) {
  const char *end = json.at + json.length, *at = json.at ? json_space(json.at, end) : NULL;
  if (!at || at == end || *at != '{') return (text){NULL, 0};
  for (at = json_space(at + 1, end); at < end && *at == '"'; at = json_space(at + 1, end)) {
    const char *key = at + 1;
    at = json_past_string(at, end);
    bool is_it = at > key && is_text((text){key, (size_t)(at - key - 1)}, name);
    at = json_space(at, end);
    if (at == end || *at != ':') break;
    const char *value = json_space(at + 1, end);
    at = json_past_value(value, end);
    if (is_it) return (text){value, (size_t)(at - value)};
    at = json_space(at, end);
    if (at == end || *at != ',') break;
  }
  return (text){NULL, 0};
}

static int json_hex(const char *at, const char *end) {
  int value = 0;
  if (end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static void put_code_point(buffer *b, int c) {
  /* Half of a pair alone is no text: U+FFFD says that something was there. */
  if (c < 0 || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
  char bytes[4];
  size_t n = 0;
  if (c < 0x80) bytes[n++] = (char)c;
  else {
    if (c < 0x800) bytes[n++] = (char)(0xc0 | c >> 6);
    else {
      if (c < 0x10000) bytes[n++] = (char)(0xe0 | c >> 12);
      else bytes[n++] = (char)(0xf0 | c >> 18), bytes[n++] = (char)(0x80 | (c >> 12 & 0x3f));
      bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    bytes[n++] = (char)(0x80 | (c & 0x3f));
  }
  put(b, (text){bytes, n});
}

/* What a JSON string says; no text where it is no string. */
static text json_string(text json) {
  if (!json.at || json.length < 2 || *json.at != '"' || json.at[json.length - 1] != '"') return (text){NULL, 0};
  buffer b = {malloc(json.length), 0, json.length};
  if (!b.at) __builtin_trap();
  const char *end = json.at + json.length - 1;
  for (const char *at = json.at + 1; at < end; at++) {
    if (*at != '\\' || ++at == end) put(&b, (text){at, at < end});
    else if (*at != 'u') {
      const char *escapes = "b\bf\fn\nr\rt\t", *found = *at ? strchr(escapes, *at) : NULL; /* NUL is at its end, too */
      put(&b, (text){found && (found - escapes) % 2 == 0 ? found + 1 : at, 1});
    } else {
      int c = json_hex(at + 1, end);
      if (c >= 0) at += 4;
      int low = c >= 0xd800 && c < 0xdc00 && end - at > 6 && at[1] == '\\' && at[2] == 'u' ? json_hex(at + 3, end) : -1;
      if (low >= 0xdc00 && low < 0xe000) c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), at += 6;
      put_code_point(&b, c);
    }
  }
  return text_in(&b);
}

/* Writes a text as a JSON string. */
static void put_json(buffer *b, text t) {
  put_words(b, "\"");
  for (size_t i = 0; i < t.length; i++) {
    unsigned char c = (unsigned char)t.at[i];
    if (c == '"' || c == '\\') put_words(b, "\\");
    if (c >= 0x20) put(b, (text){t.at + i, 1});
    else {
      const char escape[] = {'\\', 'u', '0', '0', "01"[c >> 4], "0123456789abcdef"[c & 15]};
      put(b, (text){escape, sizeof escape});
    }
  }
  put_words(b, "\"");
}

/* ---- the call ---- */

/* The envelope of the call: action, op, input, settings and so on. */
static inline text call_envelope(void) { return from_block(host_input_offset()); }

/* Replies with the output of the action, given as JSON. Return what it returns. */
static int reply(text output) {
  buffer b = {0};
  put_words(&b, "{\"ok\":true,\"output\":");
  put(&b, output);
  put_words(&b, "}");
  host_output_set(to_block(text_in(&b)), b.length);
  return 0;
}

/* Replies that it did not work: one of the error classes of docs/errors.md, and how to mend it. */
static int fail(const char *error_class, const char *message) {
  buffer b = {0};
  put_words(&b, "{\"ok\":false,\"error\":{\"class\":");
  put_json(&b, text_of(error_class));
  put_words(&b, ",\"message\":");
  put_json(&b, text_of(message));
  put_words(&b, "}}");
  host_output_set(to_block(text_in(&b)), b.length);
  return 0;
}

typedef struct {
  /* 0 where no usable answer came; `error_class` then says why. */
  int status;
  text body, error_class;
} answer;

/* Sends a GET. One that is not granted does not come back from here: it ends the call. */
static answer http_get(text url) {
  buffer b = {0};
  put_words(&b, "{\"url\":");
  put_json(&b, url);
  put_words(&b, ",\"method\":\"GET\",\"headers\":{\"accept\":\"application/json\"},\"body\":null}");
  text json = from_block(host_http(to_block(text_in(&b))));
  if (!is_text(json_field(json, "ok"), "true")) return (answer){0, {NULL, 0}, json_string(json_field(json, "error"))};
  text status = json_field(json, "status");
  int number = 0;
  for (size_t i = 0; i < status.length && status.at[i] >= '0' && status.at[i] <= '9'; i++)
    number = number * 10 + status.at[i] - '0';
  return (answer){number, json_string(json_field(json, "body")), {NULL, 0}};
}

#endif
