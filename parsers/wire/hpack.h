// SPDX-License-Identifier: Apache-2.0
//
// HPACK, the header compression of HTTP/2 (RFC 7541), decoder only, for an observer who may have
// joined late. First byte of a representation (6.1-6.3):
//
//   1xxxxxxx  indexed field              01xxxxxx  literal, inserted into the dynamic table
//   001xxxxx  table size update          0000xxxx  literal   0001xxxx  literal, never indexed
//
// Late attach. Dynamic entries are addressed by age (62 is the newest), and the oldest are evicted
// first. Hence every entry inserted since we joined has the index that the peer means, and an index
// beyond them is an entry from before: an unknown field, not an error. Keeping entries longer than
// the peer does is harmless (it never names them); dropping them early makes fields unknown, never
// wrong. So neither the peer's table size nor the size of unknown names has to be right.
// The name of a field outside the static table can stay unknown for long: a peer that goes on
// naming it by an entry whose name we never saw inserts it that way again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/core/result.h"

namespace llmtap {

// The views live during the call that hands the field over. What is unknown is empty.
struct HpackField {
  std::string_view name;
  std::string_view value;
  bool name_known = true;
  bool value_known = true;
};

class HpackDecoder {
 public:
  using OnField = std::function<void(const HpackField&)>;

  static constexpr std::uint32_t kDefaultTable = 4096;  // 6.5.2 of RFC 9113
  static constexpr std::uint32_t kLateTable =
      16 * 1024;                                         // size assumed while the peer's is unknown
  static constexpr std::uint32_t kMaxTable = 64 * 1024;  // held at most, whatever was negotiated

  // Decodes one whole header block and applies its insertions. An Error leaves the fields before
  // it reported; the table no longer agrees with the peer's: call forget() or stop.
  Status decode(std::string_view block, const OnField& field);

  // Blocks were lost, or we joined late: whatever the table holds now is unknown.
  void forget();

  std::size_t entries() const { return count_; }
  std::size_t memory() const { return size_ + ring_.capacity() * sizeof(Entry); }

 private:
  // Small: a connection may hold dozens.
  struct Entry {
    Entry() = default;
    explicit Entry(const HpackField& field);
    std::string_view name() const { return {text.get(), name_size}; }
    std::string_view value() const { return {text.get() + name_size, value_size}; }
    std::size_t size() const { return name_size + value_size + kOverhead; }  // as 4.1 counts

    static constexpr std::size_t kOverhead = 32;

    std::unique_ptr<char[]> text;  // name, then value
    std::uint32_t name_size = 0;
    std::uint32_t value_size : 31 = 0;  // a block is shorter
    std::uint32_t name_known : 1 = 1;
  };

  Status decode_indexed(std::string_view& block, const OnField& field);
  Status decode_literal(std::string_view& block, const OnField& field);
  Status decode_size_update(std::string_view& block);
  HpackField lookup(std::uint32_t index) const;
  void insert(const HpackField& field);
  void evict_to(std::size_t size);
  void grow();
  const Entry& entry(std::size_t age) const;

  std::vector<Entry> ring_;  // a power of two of slots
  std::size_t newest_ = 0;   // slot of the newest entry
  std::size_t count_ = 0;
  std::size_t size_ = 0;  // as 4.1 counts
  std::uint32_t max_size_ = kDefaultTable;
};

}  // namespace llmtap
