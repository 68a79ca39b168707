// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/scratch_directory.h"
#include "userspace/enrich/redact.h"
#include "userspace/enrich/user_hash.h"
#include "userspace/enrich/user_patterns.h"

using namespace llmtap;

namespace {

std::string redacted(std::string text, bool personal = true) {
  redact_text(text, {.personal = personal});
  return text;
}

}  // namespace

TEST_CASE("redact: personal data on request only", "[unit]") {
  struct Case {
    std::string text, expected;
  };
  const Case cases[] = {
      {"mail jane.doe+x@example.co.jp now", "mail [REDACTED:email] now"},
      {"\\njane@example.com", "\\n[REDACTED:email]"},
      {"call +49 (30) 1234 5678!", "call [REDACTED:phone]!"},
      {"call (415) 555-2671 or 415.555.2671", "call [REDACTED:phone] or [REDACTED:phone]"},
      {"card 4111 1111 1111 1111.", "card [REDACTED:card]."},
      {"card 4111111111111112", "card 4111111111111112"},
      {"4111 1111 1111 1111 12/27 123", "[REDACTED:card] 12/27 123"},
      {"5555-5555-5555-4444 and 378282246310005", "[REDACTED:card] and [REDACTED:card]"},
      // Numbers that pass Luhn's check, as one in ten does.
      {"at 1764033600008, id 1317000000000000007", "at 1764033600008, id 1317000000000000007"},
      {"4111111111111111abcdef", "4111111111111111abcdef"},
      {"lodash@4.17.21 and vue@3.4.38", "lodash@4.17.21 and vue@3.4.38"},
      {"+ 20241125 +0.123456789", "+ 20241125 +0.123456789"},
      {"IBAN DE89370400440532013000", "IBAN [REDACTED:iban]"},
      {"IBAN GB82 WEST 1234 5698 7654 32 HERE", "IBAN [REDACTED:iban] HERE"},
      {"IBAN DE89370400440532013001", "IBAN DE89370400440532013001"},
      {"a@b and 1+1=2 and @home", "a@b and 1+1=2 and @home"},
      {"version 1.2.3 of 2026-11-24, 12:30:45, 1,000,000 items",
       "version 1.2.3 of 2026-11-24, 12:30:45, 1,000,000 items"},
      {"192.168.100.200 and 123 456 789", "192.168.100.200 and 123 456 789"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.text) {
      CHECK(redacted(c.text, false) == c.text);
      CHECK(redacted(c.text) == c.expected);
    }
  }
}

// Published examples; each with its last digit or letter wrong as well.
TEST_CASE("redact: national numbers", "[unit]") {
  struct Case {
    const char* kind;
    std::string valid, wrong;
  };
  const Case cases[] = {
      {"us_ssn", "219-09-9999", "666-09-9999"},
      {"us_ssn", "123-45-6789", "123-00-6789"},
      {"uk_nino", "AB123456C", "AB123456E"},
      {"uk_nino", "AB 12 34 56 C", "GB 12 34 56 C"},
      {"fr_insee", "255081416802538", "255081416802539"},
      {"fr_insee", "2 55 08 14 168 025 38", "2 55 08 14 168 025 39"},
      {"es_dni", "12345678Z", "12345678A"},
      {"es_nie", "X1234567L", "X1234567M"},
      {"de_tax_id", "86095742719", "86095742718"},
      {"it_codice_fiscale", "RSSMRA85T10A562S", "RSSMRA85T10A562T"},
      {"be_national_number", "85.07.30-033.28", "85.07.30-033.29"},
      {"pl_pesel", "44051401359", "44051401358"},
      {"fi_hetu", "131052-308T", "131052-308U"},
      {"fi_hetu", "131052A308T", "131052A308U"},
      {"se_personnummer", "811218-9876", "811218-9877"},
      {"ch_ahv", "756.9217.0769.85", "756.9217.0769.84"},
      {"br_cpf", "529.982.247-25", "529.982.247-26"},
      {"in_aadhaar", "2341 2341 2346", "2341 2341 2347"},
      {"cn_resident_id", "11010519491231002X", "110105194912310021"},
      {"kr_rrn", "850101-1234567", "851301-1234567"},
      {"ca_sin", "130-692-544", "130-692-545"},
  };
  for (const auto& c : cases) {
    DYNAMIC_SECTION(c.valid) {
      CHECK(redacted("no. " + c.valid + ".") == std::string("no. [REDACTED:") + c.kind + "].");
      CHECK(redacted("no. " + c.wrong + ".") == "no. " + c.wrong + ".");
      CHECK(redacted("x" + c.valid) == "x" + c.valid);  // part of something longer
      CHECK(redacted(c.valid + "7").find(c.kind) == std::string::npos);
    }
  }
}

TEST_CASE("redact: patterns of the user", "[unit]") {
  UserPatterns patterns;
  REQUIRE(patterns.add("employee", R"(\bEMP-\d{6}\b)").ok());
  REQUIRE(patterns.add("ward", R"((?i)ward \p{L}+)").ok());
  std::string text = "EMP-123456, EMP-1234567, Ward Ärztehaus and ward B";
  CHECK(redact_text(text, {.patterns = &patterns}) == 3);
  CHECK(text == "[REDACTED:employee], EMP-1234567, [REDACTED:ward] and [REDACTED:ward]");
  for (const char* bad : {"(", "a{2,1}", R"((a)\1)", "x*", "", "(?=a)"}) {
    CAPTURE(bad);
    CHECK_FALSE(patterns.add("bad", bad).ok());
  }
  // What makes backtracking engines hang.
  UserPatterns hard;
  REQUIRE(hard.add("hard", "(a+)+$").ok());
  std::string hostile(200'000, 'a');
  hostile += '!';
  CHECK(redact_text(hostile, {.patterns = &hard}) == 0);
}

TEST_CASE("user ids are hashed wherever the request repeats them", "[unit]") {
  const UserHash hash("key");
  CallRecord call;
  call.user_id = "jane@example.com";
  call.params = {{"user", "\"jane@example.com\""},
                 {"metadata", R"({"user_id":"jane@example.com","n":1})"}};
  call.request_headers = {{"x-user", "jane@example.com"}};
  CallRecord other = call;
  hash.apply(call);
  CHECK(call.user_id == hash.of("jane@example.com"));
  CHECK(call.user_id.size() == 21);
  CHECK(call.params[0].json == '"' + call.user_id + '"');
  CHECK(call.params[1].json == R"({"user_id":")" + call.user_id + R"(","n":1})");
  CHECK((*call.request_headers.begin()).value == call.user_id);
  UserHash("other key").apply(other);
  CHECK(other.user_id != call.user_id);

  test::ScratchDirectory scratch;
  const auto first = installation_key(scratch.path("user-hash.key"));
  REQUIRE(first.ok());
  CHECK(*first == *installation_key(scratch.path("user-hash.key")));
  CHECK_FALSE(installation_key(scratch.path("")).ok());  // a directory
}
