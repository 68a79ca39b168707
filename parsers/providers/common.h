// SPDX-License-Identifier: Apache-2.0
//
// What dialects share: path tests, parameters, media placeholders, errors. Pure readers only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/call_record.h"
#include "parsers/core/json.h"

namespace llmtap {

// Path without its query and without a trailing slash.
std::string_view bare_path(std::string_view path);
// True if the bare path ends with `suffix` (which starts with '/'), behind any gateway prefix.
bool path_ends(std::string_view path, std::string_view suffix);
// Path segments of the bare path, empty ones left out, at most 32.
std::vector<std::string_view> path_segments(std::string_view path);
// Host of an authority, without port.
std::string_view host_of(std::string_view authority);
// `text` with %XX undone.
std::string percent_decoded(std::string_view text);

// Copies the named members of `body` that are there (null included) into call.params, in the order
// of the wire.
void read_params(const Json& body, std::span<const std::string_view> names, CallRecord& call);
void add_param(CallRecord& call, std::string_view name, std::string json);

// Size of what a base64 text (padding optional) decodes to.
std::uint64_t base64_size(std::string_view text);
// True for a long text of nothing but the base64 alphabet.
bool looks_base64(std::string_view text);

// A media part from a URL: "data:image/png;base64,..." gives media type and size, anything else is
// a reference.
Part media_from_url(PartKind kind, std::string_view wire_type, std::string_view url);
// A media part from inline base64.
Part media_from_base64(PartKind kind, std::string_view wire_type, std::string_view media_type,
                       std::string_view base64);

// Compact JSON of a block with inline media (data URLs, base64) replaced by "[<n> bytes]".
std::string dump_without_media(const Json& block);

Part text_part(std::string_view wire_type, std::string_view text);

// The one answer of a dialect without choices: a message of role "assistant", made when needed.
Message& answer(CallRecord& call);
// Its first part, a text made when needed: for answers that are nothing but one text.
std::string& answer_text(CallRecord& call);
// What tier the vendor says it served the call on ("default", "flex", "ON_DEMAND", ...); empty and
// absent words say nothing.
void note_service_tier(std::string_view tier, CallRecord& call);
// Goes on with the last part if it is of this kind (kText or kReasoning), else begins one. An
// empty text adds nothing.
void append_text(Message& message, PartKind kind, std::string_view text);

}  // namespace llmtap
