// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "parsers/assembly/call_fold.h"

namespace llmtap {
namespace {

void feed_body(CallFold& fold, Side side, std::string_view bytes, std::size_t piece, Stamp stamp) {
  while (!bytes.empty()) {
    const auto step = piece == 0 ? bytes.size() : std::min(piece, bytes.size());
    fold.body(side, bytes.substr(0, step), stamp);
    bytes.remove_prefix(step);
  }
}

}  // namespace

void fold_interaction(FoldContext& context, const ConnId& conn, const Interaction& interaction) {
  CallFold fold(context, conn);
  fold.request(RequestHead(interaction.request), interaction.direction, interaction.request_stamp);
  feed_body(fold, Side::kRequest, interaction.request_body, interaction.piece,
            interaction.request_stamp);
  fold.finish(Side::kRequest, interaction.request_stamp);
  fold.response(ResponseHead(interaction.response), interaction.response_stamp);
  feed_body(fold, Side::kResponse, interaction.response_body, interaction.piece,
            interaction.response_stamp);
  if (interaction.end == End::kComplete) {
    fold.finish(Side::kResponse, interaction.response_stamp);
  }
  fold.end(interaction.end, interaction.response_stamp);
}

}  // namespace llmtap
