// SPDX-License-Identifier: Apache-2.0
//
// Protobuf messages as JSON text, by tables of field numbers: services that speak gRPC say there
// what their REST API says in JSON. Fields that are in no table are passed over.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace llmtap {

struct ProtobufSchema;

struct ProtobufField {
  enum class Kind : std::uint8_t {
    kText,
    kBytes,  // counted, never kept: a base64 text of the right size
    kInteger,
    kBool,
    kFloat,
    kEnum,    // the word of its number; a number beyond the words stays one
    kStruct,  // google.protobuf.Struct
    kMessage,
  };
  using Words = std::span<const char* const>;

  std::uint32_t number;
  const char* name;  // its key in the JSON
  Kind kind;
  bool repeated = false;                    // scalars also packed
  const ProtobufSchema* message = nullptr;  // of kMessage
  Words words = {};                         // of kEnum
};

struct ProtobufSchema {
  std::span<const ProtobufField> fields;
};

// An object with the fields that are there, in the order of the table; of a field that may not
// repeat the last one counts. Texts are as on the wire: parse it to know that they are UTF-8.
// Messages nested deeper than 64 are empty.
std::string message_json(std::string_view message, const ProtobufSchema& schema);

}  // namespace llmtap
