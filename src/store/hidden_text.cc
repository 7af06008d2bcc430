#include "store/hidden_text.h"

#include <openssl/crypto.h>

namespace duckback {

HiddenText::~HiddenText() { OPENSSL_cleanse(text_.data(), text_.size()); }

}  // namespace duckback
