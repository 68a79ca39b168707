// SPDX-License-Identifier: Apache-2.0
//
// The piece between one exchange and its record: decodes bodies, recognises the provider, runs its
// parser and fills every field of the record that does not depend on the dialect. A WebSocket
// exchange may give several records, any other at most one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "parsers/assembly/assembler.h"
#include "parsers/assembly/identity.h"
#include "parsers/assembly/provider_names.h"
#include "parsers/core/exchange.h"
#include "parsers/core/json.h"
#include "parsers/wire/decoder.h"

namespace llmtap {

// What all folds of one assembler share. Outlives them; not for use by two threads.
struct FoldContext {
  const Limits& limits;
  const ProviderNames& names;
  RecordSink& sink;
  JsonDocument json;  // scratch: a document lives only while one event is handled
  IdentityRules identity = {};
};

// The calls mean what ExchangeSink says (parsers/wire/decoder.h), for one stream: `request` first,
// `end` last, once. Every fold that got a `request` reports exactly one of these in `end`:
//   record(s) or management — a provider knew it;  not_llm — none did.
// `verdict` is reported when it is known (kLlm or kWatch), at most once, `progress` when the
// request is there, at the first token and not more often than that per record, `loss` as it
// happens. Nothing of an exchange that is no LLM call is kept once that is known.
class CallFold {
 public:
  CallFold(FoldContext& context, const ConnId& conn);
  ~CallFold();
  CallFold(CallFold&&) noexcept;
  CallFold& operator=(CallFold&&) noexcept;

  // `direction` of the request's bytes: kWrite means that the client is observed.
  void request(RequestHead&& head, Direction direction, Stamp stamp);
  void response(ResponseHead&& head, Stamp stamp);
  void body(Side side, std::string_view bytes, Stamp stamp);
  void gap(Side side, std::uint64_t bytes);
  void trailers(Side side, Headers&& trailers);
  void finish(Side side, Stamp stamp);
  void message(Side side, std::string_view payload, bool text, Stamp stamp);
  // Ends the exchange and emits. Nothing may follow but the destructor.
  void end(End end, Stamp stamp);

  // kUnknown until the request is understood; then kLlm or kWatch.
  ConnVerdict verdict() const;
  // Bytes held now, roughly, for the global budget.
  std::size_t memory() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One whole recorded exchange through a fold: for tests and for `decode`. Bodies are as on the
// wire behind transfer framing (content codings are undone here). `t` are the marks of the
// request's and the response's only chunk. `piece` > 0 feeds the bodies in pieces of that size.
struct Interaction {
  RequestHead request;
  std::string_view request_body;
  ResponseHead response;
  std::string_view response_body;
  Direction direction = Direction::kWrite;
  Stamp request_stamp{1'000'000'000, 1'000'000'000};
  Stamp response_stamp{2'000'000'000, 2'000'000'000};
  End end = End::kComplete;
  std::size_t piece = 0;
};
void fold_interaction(FoldContext& context, const ConnId& conn, const Interaction& interaction);

}  // namespace llmtap
