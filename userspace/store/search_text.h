// SPDX-License-Identifier: Apache-2.0
//
// Text → search terms: words, and pairs of neighbouring characters where scripts put no spaces
// between words (Chinese, Japanese, Korean, Thai and their like). Both sides of a search go through
// here, the tokenizer of the full-text table only splits at spaces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace llmtap {

// Terms separated by spaces, from the first `bytes` of `text`. Invalid UTF-8 separates.
std::string search_terms(std::string_view text, std::size_t bytes);

// A full-text query that finds `text` as consecutive terms; empty if it has none.
std::string search_phrase(std::string_view text);

}  // namespace llmtap
