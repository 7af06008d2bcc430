#pragma once

#include <stdlib.h>

#include <string>

#include "base/bytes.h"
#include "io/file.h"

namespace duckback::test {

// A folder that is gone with this object.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (fs::temp_directory_path() / "duckback-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TestFolder() { fs::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  fs::path put(const std::string& name, ByteView bytes) const {
    remove_file(path_ / name);
    File::create(path_ / name).write_at(0, bytes);
    return path_ / name;
  }

 private:
  fs::path path_;
};

}  // namespace duckback::test
