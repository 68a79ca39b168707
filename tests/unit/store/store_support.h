// SPDX-License-Identifier: Apache-2.0
//
// Calls and stores of the store's tests.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "userspace/sinks/store_sink.h"
#include "userspace/store/reader.h"
#include "userspace/store/store.h"

namespace llmtap::test {

inline constexpr TimeNs kStart = 1'764'000'000'000'000'000;
inline constexpr TimeNs kSecond = 1'000'000'000;

inline Message message_of(std::string role, std::string text) {
  Message message;
  message.role = std::move(role);
  message.parts.emplace_back().text = std::move(text);
  return message;
}

inline CallRecord call_of(int number, std::string asked, std::string said) {
  CallRecord call;
  call.id = "id-" + std::to_string(number);
  call.provider = number % 2 == 0 ? "openai" : "anthropic";
  call.dialect = "openai_chat";
  call.model_requested = "gpt-4o";
  call.model_served = "gpt-4o-2024-08-06";
  call.host = "api.openai.com";
  call.timing.request_start = kStart + static_cast<TimeNs>(number) * kSecond;
  call.timing.first_token = call.timing.request_start + kSecond / 4;
  call.timing.end = call.timing.request_start + kSecond * static_cast<TimeNs>(1 + number % 3);
  call.http_status = number % 5 == 4 ? 429 : 200;
  call.input = {message_of("system", "You are terse."), message_of("user", std::move(asked))};
  call.output = {message_of("assistant", std::move(said))};
  call.usage.input_uncached = 10;
  call.usage.output_visible = 20;
  call.cost = Cost{{}, {}, 0.001 * number, Cost::Source::kTable};
  call.finish_reason = "stop";
  call.response_id = "resp-" + std::to_string(number);
  call.process.service = "shop";
  return call;
}

inline std::unique_ptr<Store> open_store(const std::string& path) {
  auto store = Store::open(path);
  INFO((store.ok() ? "" : store.error().message));
  REQUIRE(store.ok());
  return std::move(*store);
}

inline void insert(Store& store, const CallRecord& call) {
  const auto stored = to_stored(call);
  const auto status = store.insert({&stored, 1});
  INFO((status.ok() ? "" : status.error().message));
  REQUIRE(status.ok());
}

inline std::vector<CallRow> find(const std::string& path, const std::string& filter,
                                 std::size_t limit = 100) {
  auto reader = StoreReader::open(path);
  REQUIRE(reader.ok());
  auto parsed = parse_filter(filter);
  INFO(filter);
  REQUIRE(parsed.ok());
  CallQuery query;
  query.filter = *parsed;
  query.limit = limit;
  auto rows = (*reader)->calls(query);
  INFO((rows.ok() ? "" : rows.error().message));
  REQUIRE(rows.ok());
  return *rows;
}

}  // namespace llmtap::test
