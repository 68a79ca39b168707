// SPDX-License-Identifier: Apache-2.0
//
// The Huffman code of HPACK (RFC 7541, 5.2 and appendix B).
#pragma once

#include <string>
#include <string_view>

namespace llmtap {

// Appends the decoded text to `out`. False: not a valid encoding (EOS inside, or padding that is
// longer than 7 bits or not all ones); `out` then holds what came before.
bool huffman_decode(std::string_view encoded, std::string& out);

}  // namespace llmtap
