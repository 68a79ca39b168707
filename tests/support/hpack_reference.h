// SPDX-License-Identifier: Apache-2.0
//
// libnghttp2's HPACK encoder and decoder: real peers' header blocks, and a second opinion on them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llmtap::testing {

class HpackReference {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit HpackReference(std::size_t table = 4096) {
    require(nghttp2_hd_deflate_new(&deflater_, table) == 0);
    require(nghttp2_hd_inflate_new(&inflater_) == 0);
  }
  ~HpackReference() {
    nghttp2_hd_deflate_del(deflater_);
    nghttp2_hd_inflate_del(inflater_);
  }
  HpackReference(const HpackReference&) = delete;
  HpackReference& operator=(const HpackReference&) = delete;

  void resize(std::size_t size) {
    require(nghttp2_hd_deflate_change_table_size(deflater_, size) == 0);
    require(nghttp2_hd_inflate_change_table_size(inflater_, size) == 0);
  }

  // `never()` says whether the next field is one that is never indexed.
  template <class Never>
  std::string encode(const Fields& fields, Never never) {
    std::vector<nghttp2_nv> nv;
    for (const auto& [name, value] : fields) {
      nv.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                    reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                    value.size(),
                    static_cast<std::uint8_t>(never() ? NGHTTP2_NV_FLAG_NO_INDEX : 0)});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_, nv.data(), nv.size()), '\0');
    const auto size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(out.data()),
                                            out.size(), nv.data(), nv.size());
    require(size >= 0);
    out.resize(static_cast<std::size_t>(size));
    return out;
  }
  std::string encode(const Fields& fields) {
    return encode(fields, [] { return false; });
  }

  // Absent: libnghttp2 refuses the block.
  std::optional<Fields> decode(std::string_view block) {
    Fields fields;
    const auto* in = reinterpret_cast<const std::uint8_t*>(block.data());
    std::size_t left = block.size();
    for (;;) {
      nghttp2_nv nv{};
      int flags = 0;
      const auto used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, in, left, 1);
      if (used < 0) return std::nullopt;
      in += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        fields.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                            std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      } else if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0 || left == 0) {
        break;
      }
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return fields;
  }

 private:
  static void require(bool ok) {
    if (!ok) std::abort();
  }

  nghttp2_hd_deflater* deflater_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace llmtap::testing
