// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/decode.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace llmtap {
namespace {

using Value = nlohmann::json;

class TempFile {
 public:
  explicit TempFile(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("llmtap_decode_test_" + name)) {}
  ~TempFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// {"model":"m","messages":[{"role":"user","content":"hi"}]} and an answer to it, in base64.
constexpr std::string_view kRequest =
    "eyJtb2RlbCI6Im0iLCJtZXNzYWdlcyI6W3sicm9sZSI6InVzZXIiLCJjb250ZW50IjoiaGkifV19";
constexpr std::string_view kResponse =
    "eyJpZCI6IjEiLCJtb2RlbCI6Im0tMSIsImNob2ljZXMiOlt7ImluZGV4IjowLCJtZXNzYWdlIjp7InJvbGUiOiJhc3Np"
    "c3RhbnQiLCJjb250ZW50IjoiaGVsbG8ifSwiZmluaXNoX3JlYXNvbiI6InN0b3AifV19";

std::string corpus_line(const std::string& id, const std::string& method, const std::string& path,
                        std::string_view request, std::string_view response) {
  const Value headers = Value::array({Value::array({"Content-Type", "application/json"})});
  return Value{{"id", id},
               {"request",
                {{"method", method},
                 {"scheme", "https"},
                 {"host", "api.openai.com"},
                 {"port", 443},
                 {"path", path},
                 {"headers", headers},
                 {"body_b64", request}}},
               {"response", {{"status", 200}, {"headers", headers}, {"body_b64", response}}}}
             .dump() +
         "\n";
}

std::vector<Value> decode(const DecodeOptions& options, int code = 0) {
  std::ostringstream out, errors;
  CHECK(run_decode(options, out, errors) == code);
  CHECK(errors.str().empty() == (code == 0));
  std::vector<Value> lines;
  std::istringstream in(out.str());
  for (std::string line; std::getline(in, line);) lines.push_back(Value::parse(line));
  return lines;
}

std::string sample() {
  return corpus_line("a", "POST", "/v1/chat/completions", kRequest, kResponse) +
         corpus_line("b", "GET", "/v1/models", "", "e30=") +
         corpus_line("c", "POST", "/collect", "e30=", "e30=") + "not json\n" +
         corpus_line("d", "POST", "/v1/chat/completions", "%%%", "e30=");
}

void check_sample(const std::vector<Value>& lines) {
  REQUIRE(lines.size() == 5);
  CHECK(lines[0]["outcome"] == "call");
  CHECK(lines[0]["call"]["model_served"] == "m-1");
  CHECK(lines[0]["call"]["output"][0]["parts"][0]["text"] == "hello");
  CHECK(lines[1]["outcome"] == "not_llm");
  CHECK(lines[1]["reason"] == "models.list");
  CHECK(lines[1]["provider"] == "openai");
  CHECK(lines[1]["operation"] == "management");
  CHECK(lines[2]["outcome"] == "not_llm");
  CHECK_FALSE(lines[2].contains("operation"));
  CHECK(lines[3]["outcome"] == "undecodable");
  CHECK(lines[4]["outcome"] == "undecodable");
  CHECK(lines[4]["reason"] == "no readable request");
}

TEST_CASE("decode: corpus lines, plain, in pieces and gzip", "[unit]") {
  TempFile file("plain.jsonl");
  std::ofstream(file.path()) << sample();
  DecodeOptions options;
  options.files = {file.path()};
  check_sample(decode(options));
  options.piece = 7;
  check_sample(decode(options));

  TempFile packed("packed.jsonl.gz");
  gzFile gz = gzopen(packed.path().c_str(), "wb");
  const std::string text = sample();
  gzwrite(gz, text.data(), static_cast<unsigned>(text.size()));
  gzclose(gz);
  options.piece = 0;
  options.files = {packed.path()};
  check_sample(decode(options));
}

TEST_CASE("decode: the span event", "[unit]") {
  TempFile file("event.jsonl");
  std::ofstream(file.path()) << corpus_line("a", "POST", "/v1/chat/completions", kRequest,
                                            kResponse);
  DecodeOptions options;
  options.files = {file.path()};
  options.to = "llmobs";
  const auto lines = decode(options);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["event"]["name"] == "OpenAI.createChatCompletion");
  CHECK(lines[0]["event"]["meta"]["output"]["messages"][0]["content"] == "hello");
}

TEST_CASE("decode: HAR", "[unit]") {
  TempFile file("export.har");
  const Value har = {
      {"log",
       {{"entries",
         {{{"request",
            {{"method", "POST"},
             {"url", "https://api.openai.com/v1/chat/completions"},
             {"headers", {{{"name", "Content-Type"}, {"value", "application/json"}}}},
             {"postData",
              {{"text", R"({"model":"m","messages":[{"role":"user","content":"hi"}]})"}}}}},
           {"response",
            {{"status", 200},
             {"headers",
              {{{"name", "content-encoding"}, {"value", "gzip"}},  // no longer true of the text
               {{"name", "content-type"}, {"value", "application/json"}}}},
             {"content", {{"text", kResponse}, {"encoding", "base64"}}}}}},
          {{"request", "broken"}}}}}}};
  std::ofstream(file.path()) << har.dump();
  DecodeOptions options;
  options.format = "har";
  options.files = {file.path()};
  const auto lines = decode(options);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0]["outcome"] == "call");
  CHECK(lines[0]["call"]["output"][0]["parts"][0]["text"] == "hello");
  CHECK(lines[1]["outcome"] == "undecodable");
}

TEST_CASE("decode: a file that is not there", "[unit]") {
  DecodeOptions options;
  options.files = {"/nonexistent/file.jsonl"};
  CHECK(decode(options, 1).empty());
}

}  // namespace
}  // namespace llmtap
